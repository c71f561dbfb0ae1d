//! The manifest: which sstables are live, from where on each table needs the log, and each table's shape.
//!
//! A [`SystemLog`] of edits; an edit is one record, so it happens whole or not at all. Whatever changes the
//! set of files does so in this order: make the new files durable, append the edit, and only then forget the old
//! files. Files that no edit names are left over from a crash and are removed at the next start. The bytes are drawn in
//! `docs/formats/manifest.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use model::codec::{Malformed, Reader, Writer};
use model::{ColumnId, TableId};
use sys::{Disk, SystemLog, system_log};

use crate::commitlog::Position;
use crate::{Error, TableShape, described};

/// The one kind of record so far. Another kind is of a newer program.
const KIND_EDIT: u8 = 1;

/// The manifest at most, bytes: a million sstables.
const LIMITS: system_log::Limits = system_log::Limits { log_bytes_max: 64 << 20 };

/// The name of its log.
const NAME: &str = "manifest";

/// Below this the manifest is never rewritten, bytes.
const REWRITE_BYTES: u64 = 1 << 20;

/// Operations in one record of a rewritten manifest, and bytes of them, about: far below the largest record.
const SNAPSHOT_OPS: usize = 4096;
const SNAPSHOT_BYTES: usize = 1 << 20;

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    /// Creates a table or changes its shape.
    Table(TableShape),
    /// Everything of the table is gone.
    Drop(TableId),
    Add(TableId, u64),
    Remove(TableId, u64),
    /// What the log holds of the table below is in sstables, or never to be seen again.
    Mark(TableId, Position),
    /// Segments below are given up.
    LogStart(u64),
    /// Whether the engine was closed, with nothing in the log.
    Clean(bool),
}

/// What all edits add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct State {
    pub(crate) tables: BTreeMap<TableId, TableEntry>,
    pub(crate) log_start: u64,
    pub(crate) clean: bool,
}

/// A table as the manifest knows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TableEntry {
    pub(crate) shape: TableShape,
    pub(crate) mark: Position,
    pub(crate) sstables: BTreeSet<u64>,
}

/// The open manifest.
pub(crate) struct Manifest {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    log: SystemLog,
    state: State,
    /// Size after the last rewrite, bytes.
    rewritten_bytes: u64,
    /// An edit failed: what the file holds is known again only once it is rewritten.
    doubtful: bool,
}

impl Manifest {
    /// Opens or creates the manifest of the data directory `dir`.
    pub(crate) fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<Manifest, Error> {
        let file = dir.join("manifest.log");
        let (log, records) = open_log(&disk, dir)?;
        let state = state_of(&file, records)?;
        let rewritten_bytes = log.size();
        let dir = dir.to_path_buf();
        Ok(Manifest { disk, dir, log, state, rewritten_bytes, doubtful: false })
    }

    /// What it says now.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Makes `ops` happen, together and durably. If this fails they may happen all the same, after the next start: the files
    /// that they name must stay.
    pub(crate) fn edit(&mut self, ops: Vec<Op>) -> Result<(), Error> {
        let payload = encode(&ops);
        let mut next = self.state.clone();
        ops.into_iter().for_each(|op| next.apply(op));
        let limit = REWRITE_BYTES.max(4 * self.rewritten_bytes);
        let result = if self.doubtful {
            open_log(&self.disk, &self.dir).and_then(|(log, _)| {
                self.log = log;
                self.rewrite(&next)
            })
        } else if limit < self.log.size() {
            self.rewrite(&next)
        } else {
            self.log.append(KIND_EDIT, &payload).map_err(error_of)
        };
        self.doubtful = result.is_err();
        if result.is_ok() {
            self.state = next;
        }
        result
    }

    fn rewrite(&mut self, state: &State) -> Result<(), Error> {
        let ops = state.to_ops();
        let payloads = encode_in_parts(&ops);
        let records: Vec<(u8, &[u8])> =
            payloads.iter().map(|it| (KIND_EDIT, it.as_ref())).collect();
        self.log.rewrite(&records).map_err(error_of)?;
        self.rewritten_bytes = self.log.size();
        Ok(())
    }
}

impl State {
    fn apply(&mut self, op: Op) {
        match op {
            Op::Table(shape) => match self.tables.get_mut(&shape.id) {
                Some(entry) => entry.shape = shape,
                None => {
                    let (mark, sstables) = (Position::default(), BTreeSet::new());
                    self.tables.insert(shape.id, TableEntry { shape, mark, sstables });
                }
            },
            Op::Drop(table) => {
                self.tables.remove(&table);
            }
            Op::Add(table, id) => {
                if let Some(entry) = self.tables.get_mut(&table) {
                    entry.sstables.insert(id);
                }
            }
            Op::Remove(table, id) => {
                if let Some(entry) = self.tables.get_mut(&table) {
                    entry.sstables.remove(&id);
                }
            }
            Op::Mark(table, mark) => {
                if let Some(entry) = self.tables.get_mut(&table) {
                    entry.mark = entry.mark.max(mark);
                }
            }
            Op::LogStart(segment) => self.log_start = self.log_start.max(segment),
            Op::Clean(clean) => self.clean = clean,
        }
    }

