//! The types of columns.

use std::fmt;

use crate::suggest::suggest;

/// A CQL type. Collections and counters do not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CqlType {
    /// Text of 7-bit characters.
    Ascii,
    /// 64-bit signed integer.
    Bigint,
    /// Any bytes.
    Blob,
    /// True or false.
    Boolean,
    /// A calendar day, without zone.
    Date,
    /// Digits with a point, of any number: exact.
    Decimal,
    /// 64-bit IEEE 754 number.
    Double,
    /// Months, days and nanoseconds, which no order has: never part of a key.
    Duration,
    /// 32-bit IEEE 754 number.
    Float,
    /// An IPv4 or IPv6 address.
    Inet,
    /// 32-bit signed integer.
    Int,
    /// 16-bit signed integer.
    Smallint,
    /// UTF-8 text; `varchar` is another word for it.
    Text,
    /// Nanoseconds since midnight, without zone.
    Time,
    /// Milliseconds since 1970-01-01 UTC.
    Timestamp,
    /// A version 1 UUID, ordered by its time.
    Timeuuid,
    /// 8-bit signed integer.
    Tinyint,
    /// Any UUID.
    Uuid,
    /// A signed integer of any length.
    Varint,
}

impl CqlType {
    /// Every type, in the order of their names.
    pub const ALL: [CqlType; 19] = [
        CqlType::Ascii,
        CqlType::Bigint,
        CqlType::Blob,
        CqlType::Boolean,
        CqlType::Date,
        CqlType::Decimal,
        CqlType::Double,
        CqlType::Duration,
        CqlType::Float,
        CqlType::Inet,
        CqlType::Int,
        CqlType::Smallint,
        CqlType::Text,
        CqlType::Time,
        CqlType::Timestamp,
        CqlType::Timeuuid,
        CqlType::Tinyint,
        CqlType::Uuid,
        CqlType::Varint,
    ];

    /// The type of this name, in any case; `varchar` is `text`.
    pub fn parse(name: &str) -> Result<CqlType, Unknown> {
        let lower = name.to_ascii_lowercase();
        if lower == "varchar" {
            return Ok(CqlType::Text);
        }
        CqlType::ALL.into_iter().find(|kind| kind.name() == lower).ok_or_else(|| Unknown {
            name: name.to_owned(),
            planned: PLANNED.contains(&lower.as_str()),
            suggestion: suggest(&lower, CqlType::ALL.iter().map(|kind| kind.name()))
                .map(str::to_owned),
        })
    }

    /// The name, as CQL writes it.
    pub fn name(self) -> &'static str {
        match self {
            CqlType::Ascii => "ascii",
            CqlType::Bigint => "bigint",
            CqlType::Blob => "blob",
            CqlType::Boolean => "boolean",
            CqlType::Date => "date",
            CqlType::Decimal => "decimal",
            CqlType::Double => "double",
            CqlType::Duration => "duration",
            CqlType::Float => "float",
            CqlType::Inet => "inet",
            CqlType::Int => "int",
            CqlType::Smallint => "smallint",
            CqlType::Text => "text",
            CqlType::Time => "time",
            CqlType::Timestamp => "timestamp",
            CqlType::Timeuuid => "timeuuid",
            CqlType::Tinyint => "tinyint",
            CqlType::Uuid => "uuid",
            CqlType::Varint => "varint",
        }
    }

    /// The number of bytes of a serialized value that is not empty, where all have the same.
    pub fn fixed_len(self) -> Option<usize> {
        match self {
            CqlType::Boolean | CqlType::Tinyint => Some(1),
            CqlType::Smallint => Some(2),
            CqlType::Int | CqlType::Float | CqlType::Date => Some(4),
            CqlType::Bigint | CqlType::Double | CqlType::Time | CqlType::Timestamp => Some(8),
            CqlType::Uuid | CqlType::Timeuuid => Some(16),
            CqlType::Ascii
            | CqlType::Blob
            | CqlType::Decimal
            | CqlType::Duration
            | CqlType::Inet
            | CqlType::Text
            | CqlType::Varint => None,
        }
    }

    /// Whether values of this type are numbers, which can be added up and cast to each other.
    pub fn is_number(self) -> bool {
        match self {
            CqlType::Bigint
            | CqlType::Decimal
            | CqlType::Double
            | CqlType::Float
            | CqlType::Int
            | CqlType::Smallint
            | CqlType::Tinyint
            | CqlType::Varint => true,
            CqlType::Ascii
            | CqlType::Blob
            | CqlType::Boolean
            | CqlType::Date
            | CqlType::Duration
            | CqlType::Inet
            | CqlType::Text
            | CqlType::Time
            | CqlType::Timestamp
            | CqlType::Timeuuid
            | CqlType::Uuid => false,
        }
    }

    /// Whether values of this type have an order, which every part of a primary key needs: 30 days
    /// are neither more nor less than a month.
    pub fn has_order(self) -> bool {
        self != CqlType::Duration
    }

    /// Whether zero bytes are a value of this type that is neither null nor a string: Cassandra
    /// allows it for the older types only.
    pub fn allows_empty(self) -> bool {
        match self {
            CqlType::Bigint
            | CqlType::Boolean
            | CqlType::Decimal
            | CqlType::Double
            | CqlType::Float
            | CqlType::Inet
            | CqlType::Int
            | CqlType::Timestamp
            | CqlType::Timeuuid
            | CqlType::Uuid
            | CqlType::Varint => true,
            CqlType::Ascii
            | CqlType::Blob
            | CqlType::Date
            | CqlType::Duration
            | CqlType::Smallint
            | CqlType::Text
            | CqlType::Time
            | CqlType::Tinyint => false,
        }
    }
}

impl fmt::Display for CqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Types of Cassandra that are not there yet: named so that the error can say so.
const PLANNED: [&str; 7] = ["counter", "frozen", "list", "map", "set", "tuple", "vector"];

/// No type has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown type `{name}`")]
pub struct Unknown {
    /// The word, as it was written.
    pub name: String,
    /// Whether Cassandra has this type and we do not yet.
    pub planned: bool,
    /// The type that was probably meant.
    pub suggestion: Option<String>,
}
