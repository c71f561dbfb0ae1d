//! `COPY TO`: pages of the table as lines of a file.

use std::fs::{File, OpenOptions};
use std::future::IntoFuture as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::{Column, Outcome, Prepared, Response, Row};
use tokio::sync::Mutex;

use super::progress::Progress;
use super::state::{Keeper, State};
use super::statement::Style;
use super::{Copied, Format, Place, Task, beside, csv, json, quoted, unwritable};
use crate::failure::Failure;
use crate::terminal::{Terminal, or_interrupt};

pub(super) async fn run(task: &Task<'_>, terminal: &mut Terminal) -> Result<Copied, Failure> {
    let columns = task.columns().await?;
    let names: Vec<String> = columns.iter().map(|it| quoted(&it.name)).collect();
    let text = format!("SELECT {} FROM {}", names.join(", "), task.table());
    let select = task.session.prepare(&text).await?;
    match &task.copy.place {
        Place::File(path) => to_file(task, path, (&select, columns), terminal).await,
        Place::Standard => {
            let mut rows = 0;
            let writer = Writer::new(&task.copy.style, columns);
            let copying = to_output(task, &select, &writer, &mut rows, &mut *terminal.out);
            let copied = or_interrupt(copying).await;
            copied.ok_or(Failure::Cancelled { rows })??;
            Ok(Copied { rows, rejected: 0, rejects: None })
        }
    }
}

/// Prints page after page. Whoever takes them is waited for.
async fn to_output(
    task: &Task<'_>,
    select: &Prepared,
    writer: &Writer,
    rows: &mut u64,
    out: &mut (dyn Write + Send),
) -> Result<(), Failure> {
    out.write_all(writer.header().as_bytes())?;
    let mut page = Vec::new();
    loop {
        let Response::Rows { rows: some, paging_state, .. } =
            fetch(task, select, page).await?.into_response()
        else {
            return Err(Failure::Copy("the node answered without rows".to_owned()));
        };
        out.write_all(writer.lines(&some)?.as_bytes())?;
        out.flush()?;
        *rows += some.len() as u64;
        if paging_state.is_empty() {
            return Ok(());
        }
        page = paging_state.to_vec();
    }
}

async fn to_file(
    task: &Task<'_>,
    path: &Path,
    (select, columns): (&Prepared, Vec<Column>),
    terminal: &mut Terminal,
) -> Result<Copied, Failure> {
    let mut keeper = Keeper::new(&task.copy.place, task.identity(&columns));
    let known = if task.copy.resume { keeper.load()? } else { None };
    let part = beside(path, ".part");
    let writer = Writer::new(&task.copy.style, columns);
    let (sheet, mut state) = match known {
        Some(state) => (Sheet::reopen(&part, writer, &state)?, state),
        None => {
            keeper.forget()?;
            Sheet::create(&part, writer)?
        }
    };
    let progress = Progress::new(terminal, None, state.rows);
    let pages = Pages { task, select, part: &part, progress: &progress, pen: Arc::default() };
    let ran = or_interrupt(pages.copy(sheet, &mut state, &mut keeper)).await;
    // A page may still be on its way into the file: nobody goes on with it, or says how far it is, before that is over.
    drop(pages.pen.lock().await);
    drop(progress);
    match ran.unwrap_or(Err(Failure::Cancelled { rows: 0 })) {
        Ok(()) => {
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
    /// Held while a page is written.
    pen: Arc<Mutex<()>>,
}

impl Pages<'_> {
    /// Writes one page while the next one is on its way.
    async fn copy(
        &self,
        mut sheet: Sheet,
        state: &mut State,
        keeper: &mut Keeper,
    ) -> Result<(), Failure> {
        let mut outcome = fetch(self.task, self.select, state.page.clone()).await?;
        loop {
            let Response::Rows { rows, paging_state, .. } = outcome.into_response() else {
                return Err(Failure::Copy("the node answered without rows".to_owned()));
            };
            let count = rows.len() as u64;
            let pen = Arc::clone(&self.pen).lock_owned().await;
            let writing = tokio::task::spawn_blocking(move || {
                let written = sheet.write(&rows);
                drop(pen);
                (sheet, written)
            });
            let fetching = async {
                if paging_state.is_empty() {
                    return None;
                }
                Some(fetch(self.task, self.select, paging_state.to_vec()).await)
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
}

async fn fetch(task: &Task<'_>, select: &Prepared, page: Vec<u8>) -> Result<Outcome, Failure> {
    let request = task.session.execute(select, ());
    let request = request.consistency(task.consistency).paging_state(page);
    Ok(request.into_future().await?)
}

fn sync(path: &Path) -> Result<(), Failure> {
    let synced = File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|error| unwritable(path, error))
}

/// Rows as lines.
struct Writer {
    style: Style,
    /// As they are written: for objects, as JSON.
    names: Vec<String>,
}

impl Writer {
    fn new(style: &Style, columns: Vec<Column>) -> Writer {
        let names = columns.into_iter().map(|column| match style.format {
            Format::Csv => column.name,
            Format::Jsonl => serde_json::Value::from(column.name).to_string(),
        });
        Writer { names: names.collect(), style: style.clone() }
    }

    /// The line that names the columns; nothing where none is wanted.
    fn header(&self) -> String {
        if !self.style.header || self.style.format != Format::Csv {
            return String::new();
        }
        csv::line(self.names.iter().map(|name| Some(name.as_str())), &self.style)
    }

    fn lines(&self, rows: &[Row]) -> Result<String, Failure> {
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
        Ok(lines)
    }
}

/// The file that is being written.
struct Sheet {
    path: PathBuf,
    file: File,
    writer: Writer,
    bytes: u64,
}

impl Sheet {
    fn create(path: &Path, writer: Writer) -> Result<(Sheet, State), Failure> {
        let file = File::create(path).map_err(|error| unwritable(path, error))?;
        let header = writer.header();
        let mut sheet = Sheet { path: path.to_owned(), file, writer, bytes: 0 };
        sheet.append(&header)?;
        let state = State { bytes: sheet.bytes, ..State::default() };
        Ok((sheet, state))
    }

    /// Goes on behind what the state counts; whatever came later is cut off.
    fn reopen(path: &Path, writer: Writer, state: &State) -> Result<Sheet, Failure> {
        let failed = |error| unwritable(path, error);
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < state.bytes {
            let path = path.display();
            return Err(Failure::Copy(format!("{path} is shorter than it was: begin anew")));
        }
        file.set_len(state.bytes).map_err(failed)?;
        Ok(Sheet { path: path.to_owned(), file, writer, bytes: state.bytes })
    }

    fn write(&mut self, rows: &[Row]) -> Result<(), Failure> {
        let lines = self.writer.lines(rows)?;
        self.append(&lines)
    }

    fn append(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| unwritable(&self.path, error))?;
        self.bytes += text.len() as u64;
        Ok(())
    }
}
