//! The types of columns.

use std::{fmt, sync::Arc};

use crate::{error::Error, keyword::quote_name};

/// Most values of a vector.
pub const VECTOR_LEN_MAX: u16 = 8192;

/// A type.
///
/// Whether a value of it is one cell (`frozen`) or a cell for each element is a matter of the
/// column, not of the type: what lies inside another type is always frozen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CqlType {
    /// A type without parts.
    Native(NativeType),
    /// Any number of these, in an order of their own.
    List(Arc<CqlType>),
    /// Each of these once, in their order.
    Set(Arc<CqlType>),
    /// Of these, each once and in their order, to those.
    Map(Arc<(CqlType, CqlType)>),
    /// One of each, any of them perhaps null.
    Tuple(Arc<[CqlType]>),
    /// So many of these, 1 to [`VECTOR_LEN_MAX`].
    Vector(Arc<CqlType>, u16),
    /// A type that `CREATE TYPE` made.
    User(Arc<UserType>),
}

/// A type that `CREATE TYPE` made: a tuple whose parts have names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserType {
    /// The keyspace that it belongs to.
    pub keyspace: String,
    /// Its name.
    pub name: String,
    /// Its fields, at least one, in the order in which values have them.
    pub fields: Vec<(String, CqlType)>,
}

impl CqlType {
    /// The type of this text, as [`in_full`](Self::in_full) writes it.
    ///
    /// # Errors
    /// It is no type, or one that no value can have.
    pub fn parse(text: &str) -> Result<CqlType, Error> {
        crate::parser::parse_full_type(text)
    }

    /// Its text with all there is to know of it, for those who do not know the schema: user types
    /// are written out, as `user<keyspace.name, field type, …>`, and `frozen` is not.
    pub fn in_full(&self) -> String {
        let joined = |parts: Vec<String>| parts.join(", ");
        let all = |parts: &[CqlType]| joined(parts.iter().map(CqlType::in_full).collect());
        match self {
            CqlType::Native(native) => native.to_string(),
            CqlType::List(of) => format!("list<{}>", of.in_full()),
            CqlType::Set(of) => format!("set<{}>", of.in_full()),
            CqlType::Map(of) => format!("map<{}, {}>", of.0.in_full(), of.1.in_full()),
            CqlType::Tuple(parts) => format!("tuple<{}>", all(parts)),
            CqlType::Vector(of, len) => format!("vector<{}, {len}>", of.in_full()),
            CqlType::User(user) => {
                let field = |(name, of): &(String, CqlType)| {
                    format!("{} {}", quote_name(name), of.in_full())
                };
                let fields = joined(user.fields.iter().map(field).collect());
                let (keyspace, name) = (quote_name(&user.keyspace), quote_name(&user.name));
                format!("user<{keyspace}.{name}, {fields}>")
            }
        }
    }

    /// The native type that it is, if it is one.
    pub fn native(&self) -> Option<NativeType> {
        match self {
            CqlType::Native(native) => Some(*native),
            CqlType::List(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..)
            | CqlType::User(_) => None,
        }
    }

    /// Whether a column of it may have a cell for each part of its value. A counter always has: one for
    /// each node that added to it.
    pub fn can_be_multi_cell(&self) -> bool {
        match self {
            CqlType::List(_) | CqlType::Set(_) | CqlType::Map(_) | CqlType::User(_) => true,
            CqlType::Native(native) => *native == NativeType::Counter,
            CqlType::Tuple(_) | CqlType::Vector(..) => false,
        }
    }

    /// The types of its parts, as the order of its text has them.
    pub fn parts(&self) -> Vec<&CqlType> {
        match self {
            CqlType::Native(_) => Vec::new(),
            CqlType::List(of) | CqlType::Set(of) | CqlType::Vector(of, _) => vec![of],
            CqlType::Map(of) => vec![&of.0, &of.1],
            CqlType::Tuple(parts) => parts.iter().collect(),
            CqlType::User(user) => user.fields.iter().map(|(_, of)| of).collect(),
        }
    }

    /// Whether this native type is it or a part of it.
    pub fn has(&self, native: NativeType) -> bool {
        self.native() == Some(native) || self.parts().into_iter().any(|it| it.has(native))
    }

