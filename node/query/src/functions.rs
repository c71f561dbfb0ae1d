//! The functions of CQL that answer one value: `now()`, `toTimestamp()`, `token()` and their kin.

use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use cql_lite::{
    ast::Name,
    code::Code,
    types::{CqlType, NativeType},
    value::Value,
};
use model::{PartitionKey, key};
use sys::SharedRng;
use uuid::Uuid;

use crate::{Error, plan::names::did_you_mean};

mod cast;

/// A function. Where Cassandra has two spellings (`toTimestamp`, `to_timestamp`) both are it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// `now()`, `current_timeuuid()`: a new timeuuid for each call.
    Now,
    /// `uuid()`: a new random UUID for each call.
    Uuid,
    /// `current_timestamp()`
    CurrentTimestamp,
    /// `current_date()`
    CurrentDate,
    /// `to_timestamp(timeuuid | date)`
    ToTimestamp,
    /// `to_date(timeuuid | timestamp)`
    ToDate,
    /// `to_unix_timestamp(timeuuid | timestamp | date)`
    ToUnixTimestamp,
    /// `min_timeuuid(timestamp)`: before every timeuuid of that millisecond.
    MinTimeuuid,
    /// `max_timeuuid(timestamp)`: after every timeuuid of that millisecond.
    MaxTimeuuid,
    /// `token(partition key)`
    Token,
    /// `typeAsBlob(value)`: its bytes.
    AsBlob(NativeType),
    /// `blobAsType(blob)`: the value of these bytes, if they are of one.
    BlobAs(NativeType),
    /// `CAST(value AS type)`, which has a syntax of its own: from what, to what.
    Cast(NativeType, NativeType),
}

/// Names without underscores, and what they name.
const NAMES: [(&str, Scalar); 11] = [
    ("now", Scalar::Now),
    ("currenttimeuuid", Scalar::Now),
    ("uuid", Scalar::Uuid),
    ("currenttimestamp", Scalar::CurrentTimestamp),
    ("currentdate", Scalar::CurrentDate),
    ("totimestamp", Scalar::ToTimestamp),
    ("todate", Scalar::ToDate),
    ("tounixtimestamp", Scalar::ToUnixTimestamp),
    ("mintimeuuid", Scalar::MinTimeuuid),
    ("maxtimeuuid", Scalar::MaxTimeuuid),
    ("token", Scalar::Token),
];

/// What Cassandra has and we do not yet.
const PLANNED: [&str; 4] = ["floor", "tojson", "fromjson", "currenttime"];

/// What functions draw on while a statement runs.
pub(crate) struct Moment<'a> {
    /// Makes timeuuids.
    pub(crate) ticks: &'a Ticks,
    /// Where random bytes come from.
    pub(crate) rng: &'a SharedRng,
    /// When the statement began, microseconds since 1970.
    pub(crate) now_micros: i64,
}

/// The time of the last timeuuid made here, so that none is made twice or out of order.
#[derive(Debug, Default)]
pub(crate) struct Ticks(AtomicI64);

impl Ticks {
    /// Now, in 100 ns since 1582, or a little later: more than any time before.
    fn next(&self, now_micros: i64) -> i64 {
        let now = now_micros.saturating_mul(10).saturating_add(TICKS_TO_1970);
        let later = |last: i64| now.max(last.saturating_add(1));
        let update = |last| Some(later(last));
        // The update always succeeds; either way the previous value comes back.
        match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update) {
            Ok(last) | Err(last) => later(last),
        }
    }
}

