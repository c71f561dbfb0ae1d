//! What a table answers, worked out the slow way: the list of all writes, looked at anew for every value.
//!
//! Written from Cassandra's rules and sharing no code with the merge that it judges. Of the real thing it uses the
//! partitioner only, to know in which order partitions are scanned.

use std::{cmp::Ordering, collections::BTreeMap};

use model::PartitionKey;

use super::{
    changes::{Cells, Change},
    datum::{Datum, Type, collection},
};

#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) of: Type,
    /// Of a clustering column: whether large values come first.
    pub(super) descends: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) partition: Vec<Column>,
    pub(super) clustering: Vec<Column>,
    pub(super) statics: Vec<Column>,
    pub(super) regulars: Vec<Column>,
    /// `default_time_to_live`, seconds; 0 for none.
    pub(super) ttl: u32,
    /// `gc_grace_seconds`.
    pub(super) gc_grace: u32,
}

impl Table {
    fn column(&self, name: &str) -> &Column {
        let mut values = self.statics.iter().chain(&self.regulars);
        values.find(|it| it.name == name).unwrap()
    }

    fn is_static(&self, name: &str) -> bool {
        self.statics.iter().any(|it| it.name == name)
    }
}

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Write {
    /// As CQL.
    pub(super) text: String,
    pub(super) micros: i64,
    /// What the statement says; `None`: the table's default.
    pub(super) ttl: Option<u32>,
    pub(super) key: Vec<Datum>,
    pub(super) what: What,
}

#[derive(Clone, Debug)]
pub(super) enum What {
    /// Columns, of a row and of the statics.
    Change {
        row: Option<Vec<Datum>>,
        /// An INSERT: the row is there even without cells.
        marks: bool,
        changes: BTreeMap<String, Change>,
    },
    /// The whole partition, statics too.
    DeletePartition,
    /// Rows that meet all of these.
    DeleteRows(Vec<Condition>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Contains,
    ContainsKey,
    Entry,
}

/// `column op value`, `column IN (values)`, `(columns) op (values)`, `column CONTAINS [KEY] value` or
/// `column[key] = value`.
#[derive(Clone, Debug)]
pub(super) struct Condition {
    pub(super) columns: Vec<String>,
    pub(super) op: Op,
    pub(super) values: Vec<Datum>,
}

impl Condition {
    pub(super) fn text(&self) -> String {
        let values: Vec<String> = self.values.iter().map(Datum::literal).collect();
        let values = values.join(", ");
        let op = match self.op {
            Op::Eq => "=",
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
            Op::In => return format!("{} IN ({values})", self.columns[0]),
            Op::Contains => "CONTAINS",
            Op::ContainsKey => "CONTAINS KEY",
            Op::Entry => {
                let [key, value] = &self.values[..] else { unreachable!("{self:?}") };
                return format!("{}[{}] = {}", self.columns[0], key.literal(), value.literal());
            }
        };
        match &self.columns[..] {
            [column] => format!("{column} {op} {values}"),
            columns => format!("({}) {op} ({values})", columns.join(", ")),
        }
    }

