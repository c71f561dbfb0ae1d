//! What came of a statement, in the words of the protocol.

use std::sync::Arc;

use bytes::Bytes;
use cql_lite::types::{CqlType, NativeType};
use proto::cql::{
    event::{Effect, SchemaChange, Subject},
    metadata::{Column, Metadata},
    prepared::Prepared,
    response::Response,
    result::Outcome as Wire,
    rows::Rows,
    wire_type::WireType,
};
use query::{ColumnSpec, Columns, Outcome, SchemaEffect, SchemaTarget};

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
        Outcome::SchemaChange { effect, target, keyspace, name, .. } => {
            Wire::SchemaChange(SchemaChange {
                effect: match effect {
                    SchemaEffect::Created => Effect::Created,
                    SchemaEffect::Updated => Effect::Updated,
                    SchemaEffect::Dropped => Effect::Dropped,
                },
                keyspace,
                subject: match target {
                    SchemaTarget::Keyspace => Subject::Keyspace,
                    SchemaTarget::Table => Subject::Table(name.unwrap_or_default()),
                    SchemaTarget::Type => Subject::Type(name.unwrap_or_default()),
                },
            })
        }
    }
}

pub(super) fn prepared(prepared: &query::Prepared) -> Response {
    Response::Result(Wire::Prepared(Prepared {
        id: prepared.id.0.to_vec(),
        result_metadata_id: prepared.columns.id().to_vec(),
        markers: prepared.variables.iter().map(column).collect(),
        partition_key: prepared.partition_key.clone(),
        columns: columns(&prepared.columns),
    }))
}

fn to_rows(rows: query::Rows, shown: &Shown) -> Rows {
    let mut metadata = Metadata::of(columns(&rows.columns));
    metadata.paging_state = rows.paging_state.map(|it| it.to_vec());
    match shown {
        Shown::Nothing => {}
        Shown::Known { id, skip } if id[..] == *rows.columns.id() => metadata.skip = *skip,
        Shown::Known { .. } => metadata.changed = Some(rows.columns.id().to_vec()),
    }
    Rows { metadata, count: rows.rows.len(), values: rows.rows.into_bytes() }
}

fn columns(columns: &Columns) -> Arc<Vec<Column>> {
    columns.told(|specs| specs.iter().map(column).collect())
}

fn column(spec: &ColumnSpec) -> Column {
    Column {
        keyspace: spec.keyspace.clone(),
        table: spec.table.clone(),
        name: spec.name.clone(),
        wire_type: wire_type(&spec.cql_type),
    }
}

/// The bytes of each are those that the engine keeps.
fn wire_type(cql_type: &CqlType) -> WireType {
    let boxed = |of: &CqlType| Box::new(wire_type(of));
    match cql_type {
        CqlType::Native(native) => native_type(*native),
        CqlType::List(of) => WireType::List(boxed(of)),
        CqlType::Set(of) => WireType::Set(boxed(of)),
        CqlType::Map(of) => WireType::Map(boxed(&of.0), boxed(&of.1)),
        CqlType::Tuple(parts) => WireType::Tuple(parts.iter().map(wire_type).collect()),
        CqlType::User(user) => WireType::Udt {
            keyspace: user.keyspace.clone(),
            name: user.name.clone(),
            fields: user.fields.iter().map(|(name, of)| (name.clone(), wire_type(of))).collect(),
        },
        // The protocol has no number for it: drivers know the class of Cassandra's.
        CqlType::Vector(..) => WireType::Custom(class(cql_type)),
    }
}

fn native_type(native: NativeType) -> WireType {
    match native {
        NativeType::Ascii => WireType::Ascii,
        NativeType::Bigint => WireType::Bigint,
        NativeType::Blob => WireType::Blob,
        NativeType::Boolean => WireType::Boolean,
        NativeType::Counter => WireType::Counter,
        NativeType::Date => WireType::Date,
        NativeType::Decimal => WireType::Decimal,
        NativeType::Double => WireType::Double,
        NativeType::Duration => WireType::Duration,
        NativeType::Float => WireType::Float,
        NativeType::Inet => WireType::Inet,
        NativeType::Int => WireType::Int,
        NativeType::Smallint => WireType::Smallint,
        NativeType::Text => WireType::Varchar,
        NativeType::Time => WireType::Time,
        NativeType::Timestamp => WireType::Timestamp,
        NativeType::Timeuuid => WireType::Timeuuid,
        NativeType::Tinyint => WireType::Tinyint,
        NativeType::Uuid => WireType::Uuid,
        NativeType::Varint => WireType::Varint,
    }
}

/// The class that Cassandra has for a type, by its whole name, as parts of vectors are told.
fn class(cql_type: &CqlType) -> String {
    let all = |parts: Vec<String>| parts.join(",");
    let name = match cql_type {
        CqlType::Native(native) => native_class(*native).to_owned(),
        CqlType::List(of) => format!("ListType({})", class(of)),
        CqlType::Set(of) => format!("SetType({})", class(of)),
        CqlType::Map(of) => format!("MapType({},{})", class(&of.0), class(&of.1)),
        CqlType::Tuple(parts) => format!("TupleType({})", all(parts.iter().map(class).collect())),
        CqlType::Vector(of, len) => format!("VectorType({} , {len})", class(of)),
        CqlType::User(user) => {
            let hex = |name: &str| name.bytes().map(|it| format!("{it:02x}")).collect::<String>();
            let field = |(name, of): &(String, CqlType)| format!("{}:{}", hex(name), class(of));
            let fields = all(user.fields.iter().map(field).collect());
            format!("UserType({},{},{fields})", user.keyspace, hex(&user.name))
        }
    };
    format!("org.apache.cassandra.db.marshal.{name}")
}

fn native_class(native: NativeType) -> &'static str {
    match native {
        NativeType::Ascii => "AsciiType",
        NativeType::Bigint => "LongType",
        NativeType::Blob => "BytesType",
        NativeType::Boolean => "BooleanType",
        NativeType::Counter => "CounterColumnType",
        NativeType::Date => "SimpleDateType",
        NativeType::Decimal => "DecimalType",
        NativeType::Double => "DoubleType",
        NativeType::Duration => "DurationType",
        NativeType::Float => "FloatType",
        NativeType::Inet => "InetAddressType",
        NativeType::Int => "Int32Type",
        NativeType::Smallint => "ShortType",
        NativeType::Text => "UTF8Type",
        NativeType::Time => "TimeType",
        NativeType::Timestamp => "TimestampType",
        NativeType::Timeuuid => "TimeUUIDType",
        NativeType::Tinyint => "ByteType",
        NativeType::Uuid => "UUIDType",
        NativeType::Varint => "IntegerType",
    }
}