impl Scalar {
    /// The function of this name.
    pub(crate) fn named(name: &Name) -> Result<Scalar, Error> {
        let plain = name.text.replace('_', "").to_lowercase();
        if let Some((_, function)) = NAMES.iter().find(|(it, _)| *it == plain) {
            return Ok(*function);
        }
        let type_of =
            |name: &str| NativeType::parse(name).ok().filter(|it| *it != NativeType::Blob);
        if let Some(cql_type) = plain.strip_suffix("asblob").and_then(type_of) {
            return Ok(Scalar::AsBlob(cql_type));
        }
        if let Some(cql_type) = plain.strip_prefix("blobas").and_then(type_of) {
            return Ok(Scalar::BlobAs(cql_type));
        }
        if PLANNED.contains(&plain.as_str()) {
            let message = format!("function {}() is not supported yet", name.text);
            return Err(Error::new(Code::NotSupported, message).at(name.span));
        }
        let error = Error::new(Code::UnknownColumn, format!("unknown function {}()", name.text));
        Err(did_you_mean(error.at(name.span), &plain, NAMES.iter().map(|(it, _)| *it)))
    }

    /// The conversion from one type to another.
    pub(crate) fn cast(from: &CqlType, to: &CqlType) -> Result<Scalar, Error> {
        if let (Some(from), Some(to)) = (from.native(), to.native())
            && cast::is_allowed(from, to)
        {
            return Ok(Scalar::Cast(from, to));
        }
        Err(Error::new(Code::BadValue, format!("{from} cannot be cast to {to}")))
    }

    /// Whether two calls with the same arguments differ.
    pub(crate) fn is_volatile(self) -> bool {
        match self {
            Scalar::Now | Scalar::Uuid | Scalar::CurrentTimestamp | Scalar::CurrentDate => true,
            Scalar::ToTimestamp
            | Scalar::ToDate
            | Scalar::ToUnixTimestamp
            | Scalar::MinTimeuuid
            | Scalar::MaxTimeuuid
            | Scalar::Token
            | Scalar::AsBlob(_)
            | Scalar::BlobAs(_)
            | Scalar::Cast(..) => false,
        }
    }

    /// The types that argument `at` may have, the one of markers and constants first; none where
    /// there is no such argument.
    pub(crate) fn accepts(self, at: usize, key_types: &[CqlType]) -> Vec<CqlType> {
        let first: &[NativeType] = match self {
            Scalar::Now | Scalar::Uuid | Scalar::CurrentTimestamp | Scalar::CurrentDate => &[],
            Scalar::ToTimestamp => &[NativeType::Timeuuid, NativeType::Date],
            Scalar::ToDate => &[NativeType::Timeuuid, NativeType::Timestamp],
            Scalar::ToUnixTimestamp => {
                &[NativeType::Timeuuid, NativeType::Timestamp, NativeType::Date]
            }
            Scalar::MinTimeuuid | Scalar::MaxTimeuuid => &[NativeType::Timestamp],
            Scalar::AsBlob(cql_type) | Scalar::Cast(cql_type, _) => &[cql_type],
            Scalar::BlobAs(_) => &[NativeType::Blob],
            Scalar::Token => return key_types.get(at..=at).unwrap_or_default().to_vec(),
        };
        if at == 0 { first.iter().map(|it| CqlType::Native(*it)).collect() } else { Vec::new() }
    }

