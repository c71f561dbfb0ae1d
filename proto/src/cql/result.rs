//! RESULT: what came of a statement.

use bytes::{BufMut, BytesMut};

use super::{Version, event::SchemaChange, prepared::Prepared, primitive::put_string, rows::Rows};

/// What came of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Void,
    /// A page of rows.
    Rows(Rows),
    /// The keyspace of the connection from now on.
    SetKeyspace(String),
    /// It is prepared.
    Prepared(Prepared),
    /// The schema is another.
    SchemaChange(SchemaChange),
}

impl Outcome {
    /// Writes the body.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        match self {
            Outcome::Void => out.put_i32(1),
            Outcome::Rows(rows) => {
                out.put_i32(2);
                rows.put(version, out);
            }
            Outcome::SetKeyspace(keyspace) => {
                out.put_i32(3);
                put_string(out, keyspace);
            }
            Outcome::Prepared(prepared) => {
                out.put_i32(4);
                prepared.put(version, out);
            }
            Outcome::SchemaChange(change) => {
                out.put_i32(5);
                change.put(out);
            }
        }
    }
}
