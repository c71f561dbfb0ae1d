//! Rows into the user's types, by serde.
//!
//! An error names the column, its CQL type and what the Rust type wanted: never the value.

use std::fmt;

use cql_lite::code::Code;
use cql_lite::suggest::suggest;
use cql_lite::value::Value;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, Visitor,
};

use crate::error::Error;
use crate::row::{self, Row};

/// A whole row as a Rust value.
pub(crate) fn row<T: DeserializeOwned>(row: &Row) -> Result<T, Error> {
    T::deserialize(Columns { row, at: 0 })
        .map_err(|Mismatch(message)| Error::invalid(Code::BadValue, message))
}

/// One cell as a Rust value.
pub(crate) fn cell<T: DeserializeOwned>(row: &Row, column: usize) -> Result<T, Error> {
    Item::of(row, column)
        .and_then(T::deserialize)
        .map_err(|mismatch| Error::invalid(Code::BadValue, mismatch.at(row, column).0))
}

/// Why a row is not a value of the type asked for.
#[derive(Debug)]
struct Mismatch(String);

impl Mismatch {
    /// The same, with the column named.
    fn at(self, row: &Row, column: usize) -> Mismatch {
        let column = &row.columns()[column];
        Mismatch(format!("column `{}` of type {}: {}", column.name, column.cql_type, self.0))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mismatch(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        if matches!(found, Unexpected::Unit | Unexpected::Option) {
            return Mismatch(format!("null, where the Rust type is {expected}: make it an Option"));
        }
        Mismatch(format!("the Rust type is {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        if matches!(found, Unexpected::Signed(_) | Unexpected::Unsigned(_)) {
            return Mismatch(format!("out of range, the Rust type is {expected}"));
        }
        Mismatch(format!("the value does not fit, the Rust type is {expected}"))
    }

    fn invalid_length(length: usize, expected: &dyn de::Expected) -> Self {
        Mismatch(format!("there are {length} elements, the Rust type is {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Mismatch(format!("the rows have no column for field `{field}`"))
    }
}

/// A row, from column `at` on.
struct Columns<'r> {
    row: &'r Row,
    at: usize,
}

impl<'r> Columns<'r> {
    /// The only column, for types that are not made of several.
    fn only(&self) -> Result<Item, Mismatch> {
        match self.row.len() {
            1 => Item::of(self.row, 0),
            count => Err(Mismatch(format!(
                "the rows have {count} columns, the Rust type holds one: use a struct or a tuple"
            ))),
        }
    }

    /// Refuses a field that nearly matches a column: serde would read it as `None` in silence.
    fn check_names(&self, fields: &[&str]) -> Result<(), Mismatch> {
        let names = || self.row.columns().iter().map(|column| column.name.as_str());
        let unused: Vec<&str> = names().filter(|name| !fields.contains(name)).collect();
        for field in fields.iter().filter(|field| !names().any(|name| name == **field)) {
            if let Some(near) = suggest(field, unused.iter().copied()) {
                return Err(Mismatch(format!(
                    "the rows have no column for field `{field}`, but one named `{near}`: rename \
                     the field, or add #[serde(rename = \"{near}\")]; columns: {}",
                    row::list(names())
                )));
            }
        }
        Ok(())
    }

    fn positional<'de, V: Visitor<'de>>(
        self,
        wanted: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        if self.row.len() != wanted {
            return Err(Mismatch(format!(
                "the rows have {} columns, the Rust type {wanted}",
                self.row.len()
            )));
        }
        visitor.visit_seq(self)
    }
}

macro_rules! only_column {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            self.only()?.$method(visitor).map_err(|mismatch| mismatch.at(self.row, 0))
        })*
    };
}

impl<'de> Deserializer<'de> for Columns<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_map(self)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_map(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.check_names(fields)?;
        visitor.visit_map(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_seq(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        wanted: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.positional(wanted, visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        wanted: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.positional(wanted, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let item = self.only()?;
        item.deserialize_enum(name, variants, visitor).map_err(|mismatch| mismatch.at(self.row, 0))
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    only_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char deserialize_str
        deserialize_string deserialize_bytes deserialize_byte_buf deserialize_option
        deserialize_identifier
    }
}

impl<'de> MapAccess<'de> for Columns<'_> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        match self.row.columns().get(self.at) {
            None => Ok(None),
            Some(column) => {
                let name: StrDeserializer<'_, Mismatch> = column.name.as_str().into_deserializer();
                seed.deserialize(name).map(Some)
            }
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let (row, column) = (self.row, self.at);
        self.at += 1;
        let item = Item::of(row, column)?;
        seed.deserialize(item).map_err(|mismatch| mismatch.at(row, column))
    }
}

impl<'de> SeqAccess<'de> for Columns<'_> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        if self.at == self.row.len() {
            return Ok(None);
        }
        self.next_value_seed(seed).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.row.len() - self.at)
    }
}

