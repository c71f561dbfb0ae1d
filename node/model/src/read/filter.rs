//! Conditions that keys and slices do not serve: checked row by row where the rows are, and again on what
//! replicas know together.
//!
//! A condition is about partitions alone (their key, their statics) or about rows alone (their
//! clustering, their cells). So where a partition is not meant none of its rows need be looked at.

use bytes::Bytes;
use cql_lite::{types::CqlType, value};

use super::Operator;
use crate::{
    codec::{Malformed, Reader, Writer},
    encoding,
    key::{self, Clustering, Order, PartitionKey},
    row::Row,
    schema::ColumnId,
};

/// Which rows are meant: those for which every condition holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// How many columns the partition key has.
    pub partition_columns: usize,
    /// How clustering keys are read.
    pub clustering: Vec<(CqlType, Order)>,
    /// At least one.
    pub conditions: Vec<Condition>,
    /// Whether answers of several replicas are compared: then each says the digest of all that it
    /// scanned, since what passes does not tell what was left out.
    pub compared: bool,
}

/// Columns compared with values. Null never meets it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// What is compared, one after the other: all of the partition, or all of the row.
    pub columns: Vec<(Place, CqlType)>,
    /// How.
    pub test: Test,
    /// With what: one of these will do, each as long as `columns`. Serialized CQL values.
    pub any_of: Vec<Vec<Bytes>>,
}

/// What is asked of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    /// How they compare.
    Compare(Operator),
    /// Whether a collection has this value, a map under any key.
    Contains,
    /// Whether a map has this key.
    ContainsKey,
    /// Whether a map has this key with this value: they come as a tuple of both.
    Entry,
}

/// Where the value of a column lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// This component of the partition key.
    Partition(usize),
    /// This component of the clustering key.
    Clustering(usize),
    /// A cell of the static row.
    Static(ColumnId),
    /// A cell of the row.
    Regular(ColumnId),
}

impl Place {
    /// Whether it is the same for all rows of a partition.
    fn is_of_partition(self) -> bool {
        matches!(self, Place::Partition(_) | Place::Static(_))
    }
}

impl Filter {
    /// Whether a partition with this static row is meant: if not, none of its rows pass, and neither
    /// do its statics. A key that cannot be read is meant: whoever shows it says what is wrong.
    pub fn admits(&self, key: &PartitionKey, statics: &Row, now: i64) -> bool {
        let Ok(components) = key::decompose(&key.bytes, self.partition_columns) else {
            return true;
        };
        let mut conditions = self.conditions.iter().filter(|it| it.is_of_partition());
        conditions.all(|it| {
            it.holds(|place, cql_type| match place {
                Place::Partition(at) => components.get(at).cloned(),
                Place::Static(id) => statics.value(id, cql_type, now),
                Place::Clustering(_) | Place::Regular(_) => None,
            })
        })
    }

    /// Whether a row of a partition that is meant passes. Nothing is said about whether it lives.
    pub fn passes(&self, clustering: &Clustering, row: &Row, now: i64) -> bool {
        let places = || self.conditions.iter().flat_map(|it| &it.columns);
        let mut components = key::Components::default();
        if places().any(|(place, _)| matches!(place, Place::Clustering(_))) {
            let types = key::types(&self.clustering);
            if key::decode_clustering(types, &clustering.0, &mut components).is_err() {
                return true;
            }
        }
        let mut conditions = self.conditions.iter().filter(|it| !it.is_of_partition());
        conditions.all(|it| {
            it.holds(|place, cql_type| match place {
                Place::Clustering(at) => components.get(at).map(Bytes::copy_from_slice),
                Place::Regular(id) => row.value(id, cql_type, now),
                Place::Partition(_) | Place::Static(_) => None,
            })
        })
    }

    /// Whether the statics of a partition that is meant pass where it has no rows: no condition is
    /// about rows, whose columns are null then.
    pub fn passes_statics(&self) -> bool {
        self.conditions.iter().all(Condition::is_of_partition)
    }

