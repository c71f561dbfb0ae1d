//! `COPY FROM`: lines of a file as writes, several requests under way, answered in order.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use client::{Bind, Column, Error, Prepared};
use cql_lite::code::Code;
use cql_lite::suggest::suggest;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;

use super::lines::{Chunk, Layout, Line, Lines};
use super::progress::Progress;
use super::state::{self, Keeper, State};
use super::{Copied, Format, Place, Task, beside, csv, quoted, unreadable, unwritable};
use crate::failure::Failure;
use crate::terminal::{Terminal, or_interrupt};

/// Requests under way at once.
const IN_FLIGHT: usize = 16;

/// Chunks that were read and wait to be sent.
const CHUNKS_AHEAD: usize = 4;

/// Times that a request is sent before the copy stops: over half a minute of pauses, beside the
/// repetitions of the client.
const ATTEMPTS_MAX: u32 = 10;

const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

pub(super) async fn run(
    task: &Task<'_>,
    typed: Option<Vec<u8>>,
    terminal: &mut Terminal,
) -> Result<Copied, Failure> {
    let (path, style) = (task.copy.place.name(), &task.copy.style);
    let failed = |error| unreadable(path, error);
    let (mut lines, length) = match &task.copy.place {
        Place::File(path) => {
            let length = std::fs::metadata(path).map_err(failed)?.len();
            (Lines::open(path, style).map_err(failed)?, Some(length))
        }
        Place::Standard => (Lines::standard(typed, style), None),
    };
    let (mut layout, header) = layout(task, &mut lines, task.columns().await?)?;
    let counters = layout.counters_first();
    if 0 < counters && task.copy.resume {
        let why = "a copy of counters cannot be resumed: what was under way may have been added, and \
                   would be added again";
        return Err(Failure::Copy(why.to_owned()));
    }
    let names: Vec<String> = layout.columns.iter().map(|(name, _)| quoted(name)).collect();
    let write = task.session.prepare(&statement(&task.table(), &names, counters)).await?;

    let length_or_none = length.unwrap_or_default();
    let identity = format!("{} of {length_or_none} bytes", task.identity(&write.parameters()));
    // Nothing is kept where nothing could go on from it.
    let resumable = if counters == 0 { &task.copy.place } else { &Place::Standard };
    let mut keeper = Keeper::new(resumable, identity);
    let known = if task.copy.resume { keeper.load()? } else { None };
    let rejects = task.copy.rejects.clone().unwrap_or_else(|| beside(path, ".rejects"));
    if rejects == *path {
        return Err(Failure::Copy("rejected rows cannot go into the file itself".to_owned()));
    }
    let mut state = known.unwrap_or_default();
    if 0 < state.bytes {
        lines = Lines::resume(path, style, state.bytes, state.lines).map_err(failed)?;
    } else {
        keeper.forget()?;
    }
    let mut sink = Rejects::open(rejects, &state, header)?;
    let progress = Progress::new(terminal, length, state.rows);
    let loader = Loader { task, write: &write, began: now_micros() };
    let work = loader.load(lines, layout, &mut sink, &mut state, &mut keeper, &progress);
    let ran = or_interrupt(work).await;
    drop(progress);
    match ran.unwrap_or(Err(Failure::Cancelled { rows: 0 })) {
        Ok(()) => {
            keeper.forget()?;
            let State { rows, rejected, .. } = state;
            Ok(Copied { rows, rejected, rejects: Some(sink.path) })
        }
        Err(failure) => {
            keeper.stop(&state, terminal)?;
            Err(failure)
        }
    }
}

/// What writes a row. Counters, which come first, are added to.
pub(super) fn statement(table: &str, names: &[String], counters: usize) -> String {
    if counters == 0 {
        let marks = vec!["?"; names.len()].join(", ");
        return format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(", "));
    }
    let (counters, keys) = names.split_at(counters);
    let added: Vec<String> = counters.iter().map(|it| format!("{it} = {it} + ?")).collect();
    let named: Vec<String> = keys.iter().map(|it| format!("{it} = ?")).collect();
    format!("UPDATE {table} SET {} WHERE {}", added.join(", "), named.join(" AND "))
}

