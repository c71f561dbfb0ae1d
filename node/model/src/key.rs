//! Keys as bytes in order: `docs/formats/keys.md`.
//!
//! A partition key is its serialized CQL form. A clustering key is encoded so that comparing bytes
//! compares keys: each component is prefix-free, its first byte lies in 0x01..=0xFE, DESC
//! components are inverted. So a bound is bytes too: "before everything that begins with `p`" is
//! `p`, "after everything that begins with `p`" is `p` followed by 0xFF, and every slice is a
//! half-open range of byte strings.

use std::hint::black_box;

use bytes::Bytes;
use cql_lite::types::CqlType;
use smallvec::SmallVec;

use crate::token::Token;

mod ordered;

/// A partition key with its token. Ordered by token, then by bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionKey {
    /// Where on the ring it lies.
    pub token: Token,
    /// The serialized key: of one component, bare; of several, each as `u16` length, bytes, 0.
    pub bytes: Bytes,
}

impl PartitionKey {
    /// Takes the serialized key and computes its token.
    pub fn new(bytes: Bytes) -> PartitionKey {
        PartitionKey { token: Token::of(&bytes), bytes }
    }
}

/// A clustering key in its ordered encoding. Empty for the one row of a table without clustering
/// columns.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clustering(pub Bytes);

impl Default for Clustering {
    fn default() -> Clustering {
        Clustering(bottom())
    }
}

/// No bytes: below every clustering and every key.
///
/// Unlike `Bytes::new()` they lie at an address that exists. Comparing takes the same time as with any others then; where none
/// exists, a comparison of no bytes at all with AVX-512 (glibc's `memcmp`) was measured to take 88 ns instead of 2.
pub fn bottom() -> Bytes {
    static SOMEWHERE: [u8; 1] = [0];
    // Loaded, so that the page it lies in is there: a load of no bytes fetches none.
    black_box(black_box(&SOMEWHERE)[0]);
    Bytes::from_static(&SOMEWHERE[..0])
}

/// Which way a clustering column is stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest first.
    #[default]
    Asc,
    /// Largest first.
    Desc,
}

/// The clusterings in `[start, end)`, as encoded bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slice {
    /// Inclusive.
    pub start: Bytes,
    /// Exclusive.
    pub end: Bytes,
}

impl Slice {
    /// Every clustering.
    pub fn all() -> Slice {
        Slice { start: bottom(), end: Bytes::from_static(&[0xFF]) }
    }

    /// One clustering, whole: nothing else lies between it and its successor.
    pub fn row(clustering: &[u8]) -> Slice {
        Slice { start: before(clustering), end: successor(clustering) }
    }

    /// The clustering, if it is a slice of just one, as [`row`](Self::row) makes it.
    pub fn as_row(&self) -> Option<&[u8]> {
        let start = self.end.strip_suffix(&[0])?;
        (*start == self.start).then_some(start)
    }

    /// Whether `clustering` lies inside.
    pub fn contains(&self, clustering: &Clustering) -> bool {
        self.start <= clustering.0 && clustering.0 < self.end
    }
}

fn lying(bytes: Vec<u8>) -> Bytes {
    if bytes.is_empty() { bottom() } else { bytes.into() }
}

/// Longest component of a key, bytes: it travels behind a `u16`.
pub const COMPONENT_BYTES_MAX: usize = 65_535;

/// Longest serialized partition key, bytes.
pub const PARTITION_KEY_BYTES_MAX: usize = 65_535;

/// Why bytes are not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what `encode` writes for these types.
    #[error("malformed key at byte {0}")]
    Malformed(usize),
    /// A partition key of no bytes: its token is before everything, where no range holds it.
    #[error("a partition key may not be empty")]
    Empty,
    /// A component is longer than 65,535 bytes, or the whole key is.
    #[error("key of {bytes} bytes is longer than {max}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
}

/// Serializes the components of a partition key as drivers hash them.
///
/// # Errors
/// `TooLong` past 65,535 bytes, for a component or for the whole; `Empty` for a single component
/// of no bytes.
pub fn compose(components: &[&[u8]]) -> Result<Bytes, Error> {
    let key = match components {
        [] | [[]] => return Err(Error::Empty),
        [component] => component.to_vec(),
        components => {
            let mut key = Vec::with_capacity(components.iter().map(|it| it.len() + 3).sum());
            for component in components {
                let len = u16::try_from(component.len()).map_err(|_| too_long(component.len()))?;
                key.extend_from_slice(&len.to_be_bytes());
                key.extend_from_slice(component);
                key.push(0);
            }
            key
        }
    };
    if PARTITION_KEY_BYTES_MAX < key.len() {
        return Err(too_long(key.len()));
    }
    Ok(lying(key))
}

