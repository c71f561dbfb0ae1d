//! A statement: sent, its pages printed as they come, and a line below that says how it went.

use std::future::IntoFuture as _;
use std::time::{Duration, Instant};

use client::{Outcome, Response};
use nu_ansi_term::Style;

use super::Shell;
use crate::failure::Failure;
use crate::output::{Expand, Format, Printer, Traced, Unprintable};
use crate::pager::{Reader, Sheet};
use crate::terminal::or_interrupt;

/// Warnings told below one result.
const WARNINGS_MAX: usize = 20;

/// How far a statement got.
struct Progress {
    printer: Printer,
    pages: u32,
    /// Without what somebody needed to press a key.
    elapsed: Duration,
    /// Whether somebody did not want the rest.
    partial: bool,
    traced: Traced,
    /// Each once, in order: they are told below the rows.
    warnings: Vec<String>,
}

impl Progress {
    /// Keeps what is new: pages warn of the same thing again and again.
    fn warn(&mut self, warnings: &[String]) {
        for warning in warnings {
            if self.warnings.len() < WARNINGS_MAX && !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
    }
}

/// A page as it is shown.
fn printed(printer: &mut Printer, outcome: &Outcome) -> Result<Vec<u8>, Failure> {
    let mut page = Vec::new();
    match outcome.response() {
        Response::Rows { columns, rows, .. } => {
            printer.page(&mut page, columns, rows).map_err(|unprintable| match unprintable {
                Unprintable::Output(error) => Failure::Output(error),
                Unprintable::Rows(error) => Failure::Client(error),
            })?;
        }
        Response::Text(text) => page = format!("{}\n", text.trim_end()).into(),
        Response::Done | Response::SetKeyspace(_) | Response::SchemaChange { .. } => {}
    }
    Ok(page)
}

impl Shell {
    /// Sends a statement and prints its pages as they come.
    pub(super) async fn run_statement(&mut self, text: &str) -> Result<(), Failure> {
        let format = match self.format {
            _ if self.expand == Expand::On => Format::Vertical,
            Some(format) => format,
            None if self.terminal.is_terminal => Format::Table,
            None => Format::Tsv,
        };
        let mut layout = self.layout();
        if self.expand == Expand::Off {
            layout.width = None;
        }
        let printer = Printer::new(format, layout);
        let mut progress = Progress {
            printer,
            pages: 0,
            elapsed: Duration::ZERO,
            partial: false,
            traced: Traced::default(),
            warnings: Vec::new(),
        };
        let mut sheet = self.sheet();
        let ran = self.run_pages(text, &mut progress, &mut sheet).await;
        let ran = match ran {
            Ok(()) => self.end_rows(&mut progress, &mut sheet).await,
            Err(failure) => Err(failure),
        };
        // Whoever looks at rows gets to know what became of the rest once they have seen them.
        let shown = sheet.end(&mut *self.terminal.out).await;
        for warning in &progress.warnings {
            self.notice(&format!("warning: {warning}"));
        }
        if let Err(Failure::Client(error)) = &ran
            && let Some(trace) = &error.details().steps
        {
            progress.traced.add(trace);
        }
        let ended = ran.and_then(|()| Ok(shown?));
        if ended.is_ok() {
            self.footer(&progress);
        }
        if let Some(trace) = progress.traced.render(self.terminal.layout()) {
            self.notice(&trace);
        }
        ended
    }

    async fn run_pages(
        &mut self,
        text: &str,
        progress: &mut Progress,
        sheet: &mut Sheet,
    ) -> Result<(), Failure> {
        let mut state = Default::default();
        loop {
            let request = self.session.execute(text, ()).consistency(self.consistency);
            let request = request.page_size(self.page_rows).paging_state(state);
            let request = request.traced(self.tracing);
            let rows = progress.printer.rows();
            let began = Instant::now();
            let outcome = tokio::select! {
                biased;
                outcome = or_interrupt(request.into_future()) => outcome,
                // Nobody waits for this page any more.
                () = sheet.left() => {
                    progress.partial = true;
                    return Ok(());
                }
            };
            let outcome = outcome.ok_or(Failure::Cancelled { rows })??;
            progress.pages += 1;
            progress.warn(outcome.warnings());
            if let Some(trace) = outcome.trace() {
                progress.traced.add(trace);
            }
            let page = printed(&mut progress.printer, &outcome);
            progress.elapsed += began.elapsed();
            let reader = self.put(page?, progress, sheet).await?;
            match outcome.paging_state() {
                Some(_) if reader == Reader::Left => {
                    progress.partial = true;
                    return Ok(());
                }
                Some(more) => state = more.clone(),
                None => return Ok(()),
            }
        }
    }

    /// Shows a page, unless somebody presses Ctrl-C before there is room for it.
    async fn put(
        &mut self,
        page: Vec<u8>,
        progress: &Progress,
        sheet: &mut Sheet,
    ) -> Result<Reader, Failure> {
        let rows = progress.printer.rows();
        let put = or_interrupt(sheet.put(page, &mut *self.terminal.out)).await;
        Ok(put.ok_or(Failure::Cancelled { rows })??)
    }

    /// Shows what comes behind the last row.
    async fn end_rows(
        &mut self,
        progress: &mut Progress,
        sheet: &mut Sheet,
    ) -> Result<(), Failure> {
        let mut end = Vec::new();
        progress.printer.finish(&mut end)?;
        if !end.is_empty() {
            self.put(end, progress, sheet).await?;
        }
        Ok(())
    }

    /// `3 rows · 4.1 ms · QUORUM`, where somebody looks.
    fn footer(&mut self, progress: &Progress) {
        if !self.terminal.is_terminal {
            return;
        }
        let Progress { printer, pages, elapsed, partial, .. } = progress;
        let mut parts = vec![match (printer.begun(), printer.rows()) {
            (false, _) => "done".to_owned(),
            (true, 1) => "1 row".to_owned(),
            (true, rows) => format!("{rows} rows"),
        }];
        if *partial {
            parts.push("not all".to_owned());
        }
        if 1 < *pages {
            parts.push(format!("{pages} pages"));
        }
        if self.timing {
            parts.push(format!("{:.1} ms", elapsed.as_secs_f64() * 1000.0));
        }
        parts.push(self.consistency.name().to_owned());
        let text = parts.join(" · ");
        let colors = self.terminal.colors;
        self.notice(&if colors { Style::new().dimmed().paint(text).to_string() } else { text });
    }
}