    /// Checks the types of the arguments and answers the type of the result.
    pub(crate) fn check(
        self,
        name: &Name,
        args: &[CqlType],
        key_types: &[CqlType],
    ) -> Result<CqlType, Error> {
        let wanted = match self {
            Scalar::Now | Scalar::Uuid | Scalar::CurrentTimestamp | Scalar::CurrentDate => 0,
            Scalar::ToTimestamp
            | Scalar::ToDate
            | Scalar::ToUnixTimestamp
            | Scalar::MinTimeuuid
            | Scalar::MaxTimeuuid
            | Scalar::AsBlob(_)
            | Scalar::BlobAs(_)
            | Scalar::Cast(..) => 1,
            Scalar::Token => key_types.len(),
        };
        if args.len() != wanted {
            return Err(wrong_arity(name, args.len()));
        }
        for (at, given) in args.iter().enumerate() {
            let accepted = self.accepts(at, key_types);
            if !accepted.iter().any(|it| converts(given, it)) {
                let names: Vec<String> = accepted.iter().map(CqlType::to_string).collect();
                let message = format!("{}() takes {}, not {given}", name.text, names.join(" or "));
                return Err(Error::new(Code::BadValue, message));
            }
        }
        Ok(CqlType::Native(match self {
            Scalar::Now | Scalar::MinTimeuuid | Scalar::MaxTimeuuid => NativeType::Timeuuid,
            Scalar::Uuid => NativeType::Uuid,
            Scalar::CurrentTimestamp | Scalar::ToTimestamp => NativeType::Timestamp,
            Scalar::CurrentDate | Scalar::ToDate => NativeType::Date,
            Scalar::ToUnixTimestamp | Scalar::Token => NativeType::Bigint,
            Scalar::AsBlob(_) => NativeType::Blob,
            Scalar::BlobAs(cql_type) | Scalar::Cast(_, cql_type) => cql_type,
        }))
    }

    /// The answer for these serialized arguments, each of a type that `check` accepted. Null for
    /// null arguments.
    pub(crate) fn call(
        self,
        args: &[Option<Bytes>],
        moment: &Moment<'_>,
    ) -> Result<Option<Bytes>, Error> {
        let Some(args) = args.iter().cloned().collect::<Option<Vec<Bytes>>>() else {
            return Ok(None);
        };
        let millis = || args.first().and_then(|it| millis(it));
        Ok(match self {
            Scalar::Now => Some(serialized(&Value::Timeuuid(new_timeuuid(moment)))),
            Scalar::Uuid => Some(serialized(&Value::Uuid(moment.rng.uuid_v4()))),
            Scalar::CurrentTimestamp => {
                Some(serialized(&Value::Timestamp(moment.now_micros.div_euclid(1000))))
            }
            Scalar::CurrentDate => date(moment.now_micros.div_euclid(1000)),
            Scalar::ToTimestamp => millis().map(|it| serialized(&Value::Timestamp(it))),
            Scalar::ToUnixTimestamp => millis().map(|it| serialized(&Value::Bigint(it))),
            Scalar::ToDate => millis().and_then(date),
            Scalar::MinTimeuuid => {
                millis().map(|it| timeuuid(saturating_ticks(it, 0), 0x8080_8080_8080_8080))
            }
            Scalar::MaxTimeuuid => {
                millis().map(|it| timeuuid(saturating_ticks(it, 9_999), 0x7F7F_7F7F_7F7F_7F7F))
            }
            Scalar::AsBlob(_) => args.into_iter().next(),
            Scalar::BlobAs(cql_type) => {
                let Some(bytes) = args.into_iter().next() else { return Ok(None) };
                Value::decode_native(cql_type, &bytes)
                    .map_err(|error| Error::bad_value("the blob", &error))?;
                Some(bytes)
            }
            Scalar::Cast(from, to) => {
                let Some(bytes) = args.first() else { return Ok(None) };
                cast::cast(from, to, bytes)?
            }
            Scalar::Token => {
                let parts: Vec<&[u8]> = args.iter().map(|it| it.as_ref()).collect();
                let key = key::compose(&parts)
                    .map_err(|error| Error::new(Code::TooLarge, format!("token(): {error}")))?;
                Some(serialized(&Value::Bigint(PartitionKey::new(key).token.0)))
            }
        })
    }
}

/// Whether a value of one type is a value of the other, byte for byte.
pub(crate) fn converts(from: &CqlType, to: &CqlType) -> bool {
    from == to
        || matches!(
            (from.native(), to.native()),
            (Some(NativeType::Timeuuid), Some(NativeType::Uuid))
                | (Some(NativeType::Ascii), Some(NativeType::Text))
        )
}