/// The components of a serialized partition key of `count` columns.
///
/// # Errors
/// `Malformed` where the lengths do not add up.
pub fn decompose(key: &Bytes, count: usize) -> Result<Vec<Bytes>, Error> {
    if count == 1 {
        return Ok(vec![key.clone()]);
    }
    let mut components = Vec::with_capacity(count);
    let mut at = 0;
    for _ in 0..count {
        let rest = key.get(at..).unwrap_or_default();
        let (len, rest) = rest.split_first_chunk::<2>().ok_or(Error::Malformed(at))?;
        let len = usize::from(u16::from_be_bytes(*len));
        if rest.get(len) != Some(&0) {
            return Err(Error::Malformed(at));
        }
        components.push(key.slice(at + 2..at + 2 + len));
        at += len + 3;
    }
    if at == key.len() { Ok(components) } else { Err(Error::Malformed(at)) }
}

/// Encodes clustering components (each in serialized CQL form, already validated against its type)
/// in order. Fewer components than columns give the encoding of a prefix.
///
/// # Errors
/// `TooLong` when a component is longer than 65,535 bytes; `Malformed` when it has not the length
/// of its type, or when there are more components than columns.
pub fn encode_clustering<'t>(
    columns: impl IntoIterator<Item = (&'t CqlType, Order)>,
    components: &[&[u8]],
) -> Result<Bytes, Error> {
    let mut columns = columns.into_iter();
    let mut key = Vec::with_capacity(components.iter().map(|it| it.len() + 2).sum());
    for (at, component) in components.iter().enumerate() {
        let Some((cql_type, order)) = columns.next() else { return Err(Error::Malformed(at)) };
        if COMPONENT_BYTES_MAX < component.len() {
            return Err(too_long(component.len()));
        }
        let from = key.len();
        ordered::write(&mut key, cql_type, component).ok_or(Error::Malformed(from))?;
        match order {
            Order::Asc => {}
            Order::Desc => key[from..].iter_mut().for_each(|it| *it = !*it),
        }
    }
    Ok(lying(key))
}

/// The serialized CQL components of an encoded clustering key (or prefix of one), in the place of those
/// that `components` held before.
///
/// # Errors
/// `Malformed` where the bytes are not an encoding of these types.
pub fn decode_clustering<'t>(
    columns: impl IntoIterator<Item = (&'t CqlType, Order)>,
    clustering: &[u8],
    components: &mut Components,
) -> Result<(), Error> {
    components.clear();
    let mut at = 0;
    for (cql_type, order) in columns {
        let rest = &clustering[at..];
        if rest.is_empty() {
            break;
        }
        let mask = match order {
            Order::Asc => 0x00,
            Order::Desc => 0xFF,
        };
        let Components { bytes, ends } = components;
        at += ordered::read(rest, mask, cql_type, bytes).ok_or(Error::Malformed(at))?;
        ends.push(bytes.len());
    }
    if at == clustering.len() { Ok(()) } else { Err(Error::Malformed(at)) }
}

/// Components of a key: decoding one key after the other into the same takes no memory anew.
#[derive(Clone, Debug, Default)]
pub struct Components {
    /// One component behind the other.
    bytes: Vec<u8>,
    /// Where each ends.
    ends: SmallVec<[usize; 4]>,
}

impl Components {
    /// The component at `at`, if there are so many.
    #[inline]
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        let end = *self.ends.get(at)?;
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.bytes[start..end])
    }

    /// Leaves none.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

/// Types and orders that are held in a list.
pub fn types(columns: &[(CqlType, Order)]) -> impl Iterator<Item = (&CqlType, Order)> {
    columns.iter().map(|(cql_type, order)| (cql_type, *order))
}

fn too_long(bytes: usize) -> Error {
    Error::TooLong { bytes, max: COMPONENT_BYTES_MAX }
}

/// The bound before everything that begins with `prefix`: a copy of it.
pub fn before(prefix: &[u8]) -> Bytes {
    Bytes::copy_from_slice(prefix)
}

/// The bound after everything that begins with `prefix`.
pub fn after(prefix: &[u8]) -> Bytes {
    let mut bound = Vec::with_capacity(prefix.len() + 1);
    bound.extend_from_slice(prefix);
    bound.push(0xFF);
    lying(bound)
}

/// The smallest byte string above `bound`.
pub fn successor(bound: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(bound.len() + 1);
    next.extend_from_slice(bound);
    next.push(0);
    next.into()
}

#[cfg(test)]
mod tests;
