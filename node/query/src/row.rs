//! From stored rows to the values of a result.

use bytes::Bytes;
use cql_lite::{code::Code, types::CqlType, value};
use model::{Clustering, Partition, Row, Table, key, rows};

use crate::{
    Error, RowValues,
    functions::Moment,
    plan::{CellColumn, select::Expr},
};

mod property;

/// One row of a partition as an expression sees it.
pub(crate) struct View<'r> {
    key: &'r [Bytes],
    clustering: &'r key::Components,
    statics: &'r Row,
    row: Option<rows::View<'r>>,
    now: i64,
}

/// Of static rows.
static NO_CLUSTERING: Clustering = Clustering(Bytes::new());

/// The rows of one partition.
pub(crate) struct Views<'r> {
    key: Vec<Bytes>,
    partition: &'r Partition,
    /// Whose clustering columns are decoded.
    shown: Option<&'r Table>,
    /// Of the row that is viewed.
    clustering: key::Components,
    now: i64,
}

impl<'r> Views<'r> {
    /// Of this partition, as it is at `now` (seconds). Clustering keys are decoded only where
    /// they are shown: counting rows looks at none of them.
    pub(crate) fn new(
        table: &'r Table,
        shows_clustering: bool,
        partition: &'r Partition,
        now: i64,
    ) -> Result<Views<'r>, Error> {
        let key = key::decompose(&partition.key.bytes, table.partition_key.len())
            .map_err(|error| corrupt("partition key", &error))?;
        let shown = shows_clustering.then_some(table);
        Ok(Views { key, partition, shown, clustering: key::Components::default(), now })
    }

    /// The view of one row.
    pub(crate) fn row<'v>(&'v mut self, row: rows::View<'v>) -> Result<View<'v>, Error> {
        if let Some(table) = self.shown {
            let types = table.clustering_types();
            key::decode_clustering(types, row.clustering(), &mut self.clustering)
                .map_err(|error| corrupt("clustering key", &error))?;
        }
        Ok(self.view(Some(row)))
    }

    /// The view of the partition alone: clustering and regular columns are null.
    pub(crate) fn statics(&mut self) -> View<'_> {
        self.clustering.clear();
        self.view(None)
    }

    fn view<'v>(&'v self, row: Option<rows::View<'v>>) -> View<'v> {
        let Views { key, partition, clustering, now, .. } = self;
        View { key, clustering, statics: &partition.static_row, row, now: *now }
    }
}

impl View<'_> {
    /// Puts the value of `expr` here behind what is in `values`.
    #[inline]
    pub(crate) fn put(
        &self,
        expr: &Expr,
        moment: &Moment<'_>,
        values: &mut RowValues,
    ) -> Result<(), Error> {
        match expr {
            Expr::Partition(at) => values.put(self.key.get(*at).map(|it| &it[..])),
            Expr::Clustering(at) => values.put(self.clustering.get(*at)),
            Expr::Cell(column) => {
                values.put(self.at(*column).and_then(|it| it.bytes(column.id, self.now)));
            }
            Expr::Elements(..)
            | Expr::Element(..)
            | Expr::Field(..)
            | Expr::Slice(..)
            | Expr::Property(..)
            | Expr::Call(..) => values.put(self.evaluate(expr, moment)?.as_deref()),
        }
        Ok(())
    }

    /// The value of `expr` here.
    pub(crate) fn evaluate(
        &self,
        expr: &Expr,
        moment: &Moment<'_>,
    ) -> Result<Option<Bytes>, Error> {
        Ok(match expr {
            Expr::Partition(at) => self.key.get(*at).cloned(),
            Expr::Clustering(at) => self.clustering.get(*at).map(Bytes::copy_from_slice),
            Expr::Cell(column) => self.at(*column).and_then(|it| it.value(column.id, self.now)),
            Expr::Elements(column, cql_type) => {
                self.at(*column).and_then(|it| it.value_of(column.id, cql_type, self.now))
            }
            Expr::Element(of, cql_type, key) => {
                let Some(bytes) = self.evaluate(of, moment)? else { return Ok(None) };
                element(cql_type, &bytes, key)?
            }
            Expr::Field(of, cql_type, at) => {
                let Some(bytes) = self.evaluate(of, moment)? else { return Ok(None) };
                let parts = parts(cql_type, &bytes)?;
                parts.get(*at).copied().flatten().map(|it| bytes.slice_ref(it))
            }
            Expr::Slice(of, cql_type, from, to) => {
                let Some(bytes) = self.evaluate(of, moment)? else { return Ok(None) };
                let of_cells = matches!(**of, Expr::Elements(..));
                slice(cql_type, &bytes, from.as_ref(), to.as_ref(), of_cells)?
            }
            Expr::Property(property, of) => self.property(*property, of, moment)?,
            Expr::Call(function, args) => {
                let args: Result<Vec<Option<Bytes>>, Error> =
                    args.iter().map(|arg| self.evaluate(arg, moment)).collect();
                function.call(&args?, moment)?
            }
        })
    }

    /// The row that has the cells of `column`.
    fn at(&self, column: CellColumn) -> Option<rows::View<'_>> {
        if column.is_static {
            return Some(rows::View::Each(&NO_CLUSTERING, self.statics));
        }
        self.row
    }
}