/// One value or a part of one; none for null.
struct Item(Option<Value>);

impl Item {
    fn of(row: &Row, column: usize) -> Result<Item, Mismatch> {
        row.value(column).map(Item).map_err(|error| Mismatch(error.details().message.clone()))
    }
}

impl IntoDeserializer<'_, Mismatch> for Item {
    type Deserializer = Item;

    fn into_deserializer(self) -> Item {
        self
    }
}

fn some(values: Vec<Value>) -> SeqDeserializer<impl Iterator<Item = Item>, Mismatch> {
    SeqDeserializer::new(values.into_iter().map(|it| Item(Some(it))))
}

impl<'de> Deserializer<'de> for Item {
    type Error = Mismatch;

    /// The natural form: what serde's own types ask for, and what maps of JSON values get.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let Some(value) = self.0 else { return visitor.visit_unit() };
        match value {
            Value::Ascii(text) | Value::Text(text) => visitor.visit_string(text),
            Value::Int(number) => visitor.visit_i32(number),
            Value::Bigint(number) | Value::Timestamp(number) | Value::Time(number) => {
                visitor.visit_i64(number)
            }
            Value::Smallint(number) => visitor.visit_i16(number),
            Value::Tinyint(number) => visitor.visit_i8(number),
            Value::Double(number) => visitor.visit_f64(number),
            Value::Float(number) => visitor.visit_f32(number),
            Value::Boolean(truth) => visitor.visit_bool(truth),
            Value::Blob(bytes) => visitor.visit_byte_buf(bytes),
            Value::Date(days) => visitor.visit_u32(days),
            Value::Uuid(_)
            | Value::Timeuuid(_)
            | Value::Inet(_)
            | Value::Decimal(_)
            | Value::Varint(_)
            | Value::Duration(_) => visitor.visit_string(value.to_string()),
            Value::Empty => visitor.visit_unit(),
            Value::List(all) | Value::Set(all) | Value::Vector(all) => visitor.visit_seq(some(all)),
            Value::Tuple(parts) | Value::Sparse(parts) => {
                visitor.visit_seq(SeqDeserializer::new(parts.into_iter().map(Item)))
            }
            Value::Map(all) => {
                let entry = |(key, value)| (Item(Some(key)), Item(Some(value)));
                visitor.visit_map(MapDeserializer::new(all.into_iter().map(entry)))
            }
            Value::User(fields) => {
                let field = |(name, value): (String, Option<Value>)| (name, Item(value));
                visitor.visit_map(MapDeserializer::new(fields.into_iter().map(field)))
            }
        }
    }

    /// What has a text form that a library reads may be a string, too.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Some(value @ Value::Timestamp(_)) => {
                let text = value.to_string();
                // RFC 3339, which every library of dates reads.
                visitor.visit_string(text.replacen(' ', "T", 1).replace("+0000", "Z"))
            }
            Some(value @ (Value::Date(_) | Value::Time(_))) => {
                visitor.visit_string(value.to_string())
            }
            other => Item(other).deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_str(visitor)
    }

    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Some(Value::Uuid(uuid) | Value::Timeuuid(uuid)) => visitor.visit_bytes(uuid.as_bytes()),
            other => Item(other).deserialize_any(visitor),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_bytes(visitor)
    }

    /// A blob may be a sequence of bytes.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Some(Value::Blob(bytes)) => {
                visitor.visit_seq(SeqDeserializer::<_, Mismatch>::new(bytes.into_iter()))
            }
            other => Item(other).deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            None => visitor.visit_none(),
            Some(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    /// Text names the variant of an enum without fields.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.0 {
            Some(Value::Ascii(text) | Value::Text(text)) => {
                visitor.visit_enum(IntoDeserializer::<Mismatch>::into_deserializer(text))
            }
            other => Item(other).deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char unit unit_struct map struct
        tuple_struct identifier
    }
}
