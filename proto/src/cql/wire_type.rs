//! The types of columns, as results and markers are described with.

use bytes::{BufMut, BytesMut};

use super::{
    Malformed, malformed,
    primitive::{Reader, put_short, put_string},
};

/// A type, as an `[option]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireType {
    /// A class of Cassandra's by its name, for what has no number.
    Custom(String),
    /// 7-bit text.
    Ascii,
    /// 64-bit integer.
    Bigint,
    /// Bytes.
    Blob,
    /// True or false.
    Boolean,
    /// A counter.
    Counter,
    /// Digits with a point.
    Decimal,
    /// 64-bit number.
    Double,
    /// 32-bit number.
    Float,
    /// 32-bit integer.
    Int,
    /// Milliseconds since 1970.
    Timestamp,
    /// A UUID.
    Uuid,
    /// UTF-8 text.
    Varchar,
    /// An integer of any length.
    Varint,
    /// A UUID of version 1.
    Timeuuid,
    /// An address.
    Inet,
    /// A day.
    Date,
    /// Nanoseconds since midnight.
    Time,
    /// 16-bit integer.
    Smallint,
    /// 8-bit integer.
    Tinyint,
    /// Months, days, nanoseconds. Version 5 gave it its number.
    Duration,
    /// A list of these.
    List(Box<WireType>),
    /// Of these to those.
    Map(Box<WireType>, Box<WireType>),
    /// A set of these.
    Set(Box<WireType>),
    /// A user's type.
    Udt {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
        /// Its fields in order.
        fields: Vec<(String, WireType)>,
    },
    /// Of these, in order.
    Tuple(Vec<WireType>),
}

/// What a type is called by in version 4, which has no number for it.
pub const DURATION_CLASS: &str = "org.apache.cassandra.db.marshal.DurationType";

/// Deepest nesting that is read: nobody defines deeper ones, and each level takes stack.
const DEPTH_MAX: usize = 32;

impl WireType {
    /// Writes it.
    pub fn put(&self, out: &mut BytesMut) {
        out.put_u16(self.id());
        match self {
            WireType::Custom(class) => put_string(out, class),
            WireType::List(of) | WireType::Set(of) => of.put(out),
            WireType::Map(key, value) => {
                key.put(out);
                value.put(out);
            }
            WireType::Udt { keyspace, name, fields } => {
                put_string(out, keyspace);
                put_string(out, name);
                put_short(out, fields.len());
                for (field, of) in fields {
                    put_string(out, field);
                    of.put(out);
                }
            }
            WireType::Tuple(parts) => {
                put_short(out, parts.len());
                parts.iter().for_each(|it| it.put(out));
            }
            WireType::Ascii
            | WireType::Bigint
            | WireType::Blob
            | WireType::Boolean
            | WireType::Counter
            | WireType::Decimal
            | WireType::Double
            | WireType::Float
            | WireType::Int
            | WireType::Timestamp
            | WireType::Uuid
            | WireType::Varchar
            | WireType::Varint
            | WireType::Timeuuid
            | WireType::Inet
            | WireType::Date
            | WireType::Time
            | WireType::Smallint
            | WireType::Tinyint
            | WireType::Duration => {}
        }
    }

    /// Reads one.
    ///
    /// # Errors
    /// It has an unknown number, is cut short, or is nested deeper than anybody needs.
    pub fn read(reader: &mut Reader) -> Result<WireType, Malformed> {
        WireType::read_at(reader, DEPTH_MAX)
    }

    fn read_at(reader: &mut Reader, depth: usize) -> Result<WireType, Malformed> {
        let what = "type";
        let depth = depth.checked_sub(1).ok_or(malformed(what))?;
        let id = reader.short(what)?;
        if let Some(plain) = PLAIN.iter().find(|it| it.id() == id) {
            return Ok(plain.clone());
        }
        let boxed = |reader: &mut Reader| WireType::read_at(reader, depth).map(Box::new);
        Ok(match id {
            0x0000 => WireType::Custom(reader.string(what)?.to_string()),
            0x0020 => WireType::List(boxed(reader)?),
            0x0021 => WireType::Map(boxed(reader)?, boxed(reader)?),
            0x0022 => WireType::Set(boxed(reader)?),
            0x0030 => {
                let keyspace = reader.string(what)?.to_string();
                let name = reader.string(what)?.to_string();
                let mut fields = Vec::new();
                for _ in 0..reader.short(what)? {
                    let field = reader.string(what)?.to_string();
                    fields.push((field, WireType::read_at(reader, depth)?));
                }
                WireType::Udt { keyspace, name, fields }
            }
            0x0031 => {
                let mut parts = Vec::new();
                for _ in 0..reader.short(what)? {
                    parts.push(WireType::read_at(reader, depth)?);
                }
                WireType::Tuple(parts)
            }
            _ => return Err(malformed(what)),
        })
    }

    fn id(&self) -> u16 {
        match self {
            WireType::Custom(_) => 0x0000,
            WireType::Ascii => 0x0001,
            WireType::Bigint => 0x0002,
            WireType::Blob => 0x0003,
            WireType::Boolean => 0x0004,
            WireType::Counter => 0x0005,
            WireType::Decimal => 0x0006,
            WireType::Double => 0x0007,
            WireType::Float => 0x0008,
            WireType::Int => 0x0009,
            WireType::Timestamp => 0x000b,
            WireType::Uuid => 0x000c,
            WireType::Varchar => 0x000d,
            WireType::Varint => 0x000e,
            WireType::Timeuuid => 0x000f,
            WireType::Inet => 0x0010,
            WireType::Date => 0x0011,
            WireType::Time => 0x0012,
            WireType::Smallint => 0x0013,
            WireType::Tinyint => 0x0014,
            WireType::Duration => 0x0015,
            WireType::List(_) => 0x0020,
            WireType::Map(..) => 0x0021,
            WireType::Set(_) => 0x0022,
            WireType::Udt { .. } => 0x0030,
            WireType::Tuple(_) => 0x0031,
        }
    }
}

/// The types that are a number and nothing else.
pub const PLAIN: [WireType; 20] = [
    WireType::Ascii,
    WireType::Bigint,
    WireType::Blob,
    WireType::Boolean,
    WireType::Counter,
    WireType::Decimal,
    WireType::Double,
    WireType::Float,
    WireType::Int,
    WireType::Timestamp,
    WireType::Uuid,
    WireType::Varchar,
    WireType::Varint,
    WireType::Timeuuid,
    WireType::Inet,
    WireType::Date,
    WireType::Time,
    WireType::Smallint,
    WireType::Tinyint,
    WireType::Duration,
];
