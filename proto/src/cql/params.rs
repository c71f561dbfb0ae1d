//! What QUERY, EXECUTE and BATCH carry beside the statement.

use bytes::{BufMut, Bytes, BytesMut};

use super::{
    Malformed, Version, malformed,
    primitive::{Reader, Text, Value, put_bytes, put_int, put_short, put_string},
};

const VALUES: u32 = 0x001;
const SKIP_METADATA: u32 = 0x002;
const PAGE_SIZE: u32 = 0x004;
const PAGING_STATE: u32 = 0x008;
const SERIAL_CONSISTENCY: u32 = 0x010;
const TIMESTAMP: u32 = 0x020;
const NAMES: u32 = 0x040;
const KEYSPACE: u32 = 0x080;
const NOW_IN_SECONDS: u32 = 0x100;

/// Flags that a version has; others are not known here, and what they stand for neither.
fn known(version: Version) -> u32 {
    match version {
        Version::V4 => 0x07f,
        Version::V5 => 0x1ff,
    }
}

/// Bound values, seen to be whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    count: u16,
    named: bool,
    bytes: Bytes,
}

impl Values {
    /// None.
    pub fn none() -> Values {
        Values { count: 0, named: false, bytes: Bytes::new() }
    }

    /// These, in the order of the markers.
    pub fn of(values: &[Value]) -> Values {
        let mut bytes = BytesMut::new();
        values.iter().for_each(|it| put_value(&mut bytes, it));
        let count = u16::try_from(values.len()).unwrap_or(u16::MAX);
        Values { count, named: false, bytes: bytes.freeze() }
    }

    /// These, by the names of the markers.
    pub fn of_names(values: &[(&str, Value)]) -> Values {
        let mut bytes = BytesMut::new();
        for (name, value) in values {
            put_string(&mut bytes, name);
            put_value(&mut bytes, value);
        }
        let count = u16::try_from(values.len()).unwrap_or(u16::MAX);
        Values { count, named: true, bytes: bytes.freeze() }
    }

    /// Reads over a count and as many values.
    ///
    /// # Errors
    /// They are not whole.
    pub fn read(reader: &mut Reader, named: bool) -> Result<Values, Malformed> {
        let count = reader.short("number of values")?;
        let bytes = reader.rest().clone();
        for _ in 0..count {
            if named {
                reader.string("name of a value")?;
            }
            reader.value("value")?;
        }
        let length = bytes.len() - reader.rest().len();
        // Where there are none, they have no names either.
        let named = named && 0 < count;
        Ok(Values { count, named, bytes: bytes.slice(..length) })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether each has a name.
    pub fn are_named(&self) -> bool {
        self.named
    }

    /// Each with its name, if they have names, in the order they came.
    pub fn iter(&self) -> impl Iterator<Item = (Option<Text>, Value)> {
        let (mut reader, named) = (Reader::new(self.bytes.clone()), self.named);
        // Seen to be whole: it ends after as many as there are.
        (0..self.count).map_while(move |_| {
            let name = if named { Some(reader.string("name of a value").ok()?) } else { None };
            Some((name, reader.value("value").ok()?))
        })
    }

    /// Writes the count and the values.
    pub fn put(&self, out: &mut BytesMut) {
        out.put_u16(self.count);
        out.put_slice(&self.bytes);
    }
}

fn put_value(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Null => out.put_i32(-1),
        Value::Unset => out.put_i32(-2),
        Value::Bytes(bytes) => {
            put_int(out, bytes.len());
            out.put_slice(bytes);
        }
    }
}

/// The parameters of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Params {
    /// The level, as a number.
    pub consistency: u16,
    /// Values for its markers.
    pub values: Values,
    /// The client knows what the rows look like.
    pub skip_metadata: bool,
    /// Rows of a page.
    pub page_size: Option<i32>,
    /// Where the last page ended.
    pub paging_state: Option<Bytes>,
    /// The level of the condition of a lightweight transaction, as a number.
    pub serial_consistency: Option<u16>,
    /// Microseconds since 1970.
    pub timestamp: Option<i64>,
    /// In the place of the connection's keyspace. Version 5.
    pub keyspace: Option<Text>,
    /// Seconds since 1970, in the place of the clock. Version 5.
    pub now_in_seconds: Option<i32>,
}

impl Params {
    /// At this level, and nothing else.
    pub fn at(consistency: u16) -> Params {
        Params {
            consistency,
            values: Values::none(),
            skip_metadata: false,
            page_size: None,
            paging_state: None,
            serial_consistency: None,
            timestamp: None,
            keyspace: None,
            now_in_seconds: None,
        }
    }