    pub(super) fn write(&self, out: &mut Writer) {
        out.u8(u8::from(self.compared));
        out.uint(self.partition_columns as u64);
        out.uint(self.clustering.len() as u64);
        for (cql_type, order) in &self.clustering {
            out.bytes(cql_type.in_full().as_bytes());
            out.u8(u8::from(*order == Order::Desc));
        }
        out.uint(self.conditions.len() as u64);
        self.conditions.iter().for_each(|it| it.write(out));
    }

    pub(super) fn read(reader: &mut Reader) -> Result<Filter, Malformed> {
        let compared = read_bool(reader, "whether answers are compared")?;
        let partition_columns = reader.uint("columns of the partition key")?;
        let partition_columns = usize::try_from(partition_columns)
            .map_err(|_| reader.malformed("columns of the partition key"))?;
        let count = reader.count(2, "count of clustering columns")?;
        let mut clustering = encoding::vec(count);
        for _ in 0..count {
            let cql_type = read_type(reader)?;
            let descends = read_bool(reader, "order of a clustering column")?;
            clustering.push((cql_type, if descends { Order::Desc } else { Order::Asc }));
        }
        let count = reader.count(CONDITION_BYTES_MIN, "count of conditions")?;
        let mut conditions = encoding::vec(count);
        for _ in 0..count {
            conditions.push(Condition::read(reader)?);
        }
        let filter = Filter { partition_columns, clustering, conditions, compared };
        if filter.is_sound() { Ok(filter) } else { Err(reader.malformed("filter")) }
    }

    /// Whether there are conditions, on columns that the keys have.
    fn is_sound(&self) -> bool {
        let is_there = |(place, _): &(Place, CqlType)| match place {
            Place::Partition(at) => *at < self.partition_columns,
            Place::Clustering(at) => *at < self.clustering.len(),
            Place::Static(_) | Place::Regular(_) => true,
        };
        let is_sound = |it: &Condition| {
            let of_partition = it.columns.iter().filter(|(place, _)| place.is_of_partition());
            let of_one_kind = [0, it.columns.len()].contains(&of_partition.count());
            of_one_kind && !it.columns.is_empty() && it.columns.iter().all(is_there)
        };
        !self.conditions.is_empty() && self.conditions.iter().all(is_sound)
    }
}

/// Operator, one column of three bytes at least, and how many values.
const CONDITION_BYTES_MIN: usize = 6;

/// As they are written.
const TESTS: [Test; 9] = [
    Test::Compare(Operator::Eq),
    Test::Compare(Operator::Lt),
    Test::Compare(Operator::Le),
    Test::Compare(Operator::Gt),
    Test::Compare(Operator::Ge),
    Test::Compare(Operator::NotEq),
    Test::Contains,
    Test::ContainsKey,
    Test::Entry,
];

/// Whether a serialized collection has what is wanted of it.
fn has(test: Test, cql_type: &CqlType, collection: &[u8], wanted: &[u8]) -> bool {
    let Ok(parts) = value::split(cql_type, collection) else { return false };
    let same = |of: &CqlType, part: Option<&[u8]>, wanted: &[u8]| {
        part.is_some_and(|it| value::compare(of, it, wanted).is_eq())
    };
    match (test, cql_type) {
        (Test::Contains, CqlType::List(of) | CqlType::Set(of)) => {
            parts.into_iter().any(|it| same(of, it, wanted))
        }
        (Test::Contains, CqlType::Map(of)) => parts.chunks(2).any(|it| same(&of.1, it[1], wanted)),
        (Test::ContainsKey, CqlType::Map(of)) => {
            parts.chunks(2).any(|it| same(&of.0, it[0], wanted))
        }
        (Test::Entry, CqlType::Map(of)) => {
            let pair = CqlType::Tuple([of.0.clone(), of.1.clone()].into());
            let Ok(wanted) = value::split(&pair, wanted) else { return false };
            let [Some(key), Some(it)] = wanted[..] else { return false };
            parts.chunks(2).any(|entry| same(&of.0, entry[0], key) && same(&of.1, entry[1], it))
        }
        _ => false,
    }
}