    /// The largest sstable id it names.
    pub(crate) fn sstable_last(&self) -> u64 {
        self.tables.values().filter_map(|it| it.sstables.last()).max().copied().unwrap_or(0)
    }

    /// The largest segment it names: no later segment may take its id, for marks speak of it.
    pub(crate) fn segment_last(&self) -> u64 {
        let marks = self.tables.values().map(|it| it.mark.segment);
        marks.chain([self.log_start]).max().unwrap_or(0)
    }

    fn to_ops(&self) -> Vec<Op> {
        let mut ops = vec![Op::LogStart(self.log_start), Op::Clean(self.clean)];
        for (&table, entry) in &self.tables {
            ops.push(Op::Table(entry.shape.clone()));
            ops.push(Op::Mark(table, entry.mark));
            ops.extend(entry.sstables.iter().map(|&id| Op::Add(table, id)));
        }
        ops
    }
}

/// What the manifest of `dir` says, which may be another's: nothing is changed.
pub(crate) fn look(disk: &dyn Disk, dir: &Path) -> Result<State, Error> {
    let records = SystemLog::read(disk, dir, NAME, LIMITS).map_err(error_of)?;
    state_of(&dir.join("manifest.log"), records)
}

fn state_of(file: &Path, records: Vec<system_log::Record>) -> Result<State, Error> {
    let mut state = State::default();
    for record in records {
        if record.kind != KIND_EDIT {
            let (found, supported) = (u32::from(record.kind), u32::from(KIND_EDIT));
            return Err(Error::NewerFormat { file: file.to_path_buf(), found, supported });
        }
        let ops = decode(record.payload);
        let ops = ops.map_err(|it| Error::corrupt(file, 0, format!("an edit: {it}")))?;
        ops.into_iter().for_each(|op| state.apply(op));
    }
    Ok(state)
}

fn open_log(
    disk: &Arc<dyn Disk>,
    dir: &Path,
) -> Result<(SystemLog, Vec<system_log::Record>), Error> {
    SystemLog::open(Arc::clone(disk), dir, NAME, LIMITS).map_err(error_of)
}

fn error_of(error: system_log::Error) -> Error {
    match error {
        system_log::Error::Corrupt { file, offset, what } => Error::corrupt(&file, offset, what),
        system_log::Error::Version { file, version } => {
            Error::NewerFormat { file, found: u32::from(version), supported: 1 }
        }
        system_log::Error::Io { file, source } => Error::io(&file, source),
        system_log::Error::TooLarge { .. } => {
            Error::io(Path::new("manifest.log"), std::io::ErrorKind::FileTooLarge.into())
        }
        system_log::Error::Full { file, .. } => Error::DiskFull { file },
        system_log::Error::Poisoned { file } => {
            Error::io(&file, std::io::Error::other("an earlier write failed"))
        }
    }
}

/// Records of which each is far from the largest, however long the descriptions of tables are.
fn encode_in_parts(ops: &[Op]) -> Vec<Bytes> {
    let (mut parts, mut out, mut in_part) = (Vec::new(), Writer::default(), 0);
    for op in ops {
        put(&mut out, op);
        in_part += 1;
        if in_part == SNAPSHOT_OPS || SNAPSHOT_BYTES <= out.len() {
            parts.push(std::mem::take(&mut out).finish());
            in_part = 0;
        }
    }
    parts.extend((in_part > 0).then(|| out.finish()));
    parts
}

pub(crate) fn encode(ops: &[Op]) -> Bytes {
    let mut out = Writer::default();
    ops.iter().for_each(|it| put(&mut out, it));
    out.finish()
}

fn put(out: &mut Writer, op: &Op) {
    match op {
        Op::Table(shape) => put_table(out, shape),
        Op::Drop(table) => put_op(out, 2, table, &[]),
        Op::Add(table, id) => put_op(out, 3, table, &[*id]),
        Op::Remove(table, id) => put_op(out, 4, table, &[*id]),
        Op::Mark(table, mark) => put_op(out, 5, table, &[mark.segment, mark.offset]),
        Op::LogStart(segment) => {
            out.u8(6);
            out.uint(*segment);
        }
        Op::Clean(clean) => {
            out.u8(7);
            out.u8(u8::from(*clean));
        }
    }
}

fn put_op(out: &mut Writer, tag: u8, table: &TableId, numbers: &[u64]) {
    out.u8(tag);
    out.raw(table.0.as_bytes());
    numbers.iter().for_each(|it| out.uint(*it));
}