/// The error for too many or too few arguments.
pub(crate) fn wrong_arity(name: &Name, given: usize) -> Error {
    let message = format!("{}() does not take {given} argument(s)", name.text);
    Error::new(Code::BadValue, message)
}

/// 100 ns ticks between 1582-10-15, where UUIDs begin, and 1970.
const TICKS_TO_1970: i64 = 0x01B2_1DD2_1381_4000;

/// Milliseconds in a day.
const DAY_MILLIS: i64 = 86_400_000;

fn serialized(value: &Value) -> Bytes {
    value.encode().into()
}

/// A timeuuid that no other call answers: times never repeat here, and 62 random bits tell the
/// nodes apart.
fn new_timeuuid(moment: &Moment<'_>) -> Uuid {
    version_1(moment.ticks.next(moment.now_micros), any_node(moment))
}

/// The timeuuid of something that began at a time (microseconds since 1970) and has a number.
pub(crate) fn timeuuid_of(micros: i64, number: u64) -> Uuid {
    let ticks = micros.saturating_mul(10).saturating_add(TICKS_TO_1970);
    version_1(ticks, (number & (u64::MAX >> 2)) | (1 << 63))
}

fn any_node(moment: &Moment<'_>) -> u64 {
    (moment.rng.next_u64() >> 2) | (1 << 63)
}

/// Where the next element of a list lies: behind all before.
pub(crate) fn behind_all(moment: &Moment<'_>) -> Bytes {
    serialized(&Value::Timeuuid(new_timeuuid(moment)))
}

/// 2010-01-01, milliseconds since 1970: what is put in front of a list lies as long before it as now
/// is behind it. The date is Cassandra's.
const MIRROR_MILLIS: i64 = 1_262_304_000_000;

/// Where the next element of a list lies that is put in front: before all before.
pub(crate) fn before_all(moment: &Moment<'_>) -> Bytes {
    let mirror = saturating_ticks(MIRROR_MILLIS, 0);
    let ticks = mirror.saturating_mul(2).saturating_sub(moment.ticks.next(moment.now_micros));
    timeuuid(ticks, any_node(moment))
}

fn timeuuid(ticks: i64, low: u64) -> Bytes {
    serialized(&Value::Timeuuid(version_1(ticks, low)))
}

fn version_1(ticks: i64, low: u64) -> Uuid {
    let ticks = ticks.cast_unsigned();
    let high = (ticks << 32) | ((ticks >> 16) & 0xFFFF_0000) | 0x1000 | ((ticks >> 48) & 0x0FFF);
    Uuid::from_u64_pair(high, low)
}

fn saturating_ticks(millis: i64, extra: i64) -> i64 {
    millis.saturating_mul(10_000).saturating_add(TICKS_TO_1970).saturating_add(extra)
}

/// Milliseconds since 1970 of a serialized timeuuid (16 bytes), timestamp (8) or date (4).
fn millis(bytes: &[u8]) -> Option<i64> {
    if let Ok(uuid) = <[u8; 16]>::try_from(bytes) {
        let (high, _) = Uuid::from_bytes(uuid).as_u64_pair();
        let ticks = (high >> 32) | ((high & 0xFFFF_0000) << 16) | ((high & 0x0FFF) << 48);
        return Some((ticks.cast_signed() - TICKS_TO_1970).div_euclid(10_000));
    }
    if let Ok(timestamp) = <[u8; 8]>::try_from(bytes) {
        return Some(i64::from_be_bytes(timestamp));
    }
    let days = u32::from_be_bytes(<[u8; 4]>::try_from(bytes).ok()?);
    Some((i64::from(days) - (1 << 31)) * DAY_MILLIS)
}

/// The serialized day of a timestamp; none past the end of the calendar.
fn date(millis: i64) -> Option<Bytes> {
    let days = u32::try_from(millis.div_euclid(DAY_MILLIS) + (1 << 31)).ok()?;
    Some(serialized(&Value::Date(days)))
}
