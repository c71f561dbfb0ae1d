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
    pub fn of(key: &[u8]) -> Token {
        if key.is_empty() {
            return Token::MIN;
        }
        match murmur3_h1(key) as i64 {
            i64::MIN => Token::MAX,
            hash => Token(hash),
        }
    }

    /// How far behind the beginning of the ring it lies.
    pub fn position(self) -> u64 {
        self.0.cast_unsigned() ^ 1 << 63
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

    /// The same tokens as ranges that do not wrap (`start < end`), ascending: at most two.
    ///
    /// `MIN` itself, on which no key lands, is in none of them: the whole ring is
    /// `(MIN, MAX]`, a range that ends at `MIN` goes on to `MAX`, and `(MAX, MIN]` is nothing.
    pub fn unwrap_ranges(&self) -> Vec<TokenRange> {
        if self.start == self.end {
            return vec![TokenRange { start: Token::MIN, end: Token::MAX }];
        }
        if self.start < self.end {
            return vec![*self];
        }
        let low = TokenRange { start: Token::MIN, end: self.end };
        let high = TokenRange { start: self.start, end: Token::MAX };
        [low, high].into_iter().filter(|it| it.start < it.end).collect()
    }
}

const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

/// The first half of murmur3 x64 128 with seed 0, tail bytes sign-extended as in Cassandra's
/// `MurmurHash.hash3_x64_128`: a bug there, a rule for everyone who talks to its drivers.
fn murmur3_h1(key: &[u8]) -> u64 {
    let (blocks, tail) = key.as_chunks::<16>();
    let (mut h1, mut h2) = (0_u64, 0_u64);
    for block in blocks {
        // The halves of sixteen bytes are eight each.
        let (low, high) = halves(u128::from_le_bytes(*block));
        h1 ^= mix_k1(low);
        h1 = h1.rotate_left(27).wrapping_add(h2).wrapping_mul(5).wrapping_add(0x52dc_e729);
        h2 ^= mix_k2(high);
        h2 = h2.rotate_left(31).wrapping_add(h1).wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (low, high) = tail.split_at(tail.len().min(8));
    h1 ^= mix_k1(signed_tail(low));
    h2 ^= mix_k2(signed_tail(high));
    finalize(h1, h2, key.len() as u64).0
}

fn halves(block: u128) -> (u64, u64) {
    (block as u64, (block >> 64) as u64)
}

fn signed_tail(bytes: &[u8]) -> u64 {
    bytes.iter().enumerate().fold(0, |k, (at, &byte)| k ^ ((byte as i8 as u64) << (8 * at)))
}

fn mix_k1(k: u64) -> u64 {
    k.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

fn mix_k2(k: u64) -> u64 {
    k.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

fn finalize(h1: u64, h2: u64, len: u64) -> (u64, u64) {
    let (h1, h2) = (h1 ^ len, h2 ^ len);
    let h1 = h1.wrapping_add(h2);
    let h2 = h2.wrapping_add(h1);
    let (h1, h2) = (fmix(h1), fmix(h2));
    let h1 = h1.wrapping_add(h2);
    (h1, h2.wrapping_add(h1))
}

fn fmix(mut k: u64) -> u64 {
    k = (k ^ (k >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    k = (k ^ (k >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    k ^ (k >> 33)
}

#[cfg(test)]
mod tests;
