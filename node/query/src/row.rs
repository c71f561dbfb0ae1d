//! From stored rows to the values of a result.

use bytes::Bytes;
use cql_lite::{code::Code, types::CqlType, value};
use model::{Cell, Clustering, Content, Partition, Row, Table, key, key::Order};

use crate::{
    Error,
    functions::Moment,
    plan::{
        CellColumn,
        select::{Aggregate, Expr},
    },
};

/// One row of a partition as an expression sees it.
pub(crate) struct View<'r> {
    key: &'r [Bytes],
    clustering: Vec<Bytes>,
    statics: &'r Row,
    row: Option<&'r Row>,
    now: i64,
}

/// The rows of one partition.
pub(crate) struct Views<'r> {
    key: Vec<Bytes>,
    partition: &'r Partition,
    clustering_types: Option<&'r [(CqlType, Order)]>,
    now: i64,
}

impl<'r> Views<'r> {
    /// Of this partition, as it is at `now` (seconds). Clustering keys are decoded only with their
    /// types: counting rows looks at none of them.
    pub(crate) fn new(
        table: &Table,
        clustering_types: Option<&'r [(CqlType, Order)]>,
        partition: &'r Partition,
        now: i64,
    ) -> Result<Views<'r>, Error> {
        let key = key::decompose(&partition.key.bytes, table.partition_key.len())
            .map_err(|error| corrupt("partition key", &error))?;
        Ok(Views { key, partition, clustering_types, now })
    }

    /// The view of one row.
    pub(crate) fn row(&self, clustering: &Clustering, row: &'r Row) -> Result<View<'_>, Error> {
        let decode = |types| {
            key::decode_clustering(types, &clustering.0)
                .map_err(|error| corrupt("clustering key", &error))
        };
        let clustering = self.clustering_types.map_or(Ok(Vec::new()), decode)?;
        Ok(self.view(clustering, Some(row)))
    }

    /// The view of the partition alone: clustering and regular columns are null.
    pub(crate) fn statics(&self) -> View<'_> {
        self.view(Vec::new(), None)
    }

    fn view<'v>(&'v self, clustering: Vec<Bytes>, row: Option<&'v Row>) -> View<'v> {
        let statics = &self.partition.static_row;
        View { key: &self.key, clustering, statics, row, now: self.now }
    }
}

impl View<'_> {
    /// The value of `expr` here.
    pub(crate) fn evaluate(
        &self,
        expr: &Expr,
        moment: &Moment<'_>,
    ) -> Result<Option<Bytes>, Error> {
        Ok(match expr {
            Expr::Partition(at) => self.key.get(*at).cloned(),
            Expr::Clustering(at) => self.clustering.get(*at).cloned(),
            Expr::Cell(column) => self.cell(*column).and_then(|cell| cell.value(self.now)).cloned(),
            Expr::Writetime(column) => self
                .live_cell(*column)
                .map(|cell| Bytes::copy_from_slice(&cell.timestamp.to_be_bytes())),
            Expr::Ttl(column) => self.live_cell(*column).and_then(|cell| match &cell.content {
                Content::Expiring { expires_at, .. } => {
                    let left = i32::try_from(expires_at - self.now).unwrap_or(i32::MAX);
                    Some(Bytes::copy_from_slice(&left.to_be_bytes()))
                }
                Content::Live { .. } | Content::Dead { .. } => None,
            }),
            Expr::Call(function, args) => {
                let args: Result<Vec<Option<Bytes>>, Error> =
                    args.iter().map(|arg| self.evaluate(arg, moment)).collect();
                function.call(&args?, moment)?
            }
        })
    }

    fn cell(&self, column: CellColumn) -> Option<&Cell> {
        let row = if column.is_static { Some(self.statics) } else { self.row };
        row?.cell(column.id)
    }

    fn live_cell(&self, column: CellColumn) -> Option<&Cell> {
        self.cell(column).filter(|cell| cell.value(self.now).is_some())
    }
}

/// What aggregates know after some rows.
pub(crate) struct Folded {
    counts: Vec<i64>,
    values: Vec<Option<Bytes>>,
    rows: u64,
}

impl Folded {
    /// After no row.
    pub(crate) fn new(aggregates: &[Aggregate]) -> Folded {
        Folded { counts: vec![0; aggregates.len()], values: vec![None; aggregates.len()], rows: 0 }
    }

    /// One more row.
    pub(crate) fn add(
        &mut self,
        aggregates: &[Aggregate],
        view: &View<'_>,
        moment: &Moment<'_>,
    ) -> Result<(), Error> {
        for (at, aggregate) in aggregates.iter().enumerate() {
            match aggregate {
                Aggregate::CountAll => self.counts[at] += 1,
                Aggregate::Count(expr) => {
                    self.counts[at] += i64::from(view.evaluate(expr, moment)?.is_some());
                }
                Aggregate::Min(expr, cql_type) | Aggregate::Max(expr, cql_type) => {
                    let Some(value) = view.evaluate(expr, moment)? else { continue };
                    let wins = self.values[at].as_ref().is_none_or(|best| {
                        let order = value::compare(*cql_type, &value, best);
                        if matches!(aggregate, Aggregate::Min(..)) {
                            order.is_lt()
                        } else {
                            order.is_gt()
                        }
                    });
                    if wins {
                        self.values[at] = Some(value);
                    }
                }
                Aggregate::First(expr) => {
                    if self.rows == 0 {
                        self.values[at] = view.evaluate(expr, moment)?;
                    }
                }
            }
        }
        self.rows += 1;
        Ok(())
    }

    /// The one row of the result.
    pub(crate) fn finish(self, aggregates: &[Aggregate]) -> Vec<Option<Bytes>> {
        let results = aggregates.iter().zip(self.counts).zip(self.values);
        let one = |((aggregate, count), value): ((&Aggregate, i64), Option<Bytes>)| match aggregate
        {
            Aggregate::CountAll | Aggregate::Count(_) => {
                Some(Bytes::copy_from_slice(&count.to_be_bytes()))
            }
            Aggregate::Min(..) | Aggregate::Max(..) | Aggregate::First(_) => value,
        };
        results.map(one).collect()
    }
}

fn corrupt(what: &str, error: &key::Error) -> Error {
    Error::new(Code::Internal, format!("a stored {what} cannot be read: {error}"))
}