    /// Null meets no condition.
    fn is_met(&self, row: &Row) -> bool {
        let values: Option<Vec<&Datum>> =
            self.columns.iter().map(|it| row.get(it).map(|it| &it.value)).collect();
        let Some(values) = values else { return false };
        let order = values.iter().copied().cmp(&self.values);
        match self.op {
            Op::Eq => order == Ordering::Equal,
            Op::Lt => order == Ordering::Less,
            Op::Le => order != Ordering::Greater,
            Op::Gt => order == Ordering::Greater,
            Op::Ge => order != Ordering::Less,
            Op::In => self.values.contains(values[0]),
            Op::Contains => values[0].contains(&self.values[0]),
            Op::ContainsKey => values[0].under(&self.values[0]).is_some(),
            Op::Entry => values[0].under(&self.values[0]) == Some(&self.values[1]),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Selector {
    Column(String),
    /// `column[key]`, of a map or a set.
    Under(String, Datum),
    Writetime(String),
    Ttl(String),
    Count,
    CountOf(String),
    Sum(String, Type),
    Average(String, Type),
    Min(String),
    Max(String),
}

/// One SELECT.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) text: String,
    pub(super) selectors: Vec<Selector>,
    pub(super) distinct: bool,
    /// Whether partitions come in the order of their keys rather than of their tokens.
    pub(super) by_key: bool,
    /// Tokens above the first and up to the second.
    pub(super) tokens: Option<(i64, i64)>,
    pub(super) conditions: Vec<Condition>,
    pub(super) reversed: bool,
    pub(super) per_partition: Option<usize>,
    pub(super) limit: Option<usize>,
}

/// A cell that lives.
#[derive(Clone, Debug)]
struct Cell {
    value: Datum,
    micros: i64,
    expires: Option<i64>,
}

/// A value as a reader sees it.
#[derive(Clone, Debug)]
struct Shown {
    value: Datum,
    /// What it is made of, in order; nothing for what lies in the primary key.
    cells: Vec<Cell>,
}

/// What is not null, by column.
type Row = BTreeMap<String, Shown>;

/// A row of an answer.
pub(super) type Answered = Vec<Option<Vec<u8>>>;

/// A write that was made.
pub(super) struct Made {
    second: i64,
    write: Write,
    /// What it wrote, by column.
    pub(super) cells: BTreeMap<String, Cells>,
}

/// Every write so far.
pub(super) struct Model {
    pub(super) table: Table,
    pub(super) writes: Vec<Made>,
}

impl Model {
    /// Makes a write in second `now`, unless it is one to be refused: whether it was made.
    pub(super) fn write(&mut self, write: &Write, now: i64) -> bool {
        let mut cells = BTreeMap::new();
        if let What::Change { row, changes, .. } = &write.what {
            for (name, change) in changes {
                let written = if self.table.column(name).of.has_elements() {
                    let at = row.as_deref().filter(|_| !self.table.is_static(name));
                    let found = self.cells(&write.key, at, name, now);
                    let found: Vec<_> = found.into_iter().map(|(at, it)| (at, it.value)).collect();
                    change.elements(write.micros, self.writes.len() as i64 + 1, &found)
                } else {
                    change.sole()
                };
                let Some(written) = written else { return false };
                cells.insert(name.clone(), written);
            }
        }
        self.writes.push(Made { second: now, write: write.clone(), cells });
        true
    }

    /// What `read` answers in second `now`.
    pub(super) fn answer(&self, read: &Read, now: i64) -> Vec<Answered> {
        let mut rows = Vec::new();
        for key in self.keys(read) {
            let mut found = self.rows(&key, now);
            if read.reversed {
                found.reverse();
            }
            if found.is_empty() {
                // Statics without rows stand for one, whose other columns are null.
                let statics = self.statics(&key, now);
                found.extend((!statics.is_empty()).then(|| self.with_key(&key, None, statics)));
            }
            found.retain(|row| read.conditions.iter().all(|it| it.is_met(row)));
            found.truncate(if read.distinct {
                1
            } else {
                read.per_partition.unwrap_or(usize::MAX)
            });
            rows.extend(found);
        }
        if read.selectors.iter().any(|it| matches!(it, Selector::Count)) {
            return vec![read.selectors.iter().map(|it| aggregate(it, &rows)).collect()];
        }
        rows.truncate(read.limit.unwrap_or(usize::MAX));
        let selected =
            |row: &Row| read.selectors.iter().map(|it| self.select(it, row, now)).collect();
        rows.iter().map(selected).collect()
    }

    /// Partitions that were ever written, in the order of the answer.
    fn keys(&self, read: &Read) -> Vec<Vec<Datum>> {
        let mut keys: Vec<Vec<Datum>> = self.writes.iter().map(|it| it.write.key.clone()).collect();
        keys.sort();
        keys.dedup();
        if !read.by_key {
            keys.sort_by_key(|it| placed(it));
        }
        let tokens = read.tokens.unwrap_or((i64::MIN, i64::MAX));
        keys.retain(|it| {
            let token = placed(it).token.0;
            tokens.0 < token && token <= tokens.1
        });
        keys
    }

    /// The rows of a partition, in stored order, statics beside each.
    fn rows(&self, key: &[Datum], now: i64) -> Vec<Row> {
        let mut at: Vec<&Vec<Datum>> = Vec::new();
        for Made { write, .. } in &self.writes {
            if let What::Change { row: Some(row), .. } = &write.what
                && write.key == key
                && !at.contains(&row)
            {
                at.push(row);
            }
        }
        at.sort_by(|a, b| {
            let columns = self.table.clustering.iter().zip(a.iter().zip(*b));
            let orders =
                columns.map(|(column, (a, b))| if column.descends { b.cmp(a) } else { a.cmp(b) });
            orders.fold(Ordering::Equal, Ordering::then)
        });
        let mut rows = Vec::new();
        for row in at {
            let mut shown = Row::new();
            for column in &self.table.regulars {
                if let Some(value) = self.value(key, Some(row), column, now) {
                    shown.insert(column.name.clone(), value);
                }
            }
            if !shown.is_empty() || self.is_marked(key, row, now) {
                shown.extend(self.statics(key, now));
                rows.push(self.with_key(key, Some(row), shown));
            }
        }
        rows
    }

    fn statics(&self, key: &[Datum], now: i64) -> Row {
        let value = |it: &Column| Some((it.name.clone(), self.value(key, None, it, now)?));
        self.table.statics.iter().filter_map(value).collect()
    }

    fn with_key(&self, key: &[Datum], row: Option<&[Datum]>, mut shown: Row) -> Row {
        let partition = self.table.partition.iter().zip(key);
        let clustering = self.table.clustering.iter().zip(row.unwrap_or_default());
        for (column, value) in partition.chain(clustering) {
            let value = Shown { value: value.clone(), cells: Vec::new() };
            shown.insert(column.name.clone(), value);
        }
        shown
    }

    /// The value of a column: of the row, or of the statics.
    fn value(
        &self,
        key: &[Datum],
        at: Option<&[Datum]>,
        column: &Column,
        now: i64,
    ) -> Option<Shown> {
        let found = self.cells(key, at, &column.name, now);
        let cells: Vec<Cell> = found.values().cloned().collect();
        // A collection without elements is none.
        let first = cells.first()?.value.clone();
        let values = cells.iter().map(|it| it.value.clone());
        let value = match &column.of {
            Type::List(_) => Datum::List(values.collect()),
            Type::Set(_) => Datum::Set(values.collect()),
            Type::Map(_) => Datum::Map(found.into_keys().zip(values).collect()),
            Type::Int
            | Type::Bigint
            | Type::Text
            | Type::Boolean
            | Type::Blob
            | Type::Frozen(_) => first,
        };
        Some(Shown { value, cells })
    }

    /// The cells of a column that live, by their places.
    fn cells(
        &self,
        key: &[Datum],
        at: Option<&[Datum]>,
        name: &str,
        now: i64,
    ) -> BTreeMap<Datum, Cell> {
        let is_here = |it: &&Made| it.is_of(key, at) && it.cells.contains_key(name);
        let writes: Vec<&Made> = self.writes.iter().filter(is_here).collect();
        let mut best: BTreeMap<&Datum, (Rank, Option<Cell>)> = BTreeMap::new();
        for Made { second, write, cells } in &writes {
            let micros = write.micros;
            let deletes = |it: &&Made| it.cells[name].deletes.is_some_and(|it| micros <= it);
            if writes.iter().any(deletes) || self.is_deleted(key, at, micros) {
                continue;
            }
            let expires = self.expires(*second, write);
            for (place, value) in &cells[name].at {
                let rank = rank(micros, value.as_ref(), expires, *second);
                if best.get(place).is_none_or(|(it, _)| *it < rank) {
                    let cell = value.clone().map(|value| Cell { value, micros, expires });
                    best.insert(place, (rank, cell));
                }
            }
        }
        let lives = |it: &Cell| it.expires.is_none_or(|it| now < it);
        let living = best.into_iter().filter_map(|(place, (_, cell))| Some((place, cell?)));
        living.filter(|it| lives(&it.1)).map(|(place, cell)| (place.clone(), cell)).collect()
    }

    /// Whether an INSERT keeps the row there.
    fn is_marked(&self, key: &[Datum], at: &[Datum], now: i64) -> bool {
        let markers = self.writes.iter().filter(|it| {
            matches!(it.write.what, What::Change { marks: true, .. })
                && it.is_of(key, Some(at))
                && !self.is_deleted(key, Some(at), it.write.micros)
        });
        // The later one counts; of two at once the one that expires, and the later of two that do.
        let best = markers.map(|it| (it.write.micros, self.expires(it.second, &it.write))).max();
        best.is_some_and(|(_, expires)| expires.is_none_or(|it| now < it))
    }

    /// Whether a deletion covers what was written at `micros`, in a row or in the statics.
    fn is_deleted(&self, key: &[Datum], at: Option<&[Datum]>, micros: i64) -> bool {
        self.writes.iter().any(|Made { write, .. }| {
            let covers = match (&write.what, at) {
                (What::Change { .. }, _) | (What::DeleteRows(_), None) => false,
                (What::DeletePartition, _) => true,
                (What::DeleteRows(conditions), Some(at)) => {
                    let row = self.with_key(key, Some(at), Row::new());
                    conditions.iter().all(|it| it.is_met(&row))
                }
            };
            covers && write.key == key && micros <= write.micros
        })
    }

    fn select(&self, selector: &Selector, row: &Row, now: i64) -> Option<Vec<u8>> {
        // Of a column with a cell for each element, a list.
        let of_cells = |name: &str, of: &dyn Fn(&Cell) -> Option<Datum>| {
            let said: Vec<Option<Datum>> = row.get(name)?.cells.iter().map(of).collect();
            if self.table.column(name).of.has_elements() {
                return Some(collection(said.len(), said.iter().map(Option::as_ref)));
            }
            Some(said[0].as_ref()?.bytes())
        };
        match selector {
            Selector::Column(name) => Some(row.get(name)?.value.bytes()),
            Selector::Under(name, key) => Some(row.get(name)?.value.under(key)?.bytes()),
            Selector::Writetime(name) => of_cells(name, &|it| Some(Datum::Bigint(it.micros))),
            Selector::Ttl(name) => {
                of_cells(name, &|it| Some(Datum::Int(i32::try_from(it.expires? - now).unwrap())))
            }
            Selector::Count
            | Selector::CountOf(_)
            | Selector::Sum(..)
            | Selector::Average(..)
            | Selector::Min(_)
            | Selector::Max(_) => None,
        }
    }

    fn expires(&self, second: i64, write: &Write) -> Option<i64> {
        let ttl = write.ttl.unwrap_or(self.table.ttl);
        (ttl != 0).then(|| second + i64::from(ttl))
    }
}

impl Made {
    /// Whether it changes columns of this row, or of this partition.
    fn is_of(&self, key: &[Datum], at: Option<&[Datum]>) -> bool {
        let What::Change { row, .. } = &self.write.what else { return false };
        self.write.key == key && at.is_none_or(|it| row.as_deref() == Some(it))
    }
}

/// Which of several cells counts: the greatest.
type Rank = (i64, u8, i64, Vec<u8>);

fn rank(micros: i64, value: Option<&Datum>, expires: Option<i64>, second: i64) -> Rank {
    match (value, expires) {
        (Some(value), None) => (micros, 0, 0, value.bytes()),
        (Some(value), Some(expires)) => (micros, 1, expires, value.bytes()),
        (None, _) => (micros, 2, second, Vec::new()),
    }
}

/// Where a partition stands among all.
pub(super) fn placed(key: &[Datum]) -> PartitionKey {
    let parts: Vec<Vec<u8>> = key.iter().map(Datum::bytes).collect();
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    PartitionKey::new(model::key::compose(&parts).unwrap())
}

fn aggregate(selector: &Selector, rows: &[Row]) -> Option<Vec<u8>> {
    let values = |name: &str| {
        let found: Vec<&Datum> = rows.iter().filter_map(|it| Some(&it.get(name)?.value)).collect();
        found
    };
    // Few and small ones: no sum wraps.
    let added = |name: &str, of: &Type, is_average: bool| {
        let number = |it: &Datum| {
            if let Datum::Int(it) = it {
                return i64::from(*it);
            }
            let Datum::Bigint(it) = it else { panic!("{it:?} is no number") };
            *it
        };
        let numbers: Vec<i64> = values(name).into_iter().map(number).collect();
        let count = if is_average { numbers.len().max(1) as i64 } else { 1 };
        let result = numbers.iter().sum::<i64>() / count;
        let is_int = *of == Type::Int;
        if is_int { Datum::Int(result as i32).bytes() } else { Datum::Bigint(result).bytes() }
    };
    match selector {
        Selector::CountOf(name) => Some((values(name).len() as i64).to_be_bytes().to_vec()),
        Selector::Sum(name, of) => Some(added(name, of, false)),
        Selector::Average(name, of) => Some(added(name, of, true)),
        Selector::Count => Some((rows.len() as i64).to_be_bytes().to_vec()),
        Selector::Min(name) => values(name).into_iter().min().map(Datum::bytes),
        Selector::Max(name) => values(name).into_iter().max().map(Datum::bytes),
        Selector::Column(_) | Selector::Under(..) | Selector::Writetime(_) | Selector::Ttl(_) => {
            None
        }
    }
}
