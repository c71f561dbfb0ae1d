//! `CAST(value AS type)`, by Cassandra's rules: numbers to numbers as Java converts them, moments to
//! each other, anything but a blob to text.

use bytes::Bytes;
use cql_lite::{
    code::Code,
    types::NativeType,
    value::{BigInt, Decimal, NUMBER_BYTES_MAX, Value},
};

use super::{date, millis, serialized};
use crate::Error;

/// Whether a value of one type can be made one of the other.
pub(super) fn is_allowed(from: NativeType, to: NativeType) -> bool {
    use NativeType::{Ascii, Blob, Counter, Date, Text, Timestamp, Timeuuid};
    match (from, to) {
        (from, to) if from == to => true,
        // Nothing becomes a counter: it is only ever added to.
        (Blob, _) | (Text, Ascii) | (_, Counter) => false,
        (_, Text | Ascii) => true,
        (Timeuuid | Timestamp, Date) | (Timeuuid | Date, Timestamp) => true,
        (from, to) => from.is_number() && to.is_number(),
    }
}

/// The value that `bytes` of type `from` are as one of type `to`. Null for the empty value, which
/// is no number and no moment.
pub(super) fn cast(
    from: NativeType,
    to: NativeType,
    bytes: &Bytes,
) -> Result<Option<Bytes>, Error> {
    if from == to {
        return Ok(Some(bytes.clone()));
    }
    let value = Value::decode_native(from, bytes)
        .map_err(|error| Error::new(Code::Internal, format!("a stored value: {error}")))?;
    if value == Value::Empty {
        return Ok(None);
    }
    Ok(if [NativeType::Text, NativeType::Ascii].contains(&to) {
        Some(value.to_string().into())
    } else if to == NativeType::Timestamp {
        millis(bytes).map(|it| serialized(&Value::Timestamp(it)))
    } else if to == NativeType::Date {
        millis(bytes).and_then(date)
    } else {
        let number = Number::of(value).map(|it| it.to(to)).transpose()?;
        number.map(|it| serialized(&it))
    })
}

/// A number of any type.
enum Number {
    Whole(BigInt),
    Real(f64),
    Exact(Decimal),
}

impl Number {
    fn of(value: Value) -> Option<Number> {
        Some(match value {
            Value::Tinyint(it) => Number::Whole(it.into()),
            Value::Smallint(it) => Number::Whole(it.into()),
            Value::Int(it) => Number::Whole(it.into()),
            Value::Bigint(it) => Number::Whole(it.into()),
            Value::Varint(it) => Number::Whole(it),
            Value::Float(it) => Number::Real(it.into()),
            Value::Double(it) => Number::Real(it),
            Value::Decimal(it) => Number::Exact(it),
            Value::Ascii(_)
            | Value::Text(_)
            | Value::Boolean(_)
            | Value::Blob(_)
            | Value::Uuid(_)
            | Value::Timeuuid(_)
            | Value::Timestamp(_)
            | Value::Date(_)
            | Value::Time(_)
            | Value::Inet(_)
            | Value::Duration(_)
            | Value::Empty
            | Value::List(_)
            | Value::Set(_)
            | Value::Map(_)
            | Value::Tuple(_)
            | Value::User(_)
            | Value::Vector(_)
            | Value::Sparse(_) => return None,
        })
    }

    /// What is too large for an integer of fixed length loses its upper bits; what is too large for
    /// those of a float is the nearest there is.
    #[expect(clippy::cast_possible_truncation, reason = "casts narrow, as Java's do")]
    fn to(&self, to: NativeType) -> Result<Value, Error> {
        Ok(match to {
            NativeType::Tinyint => Value::Tinyint(self.low_32() as i8),
            NativeType::Smallint => Value::Smallint(self.low_32() as i16),
            NativeType::Int => Value::Int(self.low_32()),
            NativeType::Bigint => Value::Bigint(match self {
                Number::Real(it) => *it as i64,
                Number::Whole(it) => low_64(it),
                Number::Exact(it) => low_64(&it.whole()),
            }),
            NativeType::Float => Value::Float(self.real() as f32),
            NativeType::Double => Value::Double(self.real()),
            NativeType::Decimal => Value::Decimal(self.exact()?),
            NativeType::Varint => Value::Varint(fitting(self.exact()?.whole())?),
            NativeType::Ascii
            | NativeType::Blob
            | NativeType::Boolean
            | NativeType::Counter
            | NativeType::Date
            | NativeType::Duration
            | NativeType::Inet
            | NativeType::Text
            | NativeType::Time
            | NativeType::Timestamp
            | NativeType::Timeuuid
            | NativeType::Uuid => {
                return Err(Error::new(Code::Internal, format!("{to} is no number")));
            }
        })
    }

    #[expect(clippy::cast_possible_truncation, reason = "casts narrow, as Java's do")]
    fn low_32(&self) -> i32 {
        match self {
            Number::Real(it) => *it as i32,
            Number::Whole(it) => low_64(it) as i32,
            Number::Exact(it) => low_64(&it.whole()) as i32,
        }
    }

    fn real(&self) -> f64 {
        let nearest = |text: String| text.parse().unwrap_or(f64::NAN);
        match self {
            Number::Real(it) => *it,
            Number::Whole(it) => nearest(it.to_string()),
            Number::Exact(it) => nearest(it.to_string()),
        }
    }

    fn exact(&self) -> Result<Decimal, Error> {
        match self {
            Number::Exact(it) => Ok(it.clone()),
            Number::Whole(it) => Decimal::new(it.clone(), 0).map_err(|error| too_long(&error)),
            Number::Real(it) => Decimal::parse(&format!("{it:?}")).ok_or_else(|| {
                let message = format!("{it} has no digits: it cannot be cast to an exact number");
                Error::new(Code::BadValue, message)
            }),
        }
    }
}

/// The last 64 bits.
fn low_64(number: &BigInt) -> i64 {
    let bytes = number.to_signed_bytes_be();
    let sign = if bytes[0] < 0x80 { 0 } else { 0xFF };
    let mut low = [sign; 8];
    let kept = bytes.len().min(8);
    low[8 - kept..].copy_from_slice(&bytes[bytes.len() - kept..]);
    i64::from_be_bytes(low)
}

fn fitting(number: BigInt) -> Result<BigInt, Error> {
    match number.to_signed_bytes_be().len() {
        bytes if bytes <= NUMBER_BYTES_MAX => Ok(number),
        bytes => Err(too_long(&format!("an integer of {bytes} bytes"))),
    }
}

fn too_long(what: &dyn std::fmt::Display) -> Error {
    let message = format!("{what} is more than the {NUMBER_BYTES_MAX} bytes of a varint");
    Error::new(Code::TooLarge, message)
}
