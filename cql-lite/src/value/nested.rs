//! Values that are made of others, as bytes.
//!
//! Lists, sets and maps: a count of 32 bits, then each value with its length of 32 bits. Tuples and
//! user types: each part with its length, -1 for null, those at the end perhaps missing. Vectors:
//! values only, each with its length as an unsigned varint where their type has no length of its
//! own. Source: the native protocol's specification v4, section 6, and for vectors what Cassandra 5
//! writes, of which its specification says otherwise.

use std::cmp::Ordering;

use super::{Error, Value, compare};
use crate::types::{CqlType, NativeType, UserType};

/// The serialized form of a list or a set.
pub(super) fn encode_all(all: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, all.len());
    all.iter().for_each(|it| put(&mut out, Some(it)));
    out
}

/// The serialized form of a list of which some are null.
pub(super) fn encode_sparse(all: &[Option<Value>]) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, all.len());
    all.iter().for_each(|it| put(&mut out, it.as_ref()));
    out
}

/// The serialized form of a map.
pub(super) fn encode_map(all: &[(Value, Value)]) -> Vec<u8> {
    let mut out = Vec::new();
    put_count(&mut out, all.len());
    for (key, value) in all {
        put(&mut out, Some(key));
        put(&mut out, Some(value));
    }
    out
}

/// The serialized form of a tuple, or of a value of a user type.
pub(super) fn encode_parts<'v>(parts: impl Iterator<Item = Option<&'v Value>>) -> Vec<u8> {
    let mut out = Vec::new();
    parts.for_each(|it| put(&mut out, it));
    out
}

/// The serialized form of a vector.
pub(super) fn encode_vector(all: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in all {
        let bytes = value.encode();
        if !has_fixed_len(value) {
            put_varint(&mut out, bytes.len() as u64);
        }
        out.extend_from_slice(&bytes);
    }
    out
}

fn put_count(out: &mut Vec<u8>, count: usize) {
    out.extend_from_slice(&i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes());
}

fn put(out: &mut Vec<u8>, value: Option<&Value>) {
    match value {
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        Some(value) => {
            let bytes = value.encode();
            put_count(out, bytes.len());
            out.extend_from_slice(&bytes);
        }
    }
}

/// The value of a type with parts that has these bytes.
pub(super) fn decode(kind: &CqlType, bytes: &[u8]) -> Result<Value, Error> {
    let mut reader = Reader { kind, rest: bytes };
    let value = match kind {
        CqlType::Native(native) => return Value::decode_native(*native, bytes),
        CqlType::List(of) => {
            let all = reader.elements()?;
            Value::List(all.into_iter().map(|it| Value::decode(of, it)).collect::<Result<_, _>>()?)
        }
        CqlType::Set(of) => {
            let mut all = reader.elements()?;
            all.sort_by(|a, b| compare(of, a, b));
            all.dedup_by(|later, first| compare(of, later, first) == Ordering::Equal);
            Value::Set(all.into_iter().map(|it| Value::decode(of, it)).collect::<Result<_, _>>()?)
        }
        CqlType::Map(of) => {
            let mut all = reader.entries()?;
            // Stable: of equal keys the one that was written last is the last.
            all.sort_by(|(a, _), (b, _)| compare(&of.0, a, b));
            all.dedup_by(|later, first| {
                let same = compare(&of.0, later.0, first.0) == Ordering::Equal;
                if same {
                    *first = *later;
                }
                same
            });
            let entry = |(key, value): (&[u8], &[u8])| {
                Ok((Value::decode(&of.0, key)?, Value::decode(&of.1, value)?))
            };
            Value::Map(all.into_iter().map(entry).collect::<Result<_, Error>>()?)
        }
        CqlType::Tuple(parts) => Value::Tuple(reader.parts(parts.iter())?),
        CqlType::User(user) => {
            let UserType { fields, .. } = &**user;
            let values = reader.parts(fields.iter().map(|(_, of)| of))?;
            Value::User(fields.iter().map(|(name, _)| name.clone()).zip(values).collect())
        }
        CqlType::Vector(of, len) => {
            let mut all = Vec::new();
            for _ in 0..*len {
                all.push(Value::decode(of, reader.vector_element(of)?)?);
            }
            Value::Vector(all)
        }
    };
    reader.end().map(|()| value)
}

/// The list that has these bytes, of values of this type or null.
pub(super) fn decode_sparse(kind: &CqlType, of: &CqlType, bytes: &[u8]) -> Result<Value, Error> {
    let mut reader = Reader { kind, rest: bytes };
    let mut all = Vec::new();
    for _ in 0..reader.count()? {
        all.push(reader.bytes()?.map(|it| Value::decode(of, it)).transpose()?);
    }
    reader.end()?;
    Ok(match all.iter().any(Option::is_none) {
        true => Value::Sparse(all),
        false => Value::List(all.into_iter().flatten().collect()),
    })
}

