//! What a table answers, worked out the slow way: the list of all writes, looked at anew for every value.
//!
//! Written from Cassandra's rules and sharing no code with the merge that it judges. Of the real thing it uses the
//! partitioner only, to know in which order partitions are scanned.

use std::{cmp::Ordering, collections::BTreeMap};

use model::PartitionKey;

/// Types of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Int,
    Bigint,
    Text,
    Boolean,
    Blob,
}

/// A value. Of one type they compare as CQL does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Datum {
    Int(i32),
    Bigint(i64),
    Text(String),
    Boolean(bool),
    Blob(Vec<u8>),
}

impl Datum {
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self {
            Datum::Int(it) => it.to_be_bytes().to_vec(),
            Datum::Bigint(it) => it.to_be_bytes().to_vec(),
            Datum::Text(it) => it.as_bytes().to_vec(),
            Datum::Boolean(it) => vec![u8::from(*it)],
            Datum::Blob(it) => it.clone(),
        }
    }

    pub(super) fn literal(&self) -> String {
        match self {
            Datum::Int(it) => it.to_string(),
            Datum::Bigint(it) => it.to_string(),
            Datum::Text(it) => format!("'{it}'"),
            Datum::Boolean(it) => it.to_string(),
            Datum::Blob(it) => {
                let digits: String = it.iter().map(|byte| format!("{byte:02x}")).collect();
                format!("0x{digits}")
            }
        }
    }
}

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
    /// Cells, of a row and of the statics, by column; `None` deletes one.
    Cells {
        row: Option<Vec<Datum>>,
        /// An INSERT: the row is there even without cells.
        marks: bool,
        cells: BTreeMap<String, Option<Datum>>,
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
}

/// `column op value`, `column IN (values)` or `(columns) op (values)`.
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
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Selector {
    Column(String),
    Writetime(String),
    Ttl(String),
    Count,
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

/// A value as a reader sees it.
#[derive(Clone, Debug)]
struct Shown {
    value: Datum,
    micros: i64,
    expires: Option<i64>,
}

/// What is not null, by column.
type Row = BTreeMap<String, Shown>;

/// A row of an answer.
pub(super) type Answered = Vec<Option<Vec<u8>>>;

/// Every write so far, with the second in which it was made.
pub(super) struct Model {
    pub(super) table: Table,
    pub(super) writes: Vec<(i64, Write)>,
}

impl Model {
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
        let selected = |row: &Row| read.selectors.iter().map(|it| select(it, row, now)).collect();
        rows.iter().map(selected).collect()
    }

    /// Partitions that were ever written, in the order of the answer.
    fn keys(&self, read: &Read) -> Vec<Vec<Datum>> {
        let mut keys: Vec<Vec<Datum>> = self.writes.iter().map(|it| it.1.key.clone()).collect();
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
        for (_, write) in &self.writes {
            if let What::Cells { row: Some(row), .. } = &write.what
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
                if let Some(cell) = self.cell(key, Some(row), &column.name, now) {
                    shown.insert(column.name.clone(), cell);
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
        let cell = |it: &Column| Some((it.name.clone(), self.cell(key, None, &it.name, now)?));
        self.table.statics.iter().filter_map(cell).collect()
    }

    fn with_key(&self, key: &[Datum], row: Option<&[Datum]>, mut shown: Row) -> Row {
        let partition = self.table.partition.iter().zip(key);
        let clustering = self.table.clustering.iter().zip(row.unwrap_or_default());
        for (column, value) in partition.chain(clustering) {
            let value = Shown { value: value.clone(), micros: 0, expires: None };
            shown.insert(column.name.clone(), value);
        }
        shown
    }

    /// The value of a column: of the row, or of the statics.
    fn cell(&self, key: &[Datum], at: Option<&[Datum]>, name: &str, now: i64) -> Option<Shown> {
        let mut best: Option<(Rank, Option<Shown>)> = None;
        for (second, write) in &self.writes {
            let What::Cells { row, cells, .. } = &write.what else { continue };
            let Some(value) = cells.get(name) else { continue };
            let here = write.key == key && at.is_none_or(|it| row.as_deref() == Some(it));
            if !here || self.is_deleted(key, at, write.micros) {
                continue;
            }
            let expires = self.expires(*second, write);
            let rank = rank(write.micros, value.as_ref(), expires, *second);
            if best.as_ref().is_none_or(|(it, _)| *it < rank) {
                let micros = write.micros;
                let shown = value.clone().map(|value| Shown { value, micros, expires });
                best = Some((rank, shown));
            }
        }
        best?.1.filter(|it| it.expires.is_none_or(|it| now < it))
    }

    /// Whether an INSERT keeps the row there.
    fn is_marked(&self, key: &[Datum], at: &[Datum], now: i64) -> bool {
        let markers = self.writes.iter().filter(|(_, write)| {
            let What::Cells { row: Some(row), marks: true, .. } = &write.what else { return false };
            write.key == key && row == at && !self.is_deleted(key, Some(at), write.micros)
        });
        // The later one counts; of two at once the one that expires, and the later of two that do.
        let best =
            markers.map(|(second, write)| (write.micros, self.expires(*second, write))).max();
        best.is_some_and(|(_, expires)| expires.is_none_or(|it| now < it))
    }

    /// Whether a deletion covers what was written at `micros`, in a row or in the statics.
    fn is_deleted(&self, key: &[Datum], at: Option<&[Datum]>, micros: i64) -> bool {
        self.writes.iter().any(|(_, write)| {
            let covers = match (&write.what, at) {
                (What::Cells { .. }, _) | (What::DeleteRows(_), None) => false,
                (What::DeletePartition, _) => true,
                (What::DeleteRows(conditions), Some(at)) => {
                    let row = self.with_key(key, Some(at), Row::new());
                    conditions.iter().all(|it| it.is_met(&row))
                }
            };
            covers && write.key == key && micros <= write.micros
        })
    }

    fn expires(&self, second: i64, write: &Write) -> Option<i64> {
        let ttl = write.ttl.unwrap_or(self.table.ttl);
        (ttl != 0).then(|| second + i64::from(ttl))
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

fn select(selector: &Selector, row: &Row, now: i64) -> Option<Vec<u8>> {
    match selector {
        Selector::Column(name) => Some(row.get(name)?.value.bytes()),
        Selector::Writetime(name) => Some(row.get(name)?.micros.to_be_bytes().to_vec()),
        Selector::Ttl(name) => {
            let left = row.get(name)?.expires? - now;
            Some(i32::try_from(left).unwrap().to_be_bytes().to_vec())
        }
        Selector::Count | Selector::Min(_) | Selector::Max(_) => None,
    }
}

fn aggregate(selector: &Selector, rows: &[Row]) -> Option<Vec<u8>> {
    let values = |name: &str| {
        let found: Vec<&Datum> = rows.iter().filter_map(|it| Some(&it.get(name)?.value)).collect();
        found
    };
    match selector {
        Selector::Count => Some((rows.len() as i64).to_be_bytes().to_vec()),
        Selector::Min(name) => values(name).into_iter().min().map(Datum::bytes),
        Selector::Max(name) => values(name).into_iter().max().map(Datum::bytes),
        Selector::Column(_) | Selector::Writetime(_) | Selector::Ttl(_) => None,
    }
}
