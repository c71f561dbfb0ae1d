//! What statements do to columns, and to which cells that comes.

use super::datum::Datum;

/// What a statement does to a column.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// `c = value`.
    Set(Option<Datum>),
    /// `DELETE c`.
    Delete,
    /// `c = c + value`.
    Append(Datum),
    /// `c = value + c`, of a list.
    Prepend(Datum),
    /// `c = c - value`: values of a list or a set, keys of a map.
    Remove(Datum),
    /// `c[key] = value` of a map, or `DELETE c[key]`, of a set too.
    SetKey(Datum, Option<Datum>),
    /// `c[index] = value`, or `DELETE c[index]`, of a list.
    SetIndex(usize, Option<Datum>),
}

/// The cells that one write gives to one column.
#[derive(Clone, Debug)]
pub(super) struct Cells {
    /// The last timestamp of the cells that go.
    pub(super) deletes: Option<i64>,
    /// Each by its place in the column: the key of a map, the value of a set, a number that ascends in a list.
    /// Columns with one cell have it at [`SOLE`]. `None` is a tombstone.
    pub(super) at: Vec<(Datum, Option<Datum>)>,
}

/// The place of the cell of a column that has one only.
const SOLE: Datum = Datum::Boolean(true);

impl Change {
    /// As an assignment of an UPDATE.
    pub(super) fn assignment(&self, name: &str) -> String {
        match self {
            Change::Set(value) => format!("{name} = {}", literal(value.as_ref())),
            Change::Append(value) => format!("{name} = {name} + {}", value.literal()),
            Change::Prepend(value) => format!("{name} = {} + {name}", value.literal()),
            Change::Remove(value) => format!("{name} = {name} - {}", value.literal()),
            Change::Delete => unreachable!("an UPDATE has no DELETE {name}"),
            Change::SetKey(_, value) | Change::SetIndex(_, value) => {
                format!("{} = {}", self.target(name), literal(value.as_ref()))
            }
        }
    }

    /// As a DELETE names it.
    pub(super) fn target(&self, name: &str) -> String {
        match self {
            Change::SetKey(key, _) => format!("{name}[{}]", key.literal()),
            Change::SetIndex(index, _) => format!("{name}[{index}]"),
            Change::Set(_)
            | Change::Delete
            | Change::Append(_)
            | Change::Prepend(_)
            | Change::Remove(_) => name.to_owned(),
        }
    }

    /// The cells of a column with elements that this writes at `micros`, as the write of this number, to a column
    /// that has `found`, by places. None where the statement is refused.
    pub(super) fn elements(
        &self,
        micros: i64,
        number: i64,
        found: &[(Datum, Datum)],
    ) -> Option<Cells> {
        let at = match self {
            Change::Set(value) => value.iter().flat_map(|it| placed(it, number)).collect(),
            Change::Delete => Vec::new(),
            Change::Append(value) => placed(value, number),
            Change::Prepend(value) => placed(value, -number),
            Change::Remove(Datum::Set(gone)) => gone.iter().map(|it| (it.clone(), None)).collect(),
            Change::Remove(gone) => {
                let goes = found.iter().filter(|(_, value)| gone.contains(value));
                goes.map(|(place, _)| (place.clone(), None)).collect()
            }
            Change::SetKey(key, value) => vec![(key.clone(), value.clone())],
            Change::SetIndex(index, value) => vec![(found.get(*index)?.0.clone(), value.clone())],
        };
        let deletes = match self {
            // What is set goes together with what is put to it at the same time.
            Change::Set(_) => Some(micros - 1),
            Change::Delete => Some(micros),
            Change::Append(_)
            | Change::Prepend(_)
            | Change::Remove(_)
            | Change::SetKey(..)
            | Change::SetIndex(..) => None,
        };
        Some(Cells { deletes, at })
    }

    /// The same of a column with one cell.
    pub(super) fn sole(&self) -> Option<Cells> {
        let value = if let Change::Set(value) = self { value.clone() } else { None };
        Some(Cells { deletes: None, at: vec![(SOLE, value)] })
    }
}

/// Elements by their places. A write's places in a list lie behind those of all writes of lower numbers.
fn placed(value: &Datum, number: i64) -> Vec<(Datum, Option<Datum>)> {
    const LEN_MAX: i64 = 100;
    match value {
        Datum::Set(all) => all.iter().map(|it| (it.clone(), Some(it.clone()))).collect(),
        Datum::Map(all) => all.iter().map(|(key, it)| (key.clone(), Some(it.clone()))).collect(),
        Datum::List(all) => {
            let places = (number * LEN_MAX..).map(Datum::Bigint);
            places.zip(all.iter().cloned().map(Some)).collect()
        }
        Datum::Int(_) | Datum::Bigint(_) | Datum::Text(_) | Datum::Boolean(_) | Datum::Blob(_) => {
            unreachable!("{value:?} has no elements")
        }
    }
}

pub(super) fn literal(value: Option<&Datum>) -> String {
    value.map_or_else(|| "null".to_owned(), Datum::literal)
}
