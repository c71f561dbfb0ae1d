//! What came of a statement, in the words of the protocol.

use bytes::Bytes;
use cql_lite::types::CqlType;
use proto::cql::{
    event::{Effect, SchemaChange},
    metadata::{Column, Metadata},
    prepared::Prepared,
    response::Response,
    result::Outcome as Wire,
    rows::Rows,
    wire_type::WireType,
};
use query::{Collection, ColumnSpec, Outcome, SchemaEffect, SchemaTarget};

/// What a client knows of the columns of its rows.
pub(super) enum Shown {
    /// Nothing: it is told.
    Nothing,
    /// Those that go by this id.
    Known {
        /// It.
        id: Bytes,
        /// Whether it wants to hear of them only if they are others.
        skip: bool,
    },
}

pub(super) fn outcome(outcome: Outcome, shown: &Shown) -> Wire {
    match outcome {
        Outcome::Void => Wire::Void,
        Outcome::Rows(rows) => Wire::Rows(to_rows(rows, shown)),
        Outcome::Description(description) => Wire::Rows(to_rows(description.rows, shown)),
        Outcome::SetKeyspace(keyspace) => Wire::SetKeyspace(keyspace),
        Outcome::SchemaChange { effect, target, keyspace, table, .. } => {
            Wire::SchemaChange(SchemaChange {
                effect: match effect {
                    SchemaEffect::Created => Effect::Created,
                    SchemaEffect::Updated => Effect::Updated,
                    SchemaEffect::Dropped => Effect::Dropped,
                },
                keyspace,
                table: match target {
                    SchemaTarget::Keyspace => None,
                    SchemaTarget::Table => table,
                },
            })
        }
    }
}

pub(super) fn prepared(prepared: &query::Prepared) -> Response {
    Response::Result(Wire::Prepared(Prepared {
        id: prepared.id.0.to_vec(),
        result_metadata_id: prepared.columns_id.to_vec(),
        markers: prepared.variables.iter().map(column).collect(),
        partition_key: prepared.partition_key.clone(),
        columns: prepared.columns.iter().map(column).collect(),
    }))
}

fn to_rows(rows: query::Rows, shown: &Shown) -> Rows {
    let mut metadata = Metadata::of(rows.columns.iter().map(column).collect());
    metadata.paging_state = rows.paging_state.map(|it| it.to_vec());
    match shown {
        Shown::Nothing => {}
        Shown::Known { id, skip } if id[..] == rows.columns_id => metadata.skip = *skip,
        Shown::Known { .. } => metadata.changed = Some(rows.columns_id.to_vec()),
    }
    Rows { metadata, rows: rows.rows }
}

fn column(spec: &ColumnSpec) -> Column {
    let of = |it: CqlType| Box::new(wire_type(it));
    let wire_type = match spec.collection {
        None => wire_type(spec.cql_type),
        Some(Collection::Set(element)) => WireType::Set(of(element)),
        Some(Collection::List(element)) => WireType::List(of(element)),
        Some(Collection::Map(key, value)) => WireType::Map(of(key), of(value)),
    };
    Column {
        keyspace: spec.keyspace.clone(),
        table: spec.table.clone(),
        name: spec.name.clone(),
        wire_type,
    }
}

/// The bytes of each are those that the engine keeps.
fn wire_type(cql_type: CqlType) -> WireType {
    match cql_type {
        CqlType::Ascii => WireType::Ascii,
        CqlType::Bigint => WireType::Bigint,
        CqlType::Blob => WireType::Blob,
        CqlType::Boolean => WireType::Boolean,
        CqlType::Date => WireType::Date,
        CqlType::Decimal => WireType::Decimal,
        CqlType::Double => WireType::Double,
        CqlType::Duration => WireType::Duration,
        CqlType::Float => WireType::Float,
        CqlType::Inet => WireType::Inet,
        CqlType::Int => WireType::Int,
        CqlType::Smallint => WireType::Smallint,
        CqlType::Text => WireType::Varchar,
        CqlType::Time => WireType::Time,
        CqlType::Timestamp => WireType::Timestamp,
        CqlType::Timeuuid => WireType::Timeuuid,
        CqlType::Tinyint => WireType::Tinyint,
        CqlType::Uuid => WireType::Uuid,
        CqlType::Varint => WireType::Varint,
    }
}
