//! When cells were written, and how long they live.
//!
//! A column with one cell answers with one number, whatever part of it is asked for. One that has a
//! cell for each part of its value answers with a list, in the order of its value: null for a cell that
//! stays, and for a field that is null.

use bytes::Bytes;
use cql_lite::{
    types::{CqlType, NativeType},
    value,
};
use model::Element;

use super::{View, keys, within};
use crate::{
    Error,
    functions::Moment,
    plan::{
        CellColumn,
        select::{Expr, Property},
    },
};

/// Which cells are asked.
enum Asked<'e> {
    /// That of one part, if it lives.
    One(Option<Element<'e>>),
    /// One for each part; none for what is null.
    Each(Vec<Option<Element<'e>>>),
}

impl View<'_> {
    /// What the cells say of themselves that a column, or one part of it, is made of.
    pub(super) fn property(
        &self,
        property: Property,
        of: &Expr,
        moment: &Moment<'_>,
    ) -> Result<Option<Bytes>, Error> {
        Ok(match of.column() {
            Expr::Cell(column) => {
                // A part that is not there was not written.
                let value = self.evaluate(of, moment)?;
                value.and_then(|_| self.of_one(property, *column))
            }
            Expr::Elements(column, cql_type) => {
                let elements = self.at(*column).and_then(|it| it.elements(column.id));
                let live = elements.map(|it| it.live(cql_type, self.now)).unwrap_or_default();
                self.of_several(property, asked(of, cql_type, live))
            }
            Expr::Partition(_)
            | Expr::Clustering(_)
            | Expr::Element(..)
            | Expr::Slice(..)
            | Expr::Field(..)
            | Expr::Property(..)
            | Expr::Call(..) => None,
        })
    }

    /// Of a column with one cell.
    fn of_one(&self, property: Property, column: CellColumn) -> Option<Bytes> {
        let row = self.at(column)?;
        match property {
            Property::Writetime | Property::MaxWritetime => {
                row.cell(column.id, self.now).map(|(timestamp, _)| micros(timestamp))
            }
            Property::Ttl => row.expires_at(column.id, self.now).map(|it| self.left(it)),
        }
    }

    /// Of a column with several.
    fn of_several(&self, property: Property, asked: Asked<'_>) -> Option<Bytes> {
        let one = |element: &Element<'_>| match property {
            Property::Writetime | Property::MaxWritetime => Some(micros(element.cell.timestamp)),
            Property::Ttl => element.cell.expires_at(self.now).map(|it| self.left(it)),
        };
        let all = match asked {
            Asked::One(element) => return element.as_ref().and_then(one),
            Asked::Each(all) => all,
        };
        let native = match property {
            Property::Writetime => NativeType::Bigint,
            Property::Ttl => NativeType::Int,
            Property::MaxWritetime => {
                return all.iter().flatten().map(|it| it.cell.timestamp).max().map(micros);
            }
        };
        if all.is_empty() {
            return None;
        }
        let said: Vec<Option<Bytes>> = all.iter().map(|it| it.as_ref().and_then(one)).collect();
        let said: Vec<Option<&[u8]>> = said.iter().map(Option::as_deref).collect();
        Some(value::join(&CqlType::List(CqlType::Native(native).into()), &said).into())
    }

    /// The seconds until then.
    fn left(&self, expires_at: i64) -> Bytes {
        let left = i32::try_from(expires_at - self.now).unwrap_or(i32::MAX);
        Bytes::copy_from_slice(&left.to_be_bytes())
    }
}

/// The cells that `of` is about, of those that live in its column.
fn asked<'e>(of: &Expr, cql_type: &CqlType, live: Vec<Element<'e>>) -> Asked<'e> {
    let key_type = keys(cql_type).map(|(key_type, _)| key_type);
    let at = |place: usize| {
        let path = u16::try_from(place).ok()?.to_be_bytes();
        live.iter().find(|it| it.path[..] == path).copied()
    };
    match of {
        Expr::Element(_, _, key) => {
            let is_it = |it: &&Element<'_>| {
                key_type.is_some_and(|of| value::compare(of, it.path, key).is_eq())
            };
            Asked::One(live.iter().find(is_it).copied())
        }
        Expr::Field(_, _, place) => Asked::One(at(*place)),
        Expr::Slice(_, _, from, to) => {
            let is_inside = |it: &Element<'_>| {
                key_type.is_some_and(|of| within(of, it.path, from.as_ref(), to.as_ref()))
            };
            Asked::Each(live.into_iter().filter(is_inside).map(Some).collect())
        }
        Expr::Elements(..)
        | Expr::Cell(_)
        | Expr::Partition(_)
        | Expr::Clustering(_)
        | Expr::Property(..)
        | Expr::Call(..) => Asked::Each(match cql_type {
            CqlType::User(user) if !live.is_empty() => (0..user.fields.len()).map(at).collect(),
            CqlType::User(_)
            | CqlType::Native(_)
            | CqlType::List(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..) => live.into_iter().map(Some).collect(),
        }),
    }
}

fn micros(timestamp: i64) -> Bytes {
    Bytes::copy_from_slice(&timestamp.to_be_bytes())
}