/// How two serialized values of a type with parts compare: part by part, null first, and what ends
/// earlier before what goes on. Bytes that are no value come behind those that are one.
pub(super) fn compare_parts(kind: &CqlType, a: &[u8], b: &[u8]) -> Ordering {
    let read = |bytes| {
        let mut reader = Reader { kind, rest: bytes };
        reader.flat().filter(|_| reader.rest.is_empty())
    };
    let (left, right) = match (read(a), read(b)) {
        (Some(left), Some(right)) => (left, right),
        (left, right) => return left.is_none().cmp(&right.is_none()).then_with(|| a.cmp(b)),
    };
    for (at, (left, right)) in left.iter().zip(&right).enumerate() {
        let of = part_type(kind, at);
        let order = match (left, right) {
            (Some(left), Some(right)) => {
                of.map_or_else(|| left.cmp(right), |it| compare(it, left, right))
            }
            (left, right) => left.is_some().cmp(&right.is_some()),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left.len().cmp(&right.len())
}

/// The type of part `at` of a value that [`split`] took apart; none where there is no such part.
pub fn part_type(kind: &CqlType, at: usize) -> Option<&CqlType> {
    match kind {
        CqlType::Native(_) => None,
        CqlType::List(of) | CqlType::Set(of) => Some(of),
        CqlType::Vector(of, len) => (at < usize::from(*len)).then_some(of),
        CqlType::Map(of) => Some(if at.is_multiple_of(2) { &of.0 } else { &of.1 }),
        CqlType::Tuple(parts) => parts.get(at),
        CqlType::User(user) => user.fields.get(at).map(|(_, of)| of),
    }
}

/// A serialized part of a value; none for null.
type Part<'b> = Option<&'b [u8]>;

/// A serialized key and its value.
type Entry<'b> = (&'b [u8], &'b [u8]);

/// The serialized elements of a list or a set, keys and values of a map in turn, or parts.
///
/// # Errors
/// The bytes are no value of the type.
pub fn split<'b>(kind: &CqlType, bytes: &'b [u8]) -> Result<Vec<Part<'b>>, Error> {
    let mut reader = Reader { kind, rest: bytes };
    match reader.flat() {
        Some(parts) if reader.rest.is_empty() => Ok(parts),
        Some(_) | None => Err(reader.malformed("it is cut short or goes on behind its end".into())),
    }
}

/// The serialized form of a value of these parts, as [`split`] answers them: of a value that is known
/// to be one. Others are for [`compose`].
pub fn join(kind: &CqlType, parts: &[Option<&[u8]>]) -> Vec<u8> {
    let mut out = Vec::new();
    match kind {
        CqlType::List(_) | CqlType::Set(_) => put_count(&mut out, parts.len()),
        CqlType::Map(_) => put_count(&mut out, parts.len() / 2),
        CqlType::Native(_) | CqlType::Tuple(_) | CqlType::Vector(..) | CqlType::User(_) => {}
    }
    for part in parts {
        match (kind, part) {
            (CqlType::Vector(of, _), Some(bytes)) => {
                if fixed_len(of).is_none() {
                    put_varint(&mut out, bytes.len() as u64);
                }
                out.extend_from_slice(bytes);
            }
            (_, Some(bytes)) => {
                put_count(&mut out, bytes.len());
                out.extend_from_slice(bytes);
            }
            (_, None) => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        }
    }
    out
}

/// The value of these parts.
///
/// # Errors
/// They are not those of a value: one is null where the type has no null inside, or one is no value
/// of its type.
pub fn compose(kind: &CqlType, parts: &[Option<&[u8]>]) -> Result<Value, Error> {
    let may_be_null = match kind {
        CqlType::Tuple(_) | CqlType::User(_) => true,
        CqlType::Native(_)
        | CqlType::List(_)
        | CqlType::Set(_)
        | CqlType::Map(_)
        | CqlType::Vector(..) => false,
    };
    if !may_be_null && parts.iter().any(Option::is_none) {
        return Err(Reader { kind, rest: &[] }.null_inside());
    }
    Value::decode(kind, &join(kind, parts))
}

/// What is left of a serialized value.
struct Reader<'b, 'k> {
    kind: &'k CqlType,
    rest: &'b [u8],
}