    /// Reads those of QUERY and EXECUTE.
    ///
    /// # Errors
    /// They are cut short, or have flags that the version does not know.
    pub fn read(reader: &mut Reader, version: Version) -> Result<Params, Malformed> {
        let consistency = reader.short("consistency")?;
        let flags = read_flags(reader, version)?;
        let values = if flags & VALUES == 0 {
            Values::none()
        } else {
            Values::read(reader, flags & NAMES != 0)?
        };
        let mut params = Params { values, ..Params::at(consistency) };
        params.skip_metadata = flags & SKIP_METADATA != 0;
        if flags & PAGE_SIZE != 0 {
            params.page_size = Some(reader.int("page size")?);
        }
        if flags & PAGING_STATE != 0 {
            params.paging_state = reader.bytes("paging state")?;
        }
        params.read_tail(reader, flags)?;
        Ok(params)
    }

    /// Reads those of BATCH, whose values are beside its statements. `true` where the flags say
    /// that they have names, which nothing can be made of.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub fn read_batch(reader: &mut Reader, version: Version) -> Result<(Params, bool), Malformed> {
        let mut params = Params::at(reader.short("consistency")?);
        let flags = read_flags(reader, version)?;
        params.read_tail(reader, flags)?;
        Ok((params, flags & NAMES != 0))
    }

    fn read_tail(&mut self, reader: &mut Reader, flags: u32) -> Result<(), Malformed> {
        if flags & SERIAL_CONSISTENCY != 0 {
            self.serial_consistency = Some(reader.short("serial consistency")?);
        }
        if flags & TIMESTAMP != 0 {
            self.timestamp = Some(reader.long("timestamp")?);
        }
        if flags & KEYSPACE != 0 {
            self.keyspace = Some(reader.string("keyspace")?);
        }
        if flags & NOW_IN_SECONDS != 0 {
            self.now_in_seconds = Some(reader.int("now in seconds")?);
        }
        Ok(())
    }

    /// Writes those of QUERY and EXECUTE. What the version does not have is left out.
    pub fn put(&self, version: Version, out: &mut BytesMut) {
        let mut flags = self.tail_flags();
        flags |= if self.values.is_empty() { 0 } else { VALUES };
        flags |= if self.values.named { NAMES } else { 0 };
        flags |= if self.skip_metadata { SKIP_METADATA } else { 0 };
        flags |= self.page_size.map_or(0, |_| PAGE_SIZE);
        flags |= self.paging_state.as_ref().map_or(0, |_| PAGING_STATE);
        put_short(out, self.consistency.into());
        let flags = put_flags(flags, version, out);
        if flags & VALUES != 0 {
            self.values.put(out);
        }
        if let Some(rows) = self.page_size {
            out.put_i32(rows);
        }
        if let Some(state) = &self.paging_state {
            put_bytes(out, Some(state));
        }
        self.put_tail(flags, out);
    }

    /// Writes those of BATCH.
    pub fn put_batch(&self, version: Version, out: &mut BytesMut) {
        put_short(out, self.consistency.into());
        let flags = put_flags(self.tail_flags(), version, out);
        self.put_tail(flags, out);
    }

    fn tail_flags(&self) -> u32 {
        self.serial_consistency.map_or(0, |_| SERIAL_CONSISTENCY)
            | self.timestamp.map_or(0, |_| TIMESTAMP)
            | self.keyspace.as_ref().map_or(0, |_| KEYSPACE)
            | self.now_in_seconds.map_or(0, |_| NOW_IN_SECONDS)
    }

    fn put_tail(&self, flags: u32, out: &mut BytesMut) {
        if let Some(level) = self.serial_consistency {
            out.put_u16(level);
        }
        if let Some(timestamp) = self.timestamp {
            out.put_i64(timestamp);
        }
        if let Some(keyspace) = self.keyspace.as_ref().filter(|_| flags & KEYSPACE != 0) {
            put_string(out, keyspace);
        }
        if let Some(now) = self.now_in_seconds.filter(|_| flags & NOW_IN_SECONDS != 0) {
            out.put_i32(now);
        }
    }
}

/// A byte in version 4, four in version 5.
fn read_flags(reader: &mut Reader, version: Version) -> Result<u32, Malformed> {
    let flags = match version {
        Version::V4 => reader.byte("flags")?.into(),
        Version::V5 => reader.int("flags")?.cast_unsigned(),
    };
    if flags & !known(version) == 0 { Ok(flags) } else { Err(malformed("flags")) }
}

fn put_flags(flags: u32, version: Version, out: &mut BytesMut) -> u32 {
    let flags = flags & known(version);
    match version {
        Version::V4 => out.put_u8(flags as u8),
        Version::V5 => out.put_u32(flags),
    }
    flags
}