    /// Whether the user type of this keyspace and name is it or a part of it.
    pub fn uses(&self, keyspace: &str, name: &str) -> bool {
        let is_it = match self {
            CqlType::User(user) => user.keyspace == keyspace && user.name == name,
            CqlType::Native(_)
            | CqlType::List(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..) => false,
        };
        is_it || self.parts().into_iter().any(|it| it.uses(keyspace, name))
    }

    /// The user types that it or its parts are, those of their fields left out.
    pub fn user_types(&self) -> Vec<&Arc<UserType>> {
        match self {
            CqlType::User(user) => vec![user],
            CqlType::Native(_)
            | CqlType::List(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::Vector(..) => {
                self.parts().into_iter().flat_map(CqlType::user_types).collect()
            }
        }
    }

    /// The same with another definition of a user type in all places.
    #[must_use]
    pub fn with_user_type(&self, user: &Arc<UserType>) -> CqlType {
        let inside = |of: &Arc<CqlType>| Arc::new(of.with_user_type(user));
        match self {
            CqlType::Native(native) => CqlType::Native(*native),
            CqlType::List(of) => CqlType::List(inside(of)),
            CqlType::Set(of) => CqlType::Set(inside(of)),
            CqlType::Vector(of, len) => CqlType::Vector(inside(of), *len),
            CqlType::Map(of) => {
                CqlType::Map(Arc::new((of.0.with_user_type(user), of.1.with_user_type(user))))
            }
            CqlType::Tuple(parts) => {
                CqlType::Tuple(parts.iter().map(|it| it.with_user_type(user)).collect())
            }
            CqlType::User(it) if it.keyspace == user.keyspace && it.name == user.name => {
                CqlType::User(Arc::clone(user))
            }
            CqlType::User(it) => {
                let field =
                    |(name, of): &(String, CqlType)| (name.clone(), of.with_user_type(user));
                let fields = it.fields.iter().map(field).collect();
                let (keyspace, name) = (it.keyspace.clone(), it.name.clone());
                CqlType::User(Arc::new(UserType { keyspace, name, fields }))
            }
        }
    }

    /// Whether values have an order, which every part of a primary key needs: 30 days are neither
    /// more nor less than a month.
    pub fn has_order(&self) -> bool {
        !self.has(NativeType::Duration)
    }

    /// Whether values are numbers, which can be added up and cast to each other.
    pub fn is_number(&self) -> bool {
        self.native().is_some_and(NativeType::is_number)
    }

    /// Whether zero bytes are a value that is neither null nor a string.
    pub fn allows_empty(&self) -> bool {
        self.native().is_some_and(NativeType::allows_empty)
    }

    /// As it is written inside another type.
    fn inside(&self) -> String {
        match self {
            CqlType::Native(_) | CqlType::Vector(..) => self.to_string(),
            CqlType::List(_)
            | CqlType::Set(_)
            | CqlType::Map(_)
            | CqlType::Tuple(_)
            | CqlType::User(_) => format!("frozen<{self}>"),
        }
    }
}

impl From<NativeType> for CqlType {
    fn from(native: NativeType) -> CqlType {
        CqlType::Native(native)
    }
}

impl PartialEq<NativeType> for CqlType {
    fn eq(&self, other: &NativeType) -> bool {
        self.native() == Some(*other)
    }
}

impl fmt::Display for CqlType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CqlType::Native(native) => native.fmt(f),
            CqlType::List(of) => write!(f, "list<{}>", of.inside()),
            CqlType::Set(of) => write!(f, "set<{}>", of.inside()),
            CqlType::Map(of) => write!(f, "map<{}, {}>", of.0.inside(), of.1.inside()),
            CqlType::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(CqlType::inside).collect();
                write!(f, "tuple<{}>", parts.join(", "))
            }
            CqlType::Vector(of, len) => write!(f, "vector<{}, {len}>", of.inside()),
            CqlType::User(user) => f.write_str(&quote_name(&user.name)),
        }
    }
}

/// A type without parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NativeType {
    /// Text of 7-bit characters.
    Ascii,
    /// 64-bit signed integer.
    Bigint,
    /// Any bytes.
    Blob,
    /// True or false.
    Boolean,
    /// A 64-bit signed integer that is only ever added to; never inside of another type.
    Counter,
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

