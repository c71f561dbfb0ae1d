//! Sets, lists and maps of system tables, which drivers want as such and the language has no types
//! for yet: bytes of the native protocol, beside what they are.

use bytes::{BufMut, Bytes, BytesMut};
use cql_lite::{types::CqlType, value::Value};

/// What a column of a system table is that is declared as a blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Collection {
    /// Each once, in their order.
    Set(CqlType),
    /// In the order given.
    List(CqlType),
    /// Of these to those.
    Map(CqlType, CqlType),
}

impl Collection {
    /// As CQL names it.
    pub fn name(self) -> String {
        match self {
            Collection::Set(of) => format!("set<{of}>"),
            Collection::List(of) => format!("list<{of}>"),
            Collection::Map(key, value) => format!("map<{key}, {value}>"),
        }
    }

    /// As CQL writes it. None where the bytes are not one.
    pub fn to_literal(self, bytes: &Bytes) -> Option<String> {
        let mut rest: &[u8] = bytes;
        let count = take_count(&mut rest)?;
        let mut parts = Vec::new();
        for _ in 0..count {
            parts.push(match self {
                Collection::Set(of) | Collection::List(of) => take(&mut rest, of)?,
                Collection::Map(key, value) => {
                    format!("{}: {}", take(&mut rest, key)?, take(&mut rest, value)?)
                }
            });
        }
        let parts = parts.join(", ");
        Some(match self {
            Collection::List(_) => format!("[{parts}]"),
            Collection::Set(_) | Collection::Map(..) => format!("{{{parts}}}"),
        })
    }
}

fn take_count(rest: &mut &[u8]) -> Option<usize> {
    let (count, behind) = rest.split_first_chunk::<4>()?;
    *rest = behind;
    usize::try_from(i32::from_be_bytes(*count)).ok()
}

fn take(rest: &mut &[u8], of: CqlType) -> Option<String> {
    let length = take_count(rest)?;
    let (bytes, behind) = rest.split_at_checked(length)?;
    *rest = behind;
    Value::decode(of, bytes).ok().map(|it| it.to_literal())
}

/// The bytes of a set of these, or of a list.
pub(crate) fn elements(values: impl IntoIterator<Item = Value>) -> Value {
    let (mut out, mut count) = (BytesMut::from(&[0; 4][..]), 0_i32);
    for value in values {
        count += 1;
        put(&mut out, &value);
    }
    out[..4].copy_from_slice(&count.to_be_bytes());
    Value::Blob(out.to_vec())
}

/// The bytes of a map of texts.
pub(crate) fn map<'t>(pairs: impl IntoIterator<Item = (&'t str, &'t str)>) -> Value {
    let (mut out, mut count) = (BytesMut::from(&[0; 4][..]), 0_i32);
    for (key, value) in pairs {
        count += 1;
        put(&mut out, &Value::Text(key.to_owned()));
        put(&mut out, &Value::Text(value.to_owned()));
    }
    out[..4].copy_from_slice(&count.to_be_bytes());
    Value::Blob(out.to_vec())
}

fn put(out: &mut BytesMut, value: &Value) {
    let bytes = value.encode();
    out.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    out.put_slice(&bytes);
}
