//! The beginnings of byte strings, held where they are compared.

use std::cmp::Ordering;

use bytes::Bytes;
use model::columns::word;

/// The first 16 bytes of a clustering or of a key: most comparisons need no more, and no look at other memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Prefix([u64; 2]);

impl Prefix {
    /// Whether two byte strings of these prefixes are the same one. Of short ones it looks at nothing else.
    pub(crate) fn are_same(left: (Prefix, &Bytes), right: (Prefix, &[u8])) -> bool {
        let (bytes, other) = (left.1, right.1);
        left.0 == right.0
            && bytes.len() == other.len()
            && (bytes.len() <= size_of::<Prefix>() || *bytes == other)
    }

    pub(crate) fn of(bytes: &[u8]) -> Prefix {
        Prefix([word(bytes), word(bytes.get(8..).unwrap_or_default())])
    }
}

/// Where something begins or ends, with its first eight bytes.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    word: u64,
    bytes: Bytes,
}

impl Edge {
    pub(crate) fn new(bytes: Bytes) -> Edge {
        Edge { word: word(&bytes), bytes }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// How it lies to `other`. Where the first bytes tell, no other memory is looked at.
    pub(crate) fn compare(&self, other: &[u8]) -> Ordering {
        self.word.cmp(&word(other)).then_with(|| match self.bytes.len().max(other.len()) {
            // The words hold all of both, and zeros behind the shorter one.
            0..=8 => self.bytes.len().cmp(&other.len()),
            _ => self.bytes[..].cmp(other),
        })
    }
}
