//! Positions on the ring: Cassandra's token of a partition key, and ranges of tokens.

/// A position on the ring. `i64::MIN` stands for "before everything", so no key lands on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub i64);

impl Token {
    /// Before every key.
    pub const MIN: Token = Token(i64::MIN);
    /// The last position.
    pub const MAX: Token = Token(i64::MAX);

    /// The token of a serialized partition key: Cassandra's variant of murmur3 x64 128 (tail bytes
    /// are sign-extended). An empty key is `MIN`; a hash of `i64::MIN` becomes `MAX`.
    pub fn of(_key: &[u8]) -> Token {
        unimplemented!()
    }
}

/// The tokens in `(start, end]`. Wraps when `start >= end`; `start == end` is the whole ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenRange {
    /// Exclusive.
    pub start: Token,
    /// Inclusive.
    pub end: Token,
}

impl TokenRange {
    /// Every token.
    pub const ALL: TokenRange = TokenRange { start: Token::MIN, end: Token::MIN };

    /// Whether `token` lies in this range.
    pub fn contains(&self, token: Token) -> bool {
        if self.start < self.end {
            self.start < token && token <= self.end
        } else {
            self.start < token || token <= self.end
        }
    }
}
