//! `COPY TO`: pages of the table as lines of a file.

use std::fs::{File, OpenOptions};
use std::future::IntoFuture as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use client::{Column, Outcome, Prepared, Response, Row};

use super::progress::Progress;
use super::state::{Keeper, State};
use super::statement::Style;
use super::{Copied, Format, Task, beside, csv, json, quoted, unwritable};
use crate::failure::Failure;
use crate::terminal::{Terminal, or_interrupt};

pub(super) async fn run(task: &Task<'_>, terminal: &mut Terminal) -> Result<Copied, Failure> {
    let columns = task.columns().await?;
    let names: Vec<String> = columns.iter().map(|it| quoted(&it.name)).collect();
    let text = format!("SELECT {} FROM {}", names.join(", "), task.table());
    let select = task.session.prepare(&text).await?;
    let mut keeper = Keeper::new(&task.copy.path, task.identity(&columns));
    let known = if task.copy.resume { keeper.load()? } else { None };
    let part = beside(&task.copy.path, ".part");
    let (sheet, mut state) = match known {
        Some(state) => (Sheet::reopen(&part, task, columns, &state)?, state),
        None => {
            keeper.forget()?;
            Sheet::create(&part, task, columns)?
        }
    };
    let progress = Progress::new(terminal, None, state.rows);
    let pages = Pages { task, select: &select, part: &part, progress: &progress };
    let ran = or_interrupt(pages.copy(sheet, &mut state, &mut keeper)).await;
    drop(progress);
    match ran.unwrap_or(Err(Failure::Cancelled { rows: state.rows })) {
        Ok(()) => {
            let path = &task.copy.path;
            std::fs::rename(&part, path).map_err(|error| unwritable(path, error))?;
            keeper.forget()?;
            Ok(Copied { rows: state.rows, rejected: 0, rejects: None })
        }
        Err(failure) => {
            sync(&part)?;
            keeper.stop(&state, terminal)?;
            Err(failure)
        }
    }
}

struct Pages<'p> {
    task: &'p Task<'p>,
    select: &'p Prepared,
    part: &'p Path,
    progress: &'p Progress,
}

impl Pages<'_> {
    /// Writes one page while the next one is on its way.
    async fn copy(
        &self,
        mut sheet: Sheet,
        state: &mut State,
        keeper: &mut Keeper,
    ) -> Result<(), Failure> {
        let mut outcome = self.fetch(state.page.clone()).await?;
        loop {
            let Response::Rows { rows, paging_state, .. } = outcome.into_response() else {
                return Err(Failure::Copy("the node answered without rows".to_owned()));
            };
            let count = rows.len() as u64;
            let writing = tokio::task::spawn_blocking(move || {
                let written = sheet.write(&rows);
                (sheet, written)
            });
            let fetching = async {
                if paging_state.is_empty() {
                    return None;
                }
                Some(self.fetch(paging_state.to_vec()).await)
            };
            let (written, fetched) = tokio::join!(writing, fetching);
            let (returned, written) = written.map_err(|error| Failure::Copy(error.to_string()))?;
            written?;
            sheet = returned;
            state.rows += count;
            state.bytes = sheet.bytes;
            state.page = paging_state.to_vec();
            self.progress.show(state.rows, state.bytes);
            outcome = match fetched {
                None => return sync(self.part),
                Some(outcome) => outcome?,
            };
            if keeper.is_due() {
                // What the state counts must be there before the state is.
                sync(self.part)?;
                keeper.keep(state)?;
            }
        }
    }

    async fn fetch(&self, page: Vec<u8>) -> Result<Outcome, Failure> {
        let request = self.task.session.execute(self.select, ());
        let request = request.consistency(self.task.consistency).paging_state(page);
        Ok(request.into_future().await?)
    }
}

fn sync(path: &Path) -> Result<(), Failure> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| unwritable(path, error))
}

/// The file that is being written.
struct Sheet {
    path: PathBuf,
    file: File,
    style: Style,
    /// As they are written: for objects, as JSON.
    names: Vec<String>,
    bytes: u64,
}

impl Sheet {
    fn new(path: &Path, file: File, task: &Task<'_>, columns: Vec<Column>) -> Sheet {
        let style = task.copy.style.clone();
        let names = columns.into_iter().map(|column| match style.format {
            Format::Csv => column.name,
            Format::Jsonl => serde_json::Value::from(column.name).to_string(),
        });
        Sheet { path: path.to_owned(), file, names: names.collect(), style, bytes: 0 }
    }

    fn create(
        path: &Path,
        task: &Task<'_>,
        columns: Vec<Column>,
    ) -> Result<(Sheet, State), Failure> {
        let file = File::create(path).map_err(|error| unwritable(path, error))?;
        let mut sheet = Sheet::new(path, file, task, columns);
        if sheet.style.header && sheet.style.format == Format::Csv {
            let names = sheet.names.iter().map(|name| Some(name.as_str()));
            let line = csv::line(names, &sheet.style);
            sheet.append(&line)?;
        }
        let state = State { bytes: sheet.bytes, ..State::default() };
        Ok((sheet, state))
    }

    /// Goes on behind what the state counts; whatever came later is cut off.
    fn reopen(
        path: &Path,
        task: &Task<'_>,
        columns: Vec<Column>,
        state: &State,
    ) -> Result<Sheet, Failure> {
        let failed = |error| unwritable(path, error);
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < state.bytes {
            let path = path.display();
            return Err(Failure::Copy(format!("{path} is shorter than it was: begin anew")));
        }
        file.set_len(state.bytes).map_err(failed)?;
        let mut sheet = Sheet::new(path, file, task, columns);
        sheet.bytes = state.bytes;
        Ok(sheet)
    }

    fn write(&mut self, rows: &[Row]) -> Result<(), Failure> {
        let mut lines = String::new();
        for row in rows {
            let values = (0..self.names.len()).map(|at| row.value(at));
            let values = values.collect::<Result<Vec<_>, _>>()?;
            match self.style.format {
                Format::Jsonl => json::write(&mut lines, &self.names, &values),
                Format::Csv => {
                    for (at, value) in values.into_iter().enumerate() {
                        if at != 0 {
                            lines.push(char::from(self.style.delimiter));
                        }
                        let text = value.map(|value| value.to_string());
                        csv::write(&mut lines, &self.style, text.as_deref(), at == 0);
                    }
                }
            }
            lines.push('\n');
        }
        self.append(&lines)
    }

    fn append(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| unwritable(&self.path, error))?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}