/// Which column is where; and the line of the file that says so, empty for none.
fn layout(
    task: &Task<'_>,
    lines: &mut Lines,
    columns: Vec<Column>,
) -> Result<(Layout, String), Failure> {
    let kinds = columns.into_iter().map(|column| match column.kind() {
        Some(kind) => Ok((column.name, kind)),
        None => Err(Failure::Copy(format!(
            "column {} is of type {}, which this shell does not know",
            column.name, column.cql_type
        ))),
    });
    let columns = kinds.collect::<Result<Vec<_>, _>>()?;
    let (width, chosen) = (columns.len(), !task.copy.columns.is_empty());
    let places = (0..width).collect();
    let whole = Layout { columns, places, width, ignore_others: chosen };
    if !task.copy.style.header || task.copy.style.format == Format::Jsonl {
        return Ok((whole, String::new()));
    }
    let path = task.copy.place.name();
    let names = lines.header().map_err(|error| unreadable(path, error))?;
    let names = names.map_err(|reason| Failure::Copy(format!("{}: {reason}", path.display())))?;
    let (mut found, mut places) = (Vec::new(), Vec::new());
    for (place, name) in names.iter().enumerate() {
        match whole.columns.iter().find(|(known, _)| known == name) {
            Some(column) if !found.contains(column) => {
                found.push(column.clone());
                places.push(place);
            }
            Some(_) => return Err(Failure::Copy(format!("the header names {name} twice"))),
            None if chosen => {}
            None => {
                let near = suggest(name, whole.columns.iter().map(|(known, _)| known.as_str()));
                let hint = near.map_or(String::new(), |near| format!(", did you mean {near}?"));
                return Err(Failure::Copy(format!(
                    "the header names {name}, which the table does not have{hint}"
                )));
            }
        }
    }
    if let Some((missing, _)) = whole.columns.iter().find(|it| chosen && !found.contains(it)) {
        return Err(Failure::Copy(format!("the header does not name {missing}")));
    }
    let header = csv::line(names.iter().map(|name| Some(name.as_str())), &task.copy.style);
    Ok((Layout { columns: found, places, width: names.len(), ignore_others: chosen }, header))
}

/// The clock, microseconds since 1970.
fn now_micros() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// Sends what is read.
struct Loader<'l> {
    task: &'l Task<'l>,
    write: &'l Prepared,
    /// The timestamp of the first row; each later one is a microsecond later, whenever it is
    /// sent: of two for one key, the later in the file wins.
    began: i64,
}

/// A chunk that is done.
struct Loaded {
    rows: u64,
    rejects: Vec<(Line, String)>,
    end_bytes: u64,
    end_lines: u64,
}

