//! Columns that have a cell for each part of their value: what `list`, `set`, `map` and user types
//! are that were not declared `frozen`, and what counters are.

use std::mem;

use bytes::Bytes;
use cql_lite::{
    types::{CqlType, NativeType},
    value,
};

use crate::{
    cell::{Cell, Deletion},
    codec::{Malformed, Reader, Writer},
    counter, encoding, sorted,
};

/// A cell that lives, of a column that has several.
#[derive(Clone, Copy, Debug)]
pub struct Element<'e> {
    /// Where it lies.
    pub path: &'e Bytes,
    /// It.
    pub cell: &'e Cell,
    /// Its value.
    pub value: &'e Bytes,
}

/// The cells of one column of one row, each at its path: the key of a map, the value itself of a set,
/// a timeuuid in a list, the place of a field (16 bits) in a user type, a host id in a counter.
///
/// Normal form, which every function here keeps: paths ascend bytewise, each once; no cell is shadowed
/// by the deletion; never nothing at all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Elements {
    /// Deletion of what was there before, as when the whole column is set.
    pub deletion: Option<Deletion>,
    /// Cells by their paths.
    pub cells: Vec<(Bytes, Cell)>,
}

impl Elements {
    /// Nothing at all, not even a tombstone.
    pub fn is_empty(&self) -> bool {
        self.deletion.is_none() && self.cells.is_empty()
    }

    /// The cell at this path.
    pub fn cell(&self, path: &[u8]) -> Option<&Cell> {
        let at = self.cells.binary_search_by(|(it, _)| it[..].cmp(path)).ok()?;
        Some(&self.cells[at].1)
    }

    /// Whether some cell has a value at `now` (seconds).
    pub fn has_live_cell(&self, now: i64) -> bool {
        self.cells.iter().any(|(_, cell)| cell.value(now).is_some())
    }

    /// The serialized value of a column of this type at `now` (seconds); none where nothing lives, for
    /// a collection without elements is no value.
    pub fn value(&self, cql_type: &CqlType, now: i64) -> Option<Bytes> {
        if *cql_type == NativeType::Counter {
            let total = counter::total(self, now);
            return total.map(|it| Bytes::copy_from_slice(&it.to_be_bytes()));
        }
        let all = self.live(cql_type, now);
        if all.is_empty() {
            return None;
        }
        let mut parts: Vec<Option<&[u8]>> = Vec::with_capacity(2 * all.len());
        match cql_type {
            CqlType::Set(_) => parts.extend(all.iter().map(|it| Some(&it.path[..]))),
            CqlType::Map(_) => {
                parts.extend(all.iter().flat_map(|it| [Some(&it.path[..]), Some(&it.value[..])]));
            }
            CqlType::User(user) => {
                let field = |at: usize| {
                    let place = u16::try_from(at).ok()?.to_be_bytes();
                    all.iter().find(|it| it.path[..] == place).map(|it| &it.value[..])
                };
                parts.extend((0..user.fields.len()).map(field));
            }
            CqlType::List(_) | CqlType::Native(_) | CqlType::Tuple(_) | CqlType::Vector(..) => {
                parts.extend(all.iter().map(|it| Some(&it.value[..])));
            }
        }
        Some(value::join(cql_type, &parts).into())
    }

