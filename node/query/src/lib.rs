//! From a statement to its outcome: bind, plan, execute, page.
//!
//! Invariant: does not know how many replicas there are, nor what an sstable is. It sees the schema
//! and the nodes through [`Catalog`], which the node implements, and rows through [`Store`], which
//! the coordinator implements.
//!
//! In reading order: what goes in and out, the two seams, then the way of a statement.

mod columns;
mod error;
mod request;

pub mod catalog;
pub mod store;
pub mod views;

pub mod guardrail;

mod executor;
mod prepared;

mod plan;

mod bind;
mod functions;
mod resolve;

mod apply;
mod batch;
mod merged;

mod filter;
mod fold;
pub mod page;
mod row;
mod row_values;
mod scan;

mod describe;
mod schema_change;

mod memory;
pub mod sessions;
mod system_tables;

#[cfg(test)]
mod tests;

pub use catalog::{Catalog, NodeInfo, SchemaChange};
pub use columns::Columns;
pub use error::{About, Acks, Error, Retry};
pub use executor::{Executor, Open, Options, Timeouts};
pub use request::{
    BatchRequest, Bound, ColumnSpec, Description, Outcome, Prepared, PreparedId, Reply, Request,
    Rows, SchemaEffect, SchemaTarget, Source,
};
pub use row_values::RowValues;
pub use store::Store;