impl<'b> Reader<'b, '_> {
    fn malformed(&self, reason: String) -> Error {
        Error::Malformed { kind: self.kind.clone(), reason }
    }

    /// Nothing is left.
    fn end(&self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            more => Err(self.malformed(format!("{more} bytes behind its end"))),
        }
    }

    fn null_inside(&self) -> Error {
        self.malformed("null is no value of a collection".to_owned())
    }

    fn int(&mut self) -> Result<i32, Error> {
        let Some((int, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(self.malformed("it is cut short".to_owned()));
        };
        self.rest = rest;
        Ok(i32::from_be_bytes(*int))
    }

    fn take(&mut self, len: usize) -> Result<&'b [u8], Error> {
        let Some((bytes, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.malformed("it is cut short".to_owned()));
        };
        self.rest = rest;
        Ok(bytes)
    }

    /// A value with its length; none for null.
    fn bytes(&mut self) -> Result<Option<&'b [u8]>, Error> {
        match usize::try_from(self.int()?) {
            Ok(len) => self.take(len).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// A value with its length that is not null.
    fn element(&mut self) -> Result<&'b [u8], Error> {
        match self.bytes()? {
            Some(bytes) => Ok(bytes),
            None => Err(self.null_inside()),
        }
    }

    fn count(&mut self) -> Result<usize, Error> {
        let count = self.int()?;
        usize::try_from(count).map_err(|_| self.malformed(format!("{count} values")))
    }

    /// All of a list or a set. Only what is there takes memory, whatever the count says.
    fn elements(&mut self) -> Result<Vec<&'b [u8]>, Error> {
        let mut all = Vec::new();
        for _ in 0..self.count()? {
            all.push(self.element()?);
        }
        Ok(all)
    }

    fn entries(&mut self) -> Result<Vec<Entry<'b>>, Error> {
        let mut all = Vec::new();
        for _ in 0..self.count()? {
            all.push((self.element()?, self.element()?));
        }
        Ok(all)
    }

    /// Parts of a tuple: those missing at the end are null.
    fn parts<'k>(
        &mut self,
        kinds: impl Iterator<Item = &'k CqlType>,
    ) -> Result<Vec<Option<Value>>, Error> {
        let mut all = Vec::new();
        for kind in kinds {
            let bytes = if self.rest.is_empty() { None } else { self.bytes()? };
            all.push(bytes.map(|it| Value::decode(kind, it)).transpose()?);
        }
        Ok(all)
    }

    fn vector_element(&mut self, of: &CqlType) -> Result<&'b [u8], Error> {
        let len = match fixed_len(of) {
            Some(len) => len,
            None => self.varint()?,
        };
        self.take(len)
    }

    /// An unsigned varint: as many bytes follow the first one as it begins with ones.
    fn varint(&mut self) -> Result<usize, Error> {
        let first = self.take(1)?[0];
        let more = first.leading_ones() as usize;
        let mut value = if more < 8 { u64::from(first & (0xff >> more)) } else { 0 };
        for byte in self.take(more)? {
            value = value << 8 | u64::from(*byte);
        }
        usize::try_from(value).map_err(|_| self.malformed("a length beyond all limits".to_owned()))
    }

    /// Every part in its place; none where the bytes are cut short.
    fn flat(&mut self) -> Option<Vec<Part<'b>>> {
        let mut all = Vec::new();
        match self.kind {
            CqlType::Native(_) => return None,
            CqlType::List(_) | CqlType::Set(_) => {
                for _ in 0..self.count().ok()? {
                    all.push(Some(self.element().ok()?));
                }
            }
            CqlType::Map(_) => {
                for _ in 0..self.count().ok()? {
                    all.push(Some(self.element().ok()?));
                    all.push(Some(self.element().ok()?));
                }
            }
            CqlType::Tuple(parts) => self.flat_parts(parts.len(), &mut all)?,
            CqlType::User(user) => self.flat_parts(user.fields.len(), &mut all)?,
            CqlType::Vector(of, len) => {
                for _ in 0..*len {
                    all.push(Some(self.vector_element(of).ok()?));
                }
            }
        }
        Some(all)
    }

    fn flat_parts(&mut self, count: usize, all: &mut Vec<Part<'b>>) -> Option<()> {
        for _ in 0..count {
            all.push(if self.rest.is_empty() { None } else { self.bytes().ok()? });
        }
        Some(())
    }
}

/// The length that all values of a type have inside a vector, as Cassandra has it: its classes for
/// small integers, days and times do not say theirs.
fn fixed_len(kind: &CqlType) -> Option<usize> {
    match kind {
        CqlType::Native(native) => native_fixed_len(*native),
        CqlType::Vector(of, len) => fixed_len(of).map(|it| it * usize::from(*len)),
        CqlType::List(_)
        | CqlType::Set(_)
        | CqlType::Map(_)
        | CqlType::Tuple(_)
        | CqlType::User(_) => None,
    }
}

fn native_fixed_len(native: NativeType) -> Option<usize> {
    let by_itself = [NativeType::Smallint, NativeType::Tinyint, NativeType::Date, NativeType::Time];
    native.fixed_len().filter(|_| !by_itself.contains(&native))
}

fn has_fixed_len(value: &Value) -> bool {
    if let Value::Vector(all) = value {
        return all.iter().all(has_fixed_len);
    }
    value.native().and_then(native_fixed_len).is_some()
}

fn put_varint(out: &mut Vec<u8>, value: u64) {
    let bits = 64 - (value | 1).leading_zeros() as usize;
    // Each byte more takes one bit of the first one.
    let more = if 56 < bits { 8 } else { (bits - 1) / 7 };
    let bytes = value.to_be_bytes();
    if more == 8 {
        out.push(0xff);
    } else {
        let marker = !(0xff_u16 >> more) as u8;
        out.push(marker | bytes[7 - more]);
    }
    out.extend_from_slice(&bytes[8 - more..]);
}

#[cfg(test)]
mod tests;
