//! Keys as bytes in order.
//!
//! A partition key is its serialized CQL form. A clustering key is encoded so that comparing bytes
//! compares keys: each component is prefix-free, its first byte lies in 0x01..=0xFE, DESC
//! components are inverted. So a bound is bytes too: "before everything that begins with `p`" is
//! `p`, "after everything that begins with `p`" is `p` followed by 0xFF, and every slice is a
//! half-open range of byte strings.

use bytes::Bytes;
use cql_lite::types::CqlType;

use crate::token::Token;

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
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Clustering(pub Bytes);

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
        Slice { start: Bytes::new(), end: Bytes::from_static(&[0xFF]) }
    }

    /// Whether `clustering` lies inside.
    pub fn contains(&self, clustering: &Clustering) -> bool {
        self.start <= clustering.0 && clustering.0 < self.end
    }
}

/// Why bytes are not a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are not what `encode` writes for these types.
    #[error("malformed key at byte {0}")]
    Malformed(usize),
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
/// `TooLong` past 65,535 bytes, for a component or for the whole.
pub fn compose(_components: &[&[u8]]) -> Result<Bytes, Error> {
    unimplemented!()
}

/// The components of a serialized partition key of `count` columns.
///
/// # Errors
/// `Malformed` where the lengths do not add up.
pub fn decompose(_key: &Bytes, _count: usize) -> Result<Vec<Bytes>, Error> {
    unimplemented!()
}

/// Encodes clustering components (each in serialized CQL form, already validated against its type)
/// in order. Fewer components than columns give the encoding of a prefix.
///
/// # Errors
/// `TooLong` when a component is longer than 65,535 bytes.
pub fn encode_clustering(
    _columns: &[(CqlType, Order)],
    _components: &[&[u8]],
) -> Result<Bytes, Error> {
    unimplemented!()
}

/// The serialized CQL components of an encoded clustering key (or prefix of one).
///
/// # Errors
/// `Malformed` where the bytes are not an encoding of these types.
pub fn decode_clustering(
    _columns: &[(CqlType, Order)],
    _clustering: &[u8],
) -> Result<Vec<Bytes>, Error> {
    unimplemented!()
}

/// The bound before everything that begins with `prefix`.
pub fn before(prefix: &[u8]) -> Bytes {
    Bytes::copy_from_slice(prefix)
}

/// The bound after everything that begins with `prefix`.
pub fn after(prefix: &[u8]) -> Bytes {
    let mut bound = prefix.to_vec();
    bound.push(0xFF);
    bound.into()
}