impl Condition {
    /// Whether it is about partitions alone.
    fn is_of_partition(&self) -> bool {
        self.columns.iter().all(|(place, _)| place.is_of_partition())
    }

    /// Whether it holds for what `found` finds in each place.
    fn holds(&self, found: impl Fn(Place, &CqlType) -> Option<Bytes>) -> bool {
        let mut values = Vec::with_capacity(self.columns.len());
        for (place, cql_type) in &self.columns {
            match found(*place, cql_type) {
                Some(value) => values.push(value),
                None => return false,
            }
        }
        let op = match self.test {
            Test::Compare(op) => op,
            Test::Contains | Test::ContainsKey | Test::Entry => {
                let [(_, cql_type)] = &self.columns[..] else { return false };
                let mut wanted = self.any_of.iter().flatten();
                return wanted.any(|it| has(self.test, cql_type, &values[0], it));
            }
        };
        self.any_of.iter().any(|operands| {
            let pairs = self.columns.iter().zip(values.iter().zip(operands));
            let mut orders =
                pairs.map(|((_, cql_type), (found, it))| value::compare(cql_type, found, it));
            let order = orders.find(|it| it.is_ne()).unwrap_or(std::cmp::Ordering::Equal);
            match op {
                Operator::Eq => order.is_eq(),
                Operator::Lt => order.is_lt(),
                Operator::Le => order.is_le(),
                Operator::Gt => order.is_gt(),
                Operator::Ge => order.is_ge(),
                Operator::NotEq => order.is_ne(),
            }
        })
    }

    fn write(&self, out: &mut Writer) {
        out.u8(TESTS.iter().take_while(|it| **it != self.test).count() as u8);
        out.uint(self.columns.len() as u64);
        for (place, cql_type) in &self.columns {
            let (kind, at) = match place {
                Place::Partition(at) => (0, *at as u64),
                Place::Clustering(at) => (1, *at as u64),
                Place::Static(id) => (2, u64::from(id.0)),
                Place::Regular(id) => (3, u64::from(id.0)),
            };
            out.u8(kind);
            out.uint(at);
            out.bytes(cql_type.in_full().as_bytes());
        }
        out.uint(self.any_of.len() as u64);
        self.any_of.iter().flatten().for_each(|it| out.bytes(it));
    }

    fn read(reader: &mut Reader) -> Result<Condition, Malformed> {
        let test = TESTS.get(usize::from(reader.u8("operator")?)).copied();
        let test = test.ok_or_else(|| reader.malformed("operator"))?;
        let count = reader.count(3, "count of compared columns")?;
        let mut columns = encoding::vec(count);
        for _ in 0..count {
            let kind = reader.u8("place of a column")?;
            let at = reader.uint("place of a column")?;
            let id = u32::try_from(at).map_err(|_| reader.malformed("place of a column"))?;
            let place = match kind {
                0 => Place::Partition(id as usize),
                1 => Place::Clustering(id as usize),
                2 => Place::Static(ColumnId(id)),
                3 => Place::Regular(ColumnId(id)),
                _ => return Err(reader.malformed("place of a column")),
            };
            columns.push((place, read_type(reader)?));
        }
        let count = reader.count(columns.len(), "count of values")?;
        let mut any_of = encoding::vec(count);
        for _ in 0..count {
            let values: Result<Vec<Bytes>, Malformed> =
                columns.iter().map(|_| reader.bytes("value of a condition")).collect();
            any_of.push(values?);
        }
        Ok(Condition { columns, test, any_of })
    }
}

fn read_type(reader: &mut Reader) -> Result<CqlType, Malformed> {
    let name = reader.bytes("type")?;
    let name = std::str::from_utf8(&name).map_err(|_| reader.malformed("type"))?;
    let cql_type = CqlType::parse(name).map_err(|_| reader.malformed("type"))?;
    // One type has one name here.
    if cql_type.in_full() == name { Ok(cql_type) } else { Err(reader.malformed("type")) }
}

fn read_bool(reader: &mut Reader, what: &'static str) -> Result<bool, Malformed> {
    match reader.u8(what)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(reader.malformed(what)),
    }
}

#[cfg(test)]
pub(super) mod tests;