    /// What of a column of this type lives at `now` (seconds), in the order that its value has it in.
    pub fn live(&self, cql_type: &CqlType, now: i64) -> Vec<Element<'_>> {
        let live = self
            .cells
            .iter()
            .filter_map(|(path, cell)| cell.value(now).map(|value| Element { path, cell, value }));
        let mut all: Vec<Element<'_>> = live.collect();
        match cql_type {
            CqlType::Set(of) => all.sort_by(|a, b| value::compare(of, a.path, b.path)),
            CqlType::Map(of) => all.sort_by(|a, b| value::compare(&of.0, a.path, b.path)),
            // Fields are in the order of their paths already.
            CqlType::User(_) => {}
            CqlType::List(_) | CqlType::Native(_) | CqlType::Tuple(_) | CqlType::Vector(..) => {
                let order = |a: &[u8], b: &[u8]| value::compare_native(NativeType::Timeuuid, a, b);
                all.sort_by(|a, b| order(a.path, b.path));
            }
        }
        all
    }

    /// Merges one more version of one cell into it.
    pub fn put(&mut self, path: Bytes, cell: Cell) {
        if self.deletion.is_some_and(|it| it.covers(cell.timestamp)) {
            return;
        }
        match self.cells.binary_search_by(|(it, _)| it.cmp(&path)) {
            Ok(at) if cell.supersedes(&self.cells[at].1) => self.cells[at].1 = cell,
            Ok(_) => {}
            Err(at) => self.cells.insert(at, (path, cell)),
        }
    }

    /// Merges another version of the column into this one.
    pub fn merge(&mut self, other: Elements) {
        self.deletion = self.deletion.max(other.deletion);
        self.cells = sorted::merge(mem::take(&mut self.cells), other.cells, Cell::merge);
        if let Some(deletion) = self.deletion {
            self.cells.retain(|(_, cell)| !deletion.covers(cell.timestamp));
        }
    }

    /// Drops what a deletion around the column shadows.
    pub fn shadow(&mut self, deletion: Deletion) {
        self.deletion = self.deletion.filter(|it| !deletion.covers(it.timestamp));
        self.cells.retain(|(_, cell)| !deletion.covers(cell.timestamp));
    }

    /// As `Partition::purge`, for this column alone.
    pub fn purge(&mut self, now: i64, gc_before: i64, max_purgeable: i64) {
        self.deletion = self.deletion.filter(|it| !it.is_purgeable(gc_before, max_purgeable));
        for (path, cell) in mem::take(&mut self.cells) {
            if let Some(cell) = cell.purge(now, gc_before, max_purgeable) {
                self.cells.push((path, cell));
            }
        }
    }

    /// What `newer` has that neither this column nor `above` (the newest deletion around it) makes
    /// moot.
    #[must_use]
    pub fn missing_from(&self, newer: &Elements, above: Option<Deletion>) -> Elements {
        let hides = |by: Option<Deletion>, timestamp| by.is_some_and(|it| it.covers(timestamp));
        let deletion = newer.deletion.filter(|it| !hides(above, it.timestamp));
        let below = self.deletion.max(above);
        let is_news = |(path, cell): &&(Bytes, Cell)| {
            !hides(below, cell.timestamp)
                && self.cell(path).is_none_or(|ours| cell.supersedes(ours))
        };
        Elements {
            deletion: deletion.filter(|it| Some(*it) > self.deletion),
            cells: newer.cells.iter().filter(is_news).cloned().collect(),
        }
    }

    /// Its bytes, for blocks of sstables: as a mutation has them, but timestamps begin from 0.
    pub fn encode(&self) -> Bytes {
        let mut out = Writer::default();
        encoding::write_elements_alone(&mut out, self);
        out.finish()
    }

    /// What [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// The bytes are not in normal form, or not what `encode` writes.
    pub fn decode(bytes: Bytes) -> Result<Elements, Malformed> {
        let mut reader = Reader::new(bytes);
        let elements = encoding::read_elements_alone(&mut reader)?;
        encoding::read_end(&reader, "elements").map(|()| elements)
    }

    /// About how many bytes this takes in memory beside the column itself.
    pub fn heap_bytes(&self) -> usize {
        let of = |(path, cell): &(Bytes, Cell)| path.len() + cell.heap_bytes();
        self.cells.iter().map(of).sum::<usize>()
            + self.cells.capacity() * size_of::<(Bytes, Cell)>()
    }

    /// Whether a deletion around the column shadows anything of it.
    pub fn is_hidden_by(&self, above: Option<Deletion>) -> bool {
        above.is_some_and(|above| {
            self.deletion.is_some_and(|it| above.covers(it.timestamp))
                || self.cells.iter().any(|(_, cell)| above.covers(cell.timestamp))
        })
    }

    /// Whether it is in the normal form that the type promises.
    pub fn is_normal(&self) -> bool {
        let hidden = |timestamp| self.deletion.is_some_and(|it| it.covers(timestamp));
        !self.is_empty()
            && self.cells.is_sorted_by(|(left, _), (right, _)| left < right)
            && !self.cells.iter().any(|(_, cell)| hidden(cell.timestamp))
    }
}

#[cfg(test)]
mod tests;
