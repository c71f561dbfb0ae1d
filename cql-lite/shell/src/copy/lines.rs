//! Lines of a file as rows of values, in chunks of what one request carries.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use client::{Bind, CqlType, NativeType};

use super::csv::{self, Field, Scanner};
use super::statement::Style;
use super::{Format, json, text};

/// Rows of one chunk: cheap to repeat, and enough that a request costs little beside its rows.
const CHUNK_ROWS: usize = 250;

/// Bytes after which a chunk takes no further row.
const CHUNK_BYTES: usize = 256 << 10;

/// Longest row, bytes: no table takes a longer one.
const ROW_BYTES_MAX: u64 = 16 << 20;

/// A row as the file has it.
pub(super) struct Line {
    /// From 1: where it begins.
    pub(super) number: u64,
    pub(super) raw: Vec<u8>,
    /// What it says, or why it says nothing.
    pub(super) values: Result<Vec<Bind>, String>,
}

/// Rows that follow each other.
pub(super) struct Chunk {
    pub(super) lines: Vec<Line>,
    /// The file up to here is done once these are.
    pub(super) end_bytes: u64,
    pub(super) end_lines: u64,
}

/// What the columns are.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    pub(super) columns: Vec<(String, CqlType)>,
    /// Where each column is in a line of fields.
    pub(super) places: Vec<usize>,
    /// Fields of a line.
    pub(super) width: usize,
    /// Whether columns that an object has beside these are passed over.
    pub(super) ignore_others: bool,
}

impl Layout {
    /// Puts counters in front of the other columns; how many there are.
    pub(super) fn counters_first(&mut self) -> usize {
        let is_counter = |kind: &CqlType| *kind == NativeType::Counter;
        let mut all: Vec<((String, CqlType), usize)> =
            self.columns.drain(..).zip(self.places.drain(..)).collect();
        all.sort_by_key(|((_, kind), _)| !is_counter(kind));
        (self.columns, self.places) = all.into_iter().unzip();
        self.columns.iter().filter(|(_, kind)| is_counter(kind)).count()
    }
}

/// A file that is being read.
pub(super) struct Lines {
    input: Box<dyn BufRead + Send>,
    style: Style,
    bytes: u64,
    lines: u64,
}

impl Lines {
    /// Those of a file from its beginning.
    pub(super) fn open(path: &Path, style: &Style) -> io::Result<Lines> {
        Lines::resume(path, style, 0, 0)
    }

    /// Those behind where an earlier run stopped.
    pub(super) fn resume(path: &Path, style: &Style, bytes: u64, lines: u64) -> io::Result<Lines> {
        let mut input = BufReader::with_capacity(1 << 16, File::open(path)?);
        input.seek(SeekFrom::Start(bytes))?;
        Ok(Lines { input: Box::new(input), style: style.clone(), bytes, lines })
    }

    /// Those of standard input or, where somebody types them, of what was typed.
    pub(super) fn standard(typed: Option<Vec<u8>>, style: &Style) -> Lines {
        let input: Box<dyn BufRead + Send> = match typed {
            Some(typed) => Box::new(Cursor::new(typed)),
            None => Box::new(BufReader::with_capacity(1 << 16, io::stdin())),
        };
        Lines { input, style: style.clone(), bytes: 0, lines: 0 }
    }

    /// The names in the first line.
    pub(super) fn header(&mut self) -> io::Result<Result<Vec<String>, String>> {
        let Some((_, raw)) = self.row()? else { return Ok(Err("the file is empty".to_owned())) };
        let Ok(row) = str::from_utf8(&raw) else { return Ok(Err("not UTF-8".to_owned())) };
        let names = csv::fields(row, &self.style).map(|fields| {
            let names = fields.into_iter().map(|field| match field {
                Field::Text(name) => name,
                Field::Null => String::new(),
            });
            names.collect()
        });
        Ok(names)
    }

    /// The next rows; none at the end of the file.
    pub(super) fn chunk(&mut self, layout: &Layout) -> io::Result<Option<Chunk>> {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        while lines.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            let Some((number, raw)) = self.row()? else { break };
            bytes += raw.len();
            let values = str::from_utf8(&raw)
                .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to()))
                .and_then(|row| self.values(row, layout));
            lines.push(Line { number, raw, values });
        }
        let chunk = Chunk { lines, end_bytes: self.bytes, end_lines: self.lines };
        Ok(Some(chunk).filter(|chunk| !chunk.lines.is_empty()))
    }

    /// The next row that is data, and the number of its first line.
    fn row(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        loop {
            let begin = self.lines + 1;
            let mut raw = Vec::new();
            let mut scanner = Scanner::new(self.style.delimiter);
            loop {
                let before = raw.len();
                let room = (ROW_BYTES_MAX + 1).saturating_sub(before as u64);
                let read = (&mut self.input).take(room).read_until(b'\n', &mut raw)?;
                if ROW_BYTES_MAX < raw.len() as u64 {
                    let message = format!("the row at line {begin} is longer than 16 MiB");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
                if read == 0 {
                    break;
                }
                self.bytes += read as u64;
                self.lines += 1;
                let line = &raw[before..];
                let is_comment = before == 0 && self.is_comment(line);
                if is_comment || self.style.format == Format::Jsonl || scanner.ends(line) {
                    break;
                }
            }
            if raw.is_empty() {
                return Ok(None);
            }
            if self.bytes == raw.len() as u64 && raw.starts_with("\u{feff}".as_bytes()) {
                raw.drain(.."\u{feff}".len());
            }
            for end in [b'\n', b'\r'] {
                if raw.last() == Some(&end) {
                    raw.pop();
                }
            }
            if !self.is_comment(&raw) && !raw.is_empty() {
                return Ok(Some((begin, raw)));
            }
        }
    }

    fn is_comment(&self, line: &[u8]) -> bool {
        self.style.comment.is_some_and(|it| line.first() == Some(&it))
    }

    fn values(&self, row: &str, layout: &Layout) -> Result<Vec<Bind>, String> {
        match self.style.format {
            Format::Csv => {
                let fields = csv::fields(row, &self.style)?;
                if fields.len() != layout.width {
                    return Err(format!("{} fields instead of {}", fields.len(), layout.width));
                }
                let columns = layout.columns.iter().zip(&layout.places);
                let values = columns.map(|((name, kind), place)| match &fields[*place] {
                    Field::Null => Ok(Bind::Unset),
                    Field::Text(field) => text::read(field, kind)
                        .map(Bind::Value)
                        .map_err(|reason| format!("column {name}: {reason}")),
                });
                values.collect()
            }
            Format::Jsonl => {
                let mut object = json::object(row)?;
                let values =
                    layout.columns.iter().map(|(name, kind)| match object.remove(name.as_str()) {
                        None => Ok(Bind::Unset),
                        Some(raw) => json::value(raw, kind)
                            .map_err(|reason| format!("column {name}: {reason}")),
                    });
                let values = values.collect::<Result<Vec<_>, String>>()?;
                match object.keys().next() {
                    Some(other) if !layout.ignore_others => {
                        Err(format!("the table has no column {other}"))
                    }
                    Some(_) | None => Ok(values),
                }
            }
        }
    }
}