impl NativeType {
    /// Every type, in the order of their names.
    pub const ALL: [NativeType; 20] = [
        NativeType::Ascii,
        NativeType::Bigint,
        NativeType::Blob,
        NativeType::Boolean,
        NativeType::Counter,
        NativeType::Date,
        NativeType::Decimal,
        NativeType::Double,
        NativeType::Duration,
        NativeType::Float,
        NativeType::Inet,
        NativeType::Int,
        NativeType::Smallint,
        NativeType::Text,
        NativeType::Time,
        NativeType::Timestamp,
        NativeType::Timeuuid,
        NativeType::Tinyint,
        NativeType::Uuid,
        NativeType::Varint,
    ];

    /// The type of this name, in any case; `varchar` is `text`.
    pub fn parse(name: &str) -> Result<NativeType, Unknown> {
        let lower = name.to_ascii_lowercase();
        if lower == "varchar" {
            return Ok(NativeType::Text);
        }
        let found = NativeType::ALL.into_iter().find(|kind| kind.name() == lower);
        found.ok_or_else(|| Unknown { name: name.to_owned() })
    }

    /// The name, as CQL writes it.
    pub fn name(self) -> &'static str {
        match self {
            NativeType::Ascii => "ascii",
            NativeType::Bigint => "bigint",
            NativeType::Blob => "blob",
            NativeType::Boolean => "boolean",
            NativeType::Counter => "counter",
            NativeType::Date => "date",
            NativeType::Decimal => "decimal",
            NativeType::Double => "double",
            NativeType::Duration => "duration",
            NativeType::Float => "float",
            NativeType::Inet => "inet",
            NativeType::Int => "int",
            NativeType::Smallint => "smallint",
            NativeType::Text => "text",
            NativeType::Time => "time",
            NativeType::Timestamp => "timestamp",
            NativeType::Timeuuid => "timeuuid",
            NativeType::Tinyint => "tinyint",
            NativeType::Uuid => "uuid",
            NativeType::Varint => "varint",
        }
    }

    /// The number of bytes of a serialized value that is not empty, where all have the same.
    pub fn fixed_len(self) -> Option<usize> {
        match self {
            NativeType::Boolean | NativeType::Tinyint => Some(1),
            NativeType::Smallint => Some(2),
            NativeType::Int | NativeType::Float | NativeType::Date => Some(4),
            NativeType::Bigint
            | NativeType::Counter
            | NativeType::Double
            | NativeType::Time
            | NativeType::Timestamp => Some(8),
            NativeType::Uuid | NativeType::Timeuuid => Some(16),
            NativeType::Ascii
            | NativeType::Blob
            | NativeType::Decimal
            | NativeType::Duration
            | NativeType::Inet
            | NativeType::Text
            | NativeType::Varint => None,
        }
    }

    /// Whether values of this type are numbers, which can be added up and cast to each other.
    pub fn is_number(self) -> bool {
        match self {
            NativeType::Bigint
            | NativeType::Counter
            | NativeType::Decimal
            | NativeType::Double
            | NativeType::Float
            | NativeType::Int
            | NativeType::Smallint
            | NativeType::Tinyint
            | NativeType::Varint => true,
            NativeType::Ascii
            | NativeType::Blob
            | NativeType::Boolean
            | NativeType::Date
            | NativeType::Duration
            | NativeType::Inet
            | NativeType::Text
            | NativeType::Time
            | NativeType::Timestamp
            | NativeType::Timeuuid
            | NativeType::Uuid => false,
        }
    }

    /// Whether values of this type have an order, which every part of a primary key needs: 30 days
    /// are neither more nor less than a month.
    pub fn has_order(self) -> bool {
        self != NativeType::Duration
    }

    /// Whether zero bytes are a value of this type that is neither null nor a string: Cassandra
    /// allows it for the older types only.
    pub fn allows_empty(self) -> bool {
        match self {
            NativeType::Bigint
            | NativeType::Boolean
            | NativeType::Decimal
            | NativeType::Double
            | NativeType::Float
            | NativeType::Inet
            | NativeType::Int
            | NativeType::Timestamp
            | NativeType::Timeuuid
            | NativeType::Uuid
            | NativeType::Varint => true,
            NativeType::Ascii
            | NativeType::Blob
            | NativeType::Counter
            | NativeType::Date
            | NativeType::Duration
            | NativeType::Smallint
            | NativeType::Text
            | NativeType::Time
            | NativeType::Tinyint => false,
        }
    }
}

impl fmt::Display for NativeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No type has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown type `{name}`")]
pub struct Unknown {
    /// The word, as it was written.
    pub name: String,
}