/// 10 with its description behind it, else 9.
fn put_table(out: &mut Writer, shape: &TableShape) {
    out.u8(if shape.described.is_some() { 10 } else { 9 });
    put_shape(out, shape);
    put_map(out, &shape.compression);
    out.uint(shape.dropped.len() as u64);
    shape.dropped.iter().for_each(|it| out.uint(u64::from(it.0)));
    shape.described.iter().for_each(|it| described::put(out, it));
}

fn put_shape(out: &mut Writer, shape: &TableShape) {
    out.raw(shape.id.0.as_bytes());
    out.uint(u64::from(shape.gc_grace_seconds));
    out.uint(shape.bloom_fp.to_bits());
    out.u8(u8::from(shape.durable));
    put_map(out, &shape.compaction);
}

fn put_map(out: &mut Writer, map: &BTreeMap<String, String>) {
    out.uint(map.len() as u64);
    for (name, value) in map {
        out.bytes(name.as_bytes());
        out.bytes(value.as_bytes());
    }
}

pub(crate) fn decode(payload: Bytes) -> Result<Vec<Op>, Malformed> {
    let mut reader = Reader::new(payload);
    let mut ops = Vec::new();
    while !reader.is_done() {
        ops.push(match reader.u8("edit")? {
            1 => Op::Table(read_shape(&mut reader)?),
            2 => Op::Drop(read_table(&mut reader)?),
            3 => Op::Add(read_table(&mut reader)?, reader.uint("sstable")?),
            4 => Op::Remove(read_table(&mut reader)?, reader.uint("sstable")?),
            5 => {
                let table = read_table(&mut reader)?;
                let segment = reader.uint("mark segment")?;
                Op::Mark(table, Position { segment, offset: reader.uint("mark offset")? })
            }
            6 => Op::LogStart(reader.uint("first segment")?),
            7 => Op::Clean(reader.u8("clean")? != 0),
            8 => {
                let shape = read_shape(&mut reader)?;
                Op::Table(TableShape { dropped: read_dropped(&mut reader)?, ..shape })
            }
            tag @ (9 | 10) => {
                let shape = read_shape(&mut reader)?;
                let compression = read_map(&mut reader, "compression")?;
                let dropped = read_dropped(&mut reader)?;
                let described = match tag {
                    10 => Some(Arc::new(described::read(&mut reader)?)),
                    _ => None,
                };
                Op::Table(TableShape { compression, dropped, described, ..shape })
            }
            _ => return Err(reader.malformed("edit")),
        });
    }
    Ok(ops)
}

fn read_table(reader: &mut Reader) -> Result<TableId, Malformed> {
    let mut id = [0; 16];
    id.copy_from_slice(&reader.raw(16, "table")?);
    Ok(TableId(uuid::Uuid::from_bytes(id)))
}

fn read_shape(reader: &mut Reader) -> Result<TableShape, Malformed> {
    let id = read_table(reader)?;
    let gc_grace = reader.uint("gc_grace")?;
    let bloom_fp = f64::from_bits(reader.uint("bloom_fp")?);
    let durable = reader.u8("durable")? != 0;
    let compaction = read_map(reader, "compaction")?;
    let gc_grace_seconds = u32::try_from(gc_grace).map_err(|_| reader.malformed("gc_grace"))?;
    let (compression, dropped, described) = (BTreeMap::new(), Vec::new(), None);
    Ok(TableShape {
        id,
        gc_grace_seconds,
        bloom_fp,
        compaction,
        compression,
        durable,
        dropped,
        described,
    })
}

fn read_map(
    reader: &mut Reader,
    what: &'static str,
) -> Result<BTreeMap<String, String>, Malformed> {
    let count = reader.count(2, what)?;
    let mut map = BTreeMap::new();
    for _ in 0..count {
        let name = read_text(reader, what)?;
        map.insert(name, read_text(reader, what)?);
    }
    Ok(map)
}

fn read_dropped(reader: &mut Reader) -> Result<Vec<ColumnId>, Malformed> {
    let count = reader.count(1, "dropped columns")?;
    let mut dropped: Vec<ColumnId> = Vec::new();
    for _ in 0..count {
        let id = u32::try_from(reader.uint("dropped column")?).map(ColumnId);
        let id = id.map_err(|_| reader.malformed("dropped column"))?;
        if dropped.last().is_some_and(|last| id <= *last) {
            return Err(reader.malformed("order of dropped columns"));
        }
        dropped.push(id);
    }
    Ok(dropped)
}

fn read_text(reader: &mut Reader, what: &'static str) -> Result<String, Malformed> {
    let bytes = reader.bytes(what)?;
    String::from_utf8(bytes.to_vec()).map_err(|_| reader.malformed(what))
}
