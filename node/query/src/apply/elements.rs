//! Columns with a cell for each part of their value: which cells a change writes.
//!
//! ```text
//!   c = {…}        a deletion just before the write, then a cell for each value
//!   c = c + {…}    a cell for each value
//!   c = c - {…}    a tombstone for each value
//!   c[k] = v       one cell, or its tombstone
//!   n = n + 1      what the leader of a counter adds to its share
//! ```
//!
//! The deletion is one microsecond older than the cells, as in Cassandra: so of two writes of the same
//! time, one that sets the column and one that adds to it, both are seen.

use bytes::Bytes;
use cql_lite::{code::Code, types::CqlType};
use model::{Cell, Content, Deletion, Elements, counter};

use super::When;
use crate::{
    Bound, Error,
    bind::Bindings,
    functions,
    plan::{
        term::{Operand, null_in, split},
        write::{Action, Sign},
    },
};

/// Makes cells of values.
pub(super) struct Writer<'w, 'b> {
    pub(super) when: When,
    pub(super) ttl: Option<u32>,
    pub(super) bindings: &'w Bindings<'b>,
}

impl Writer<'_, '_> {
    /// The TTL of what is written, and when it expires.
    pub(super) fn expiry(&self) -> Option<(u32, i64)> {
        self.ttl.map(|ttl| (ttl, self.when.now.saturating_add(i64::from(ttl))))
    }

    /// The cell of a value; none where it is unset.
    pub(super) fn cell(&self, value: Bound) -> Option<Cell> {
        let content = match (value, self.expiry()) {
            (Bound::Unset, _) => return None,
            (Bound::Null, _) => Content::Dead { deleted_at: self.when.now },
            (Bound::Value(value), None) => Content::Live { value },
            (Bound::Value(value), Some((ttl, expires_at))) => {
                Content::Expiring { value, ttl, expires_at }
            }
        };
        Some(Cell { timestamp: self.when.timestamp, content })
    }

    /// What a change of a column with elements writes.
    pub(super) fn elements(&self, action: &Action) -> Result<Elements, Error> {
        let mut elements = Elements::default();
        match action {
            // It has one cell, which is written elsewhere.
            Action::Cell(_) => {}
            Action::Replace(cql_type, operand) => match self.bindings.evaluate(operand)? {
                Bound::Unset => {}
                value @ (Bound::Null | Bound::Value(_)) => {
                    elements.deletion = Some(Deletion {
                        timestamp: self.when.timestamp.saturating_sub(1),
                        deleted_at: self.when.now,
                    });
                    self.put_all(&mut elements, cql_type, value, false)?;
                }
            },
            Action::Append(cql_type, operand) => {
                self.put_all(&mut elements, cql_type, self.bindings.evaluate(operand)?, false)?;
            }
            Action::Prepend(cql_type, operand) => {
                self.put_all(&mut elements, cql_type, self.bindings.evaluate(operand)?, true)?;
            }
            Action::Remove(cql_type, operand) => {
                if let Bound::Value(bytes) = self.bindings.evaluate(operand)? {
                    for path in split(cql_type, &bytes)?.into_iter().flatten() {
                        elements.cells.extend(self.cell(Bound::Null).map(|it| (path, it)));
                    }
                    elements.cells.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
            }
            Action::Entry(key, value) => {
                let key = self.bindings.required(key, "the key")?;
                let cell = self.cell(self.bindings.evaluate(value)?);
                elements.cells.extend(cell.map(|it| (key, it)));
            }
            Action::Field(at, value) => {
                let cell = self.cell(self.bindings.evaluate(value)?);
                elements.cells.extend(cell.map(|it| (field_path(*at), it)));
            }
            Action::Increment(sign, operand) => {
                elements.cells.extend(self.increment(*sign, operand)?)
            }
        }
        Ok(elements)
    }

    /// What its leader adds to a counter; none where the amount is unset.
    fn increment(&self, sign: Sign, operand: &Operand) -> Result<Option<(Bytes, Cell)>, Error> {
        let amount = match self.bindings.evaluate(operand)? {
            Bound::Unset => return Ok(None),
            Bound::Null => {
                return Err(null_in("what is added to a counter").hint("0 changes nothing"));
            }
            Bound::Value(bytes) => <[u8; 8]>::try_from(&bytes[..]).map(i64::from_be_bytes),
        };
        let Ok(amount) = amount else { return Err(null_in("what is added to a counter")) };
        let delta = match sign {
            Sign::Plus => Some(amount),
            Sign::Minus => amount.checked_neg(),
        };
        let When { timestamp, place, .. } = self.when;
        let Some(delta) = delta else {
            let message = format!("{amount} cannot be taken away from a counter: it has 64 bits");
            return Err(Error::new(Code::BadValue, message));
        };
        Ok(Some(counter::increment(place, delta, timestamp)))
    }

    /// A cell for each part of a value of this type.
    fn put_all(
        &self,
        elements: &mut Elements,
        cql_type: &CqlType,
        value: Bound,
        in_front: bool,
    ) -> Result<(), Error> {
        let Bound::Value(bytes) = value else { return Ok(()) };
        let parts = split(cql_type, &bytes)?;
        let mut put = |path: Bytes, value: Option<Bytes>| {
            let value = value.map_or(Bound::Null, Bound::Value);
            elements.cells.extend(self.cell(value).map(|it| (path, it)));
        };
        match cql_type {
            CqlType::Set(_) => {
                parts.into_iter().flatten().for_each(|it| put(it, Some(Bytes::new())));
            }
            CqlType::Map(_) => {
                for entry in parts.chunks(2) {
                    if let [Some(key), value] = entry {
                        put(key.clone(), value.clone());
                    }
                }
            }
            CqlType::User(_) => {
                for (at, value) in (0..).zip(parts) {
                    put(field_path(at), value);
                }
            }
            CqlType::List(_) | CqlType::Native(_) | CqlType::Tuple(_) | CqlType::Vector(..) => {
                let moment = self.bindings.moment();
                if in_front {
                    // Each one lies before the one before: the last of them is the first to be put.
                    parts.into_iter().rev().for_each(|it| put(functions::before_all(moment), it));
                } else {
                    parts.into_iter().for_each(|it| put(functions::behind_all(moment), it));
                }
            }
        }
        elements.cells.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(())
    }
}

/// Where the field of a user type lies.
pub(super) fn field_path(at: u16) -> Bytes {
    Bytes::copy_from_slice(&at.to_be_bytes())
}