impl Loader<'_> {
    async fn load(
        &self,
        mut lines: Lines,
        layout: Layout,
        sink: &mut Rejects,
        state: &mut State,
        keeper: &mut Keeper,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let (chunks_in, mut chunks) = mpsc::channel(CHUNKS_AHEAD);
        tokio::task::spawn_blocking(move || {
            while let Some(chunk) = lines.chunk(&layout).transpose() {
                let last = chunk.is_err();
                // Nobody takes it where the copy has stopped.
                if chunks_in.blocking_send(chunk).is_err() || last {
                    return;
                }
            }
        });
        let (mut under_way, mut open, mut stamp) = (FuturesOrdered::new(), true, self.began);
        loop {
            tokio::select! {
                biased;
                Some(loaded) = under_way.next(), if !under_way.is_empty() => {
                    self.accept(loaded?, sink, state)?;
                    progress.show(state.rows, state.bytes);
                    if keeper.is_due() {
                        keeper.keep(state)?;
                    }
                }
                chunk = chunks.recv(), if open && under_way.len() < IN_FLIGHT => match chunk {
                    Some(Ok(chunk)) => {
                        let first = stamp;
                        stamp = stamp.saturating_add_unsigned(chunk.lines.len() as u64);
                        under_way.push_back(self.chunk(chunk, first));
                    }
                    Some(Err(error)) => return Err(unreadable(self.task.copy.place.name(), error)),
                    None => open = false,
                },
                else => return Ok(()),
            }
        }
    }

    fn accept(&self, loaded: Loaded, sink: &mut Rejects, state: &mut State) -> Result<(), Failure> {
        sink.append(&loaded.rejects)?;
        state.rows += loaded.rows;
        state.rejected += loaded.rejects.len() as u64;
        state.rejects_bytes = sink.bytes;
        (state.bytes, state.lines) = (loaded.end_bytes, loaded.end_lines);
        let max = self.task.copy.errors_max;
        if max < state.rejected {
            return Err(Failure::Copy(format!(
                "more than {max} rows were rejected: see {}; MAXERRORS allows more",
                sink.path.display()
            )));
        }
        Ok(())
    }

    /// Writes a chunk: as a whole or, where the node refuses it, row by row.
    async fn chunk(&self, chunk: Chunk, first: i64) -> Result<Loaded, Failure> {
        let Chunk { lines, end_bytes, end_lines } = chunk;
        let (mut good, mut rejects) = (Vec::new(), Vec::new());
        for (mut line, at) in lines.into_iter().zip(0..) {
            let stamp = first.saturating_add(at);
            match std::mem::replace(&mut line.values, Ok(Vec::new())) {
                Ok(values) => good.push((line, values, stamp)),
                Err(reason) => rejects.push((line, reason)),
            }
        }
        let mut rows = 0;
        let all: Vec<&[Bind]> = good.iter().map(|(_, values, _)| values.as_slice()).collect();
        match self.send(&all, first).await {
            Ok(()) => rows += good.len() as u64,
            // Nothing was written: which of them is it?
            Err(error) if is_about_values(&error) => {
                for (line, values, stamp) in good {
                    match self.send(&[&values], stamp).await {
                        Ok(()) => rows += 1,
                        Err(error) if is_about_values(&error) => {
                            rejects.push((line, error.details().message.clone()));
                        }
                        Err(error) => return Err(Failure::Client(error)),
                    }
                }
            }
            Err(error) => return Err(Failure::Client(error)),
        }
        rejects.sort_by_key(|(line, _)| line.number);
        Ok(Loaded { rows, rejects, end_bytes, end_lines })
    }

    /// Writes rows, again and again where that is safe.
    async fn send(&self, rows: &[&[Bind]], stamp: i64) -> Result<(), Error> {
        if rows.is_empty() {
            return Ok(());
        }
        let request = self.task.session.execute_many(self.write, rows.iter().copied())?;
        let request = request.consistency(self.task.consistency).timestamp(stamp);
        let mut pause = PAUSE_MIN;
        for _ in 1..ATTEMPTS_MAX {
            match request.clone().await {
                Ok(_) => return Ok(()),
                Err(error @ Error::Invalid(_)) => return Err(error),
                Err(error @ Error::UnknownOutcome(_)) if !self.write.is_idempotent() => {
                    return Err(error);
                }
                Err(Error::Retry(_) | Error::Connect(_) | Error::UnknownOutcome(_)) => {}
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        request.await.map(drop)
    }
}

/// Whether a row is refused for what is in it. Anything else would refuse every row: a full disk, a
/// table that is gone.
pub(super) fn is_about_values(error: &Error) -> bool {
    let codes = [Code::BadValue, Code::BadBind, Code::TooLarge];
    matches!(error, Error::Invalid(_)) && codes.iter().any(|it| it.to_string() == error.code())
}

/// Rows that were not copied, each below a comment that says why. Made when there is a first one.
struct Rejects {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
    /// What the file begins with, so that it can be copied like the one they come from.
    header: String,
}

impl Rejects {
    /// Goes on behind what the state counts; what an earlier copy left is removed.
    fn open(path: PathBuf, state: &State, header: String) -> Result<Rejects, Failure> {
        if state.rejects_bytes == 0 {
            state::remove(&path)?;
            return Ok(Rejects { path, file: None, bytes: 0, header });
        }
        let failed = |error| unwritable(&path, error);
        let file = OpenOptions::new().append(true).open(&path).map_err(failed)?;
        file.set_len(state.rejects_bytes).map_err(failed)?;
        Ok(Rejects { file: Some(file), bytes: state.rejects_bytes, path, header })
    }

    fn append(&mut self, rejects: &[(Line, String)]) -> Result<(), Failure> {
        if rejects.is_empty() {
            return Ok(());
        }
        let mut text = match self.bytes {
            0 => self.header.clone().into_bytes(),
            _ => Vec::new(),
        };
        for (line, reason) in rejects {
            let reason = reason.replace(['\n', '\r'], " ");
            text.extend_from_slice(format!("# line {}: {reason}\n", line.number).as_bytes());
            text.extend_from_slice(&line.raw);
            text.push(b'\n');
        }
        let written = self.file(|file| file.write_all(&text));
        written.map_err(|error| unwritable(&self.path, error))?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn file(
        &mut self,
        write: impl FnOnce(&mut File) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        match &mut self.file {
            Some(file) => write(file),
            none => write(none.insert(create(&self.path)?)),
        }
    }
}

fn create(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}