/// What a map has under a key, or a set of it: the value itself.
fn element(cql_type: &CqlType, bytes: &Bytes, key: &[u8]) -> Result<Option<Bytes>, Error> {
    let parts = parts(cql_type, bytes)?;
    let Some((of, step)) = keys(cql_type) else { return Ok(None) };
    let is_it = |part: Option<&[u8]>| part.is_some_and(|it| value::compare(of, it, key).is_eq());
    let found = parts.chunks(step).find(|it| is_it(it[0]));
    Ok(found.and_then(|it| it[step - 1]).map(|it| bytes.slice_ref(it)))
}

/// What a collection has between two keys, both included; null where nothing is left of one that has a
/// cell for each of its values.
fn slice(
    cql_type: &CqlType,
    bytes: &Bytes,
    from: Option<&Bytes>,
    to: Option<&Bytes>,
    of_cells: bool,
) -> Result<Option<Bytes>, Error> {
    let parts = parts(cql_type, bytes)?;
    let Some((of, step)) = keys(cql_type) else { return Ok(None) };
    let inside = |it: &&[Option<&[u8]>]| it[0].is_some_and(|it| within(of, it, from, to));
    let left: Vec<Option<&[u8]>> = parts.chunks(step).filter(inside).flatten().copied().collect();
    if left.is_empty() && of_cells {
        return Ok(None);
    }
    Ok(Some(value::join(cql_type, &left).into()))
}

/// Whether a key lies between two others of its type, these included.
fn within(of: &CqlType, key: &[u8], from: Option<&Bytes>, to: Option<&Bytes>) -> bool {
    from.is_none_or(|it| value::compare(of, it, key).is_le())
        && to.is_none_or(|it| value::compare(of, key, it).is_le())
}

/// The type of the keys of a collection, and how many parts each entry has.
fn keys(cql_type: &CqlType) -> Option<(&CqlType, usize)> {
    match cql_type {
        CqlType::Map(of) => Some((&of.0, 2)),
        CqlType::Set(of) => Some((of, 1)),
        CqlType::Native(_)
        | CqlType::List(_)
        | CqlType::Tuple(_)
        | CqlType::Vector(..)
        | CqlType::User(_) => None,
    }
}

fn parts<'b>(cql_type: &CqlType, bytes: &'b Bytes) -> Result<Vec<Option<&'b [u8]>>, Error> {
    value::split(cql_type, bytes)
        .map_err(|error| Error::new(Code::Internal, format!("a stored value: {error}")))
}

fn corrupt(what: &str, error: &key::Error) -> Error {
    Error::new(Code::Internal, format!("a stored {what} cannot be read: {error}"))
}
