//! What a column consists of: integers, and byte strings.

use std::ops::Range;

use bytes::Bytes;

/// Integers, one for each row or cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ints {
    /// All alike.
    Const(i64),
    /// One by one.
    Each(Vec<i64>),
}

/// Byte strings, each a slice of shared bytes.
#[derive(Debug)]
pub enum Values {
    /// All of one length.
    Fixed {
        /// One after the other.
        arena: Bytes,
        /// Of each.
        len: usize,
    },
    /// The value at `at` ends at `ends[at]` and begins where the one before ended.
    Any {
        /// One after the other.
        arena: Bytes,
        /// Ascending.
        ends: Vec<u32>,
    },
    /// `numbers` tell which of `distinct`.
    Repeated {
        /// What differs.
        distinct: Box<Values>,
        /// Which it is.
        numbers: Ints,
    },
}

/// Byte strings that become values, one after the other.
#[derive(Debug, Default)]
pub struct Strings {
    arena: Vec<u8>,
    ends: Vec<u32>,
    /// About how many there will be.
    expected: usize,
}

/// Bytes for which memory is taken before they come, at most: the first may be much longer than the others.
const EXPECTED_BYTES_MAX: usize = 64 << 10;

impl Strings {
    /// There will be `count` or so, and they will be about as long as the first: memory is taken for that at once.
    pub fn expecting(count: usize) -> Strings {
        Strings { arena: Vec::new(), ends: Vec::with_capacity(count), expected: count }
    }

    /// Appends one. All together have less than 4 GiB.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.ends.is_empty() {
            self.arena.reserve((bytes.len() * self.expected).min(EXPECTED_BYTES_MAX));
        }
        self.arena.extend_from_slice(bytes);
        self.ends.push(self.arena.len() as u32);
    }

    /// All of them.
    pub fn finish(self) -> Values {
        let Strings { arena, ends, .. } = self;
        let len = ends.first().map_or(0, |it| *it as usize);
        let are_alike = ends.iter().zip(1..).all(|(end, count)| *end as usize == len * count);
        let arena = arena.into();
        if are_alike { Values::Fixed { arena, len } } else { Values::Any { arena, ends } }
    }
}

impl Ints {
    /// The integer at `at`, which is below the count.
    #[inline]
    pub fn get(&self, at: usize) -> i64 {
        match self {
            Ints::Const(value) => *value,
            Ints::Each(values) => values[at],
        }
    }

    /// Appends those in a range to a list.
    pub fn extend(&self, range: Range<usize>, list: &mut Vec<i64>) {
        match self {
            // Where none is asked for, none need be there.
            _ if range.is_empty() => {}
            Ints::Const(value) => list.resize(list.len() + range.len(), *value),
            Ints::Each(values) => list.extend_from_slice(&values[range]),
        }
    }

    /// Memory beside the value itself, bytes.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Ints::Const(_) => 0,
            Ints::Each(values) => values.capacity() * size_of::<i64>(),
        }
    }

    pub(super) fn count(&self, places: Range<usize>, is: impl Fn(i64) -> bool) -> usize {
        match self {
            Ints::Const(value) if is(*value) => places.len(),
            Ints::Const(_) => 0,
            Ints::Each(values) => values[places].iter().filter(|it| is(**it)).count(),
        }
    }

    #[inline]
    pub(super) fn all(&self, places: Range<usize>, is: impl Fn(i64) -> bool) -> bool {
        match self {
            Ints::Const(value) => places.is_empty() || is(*value),
            Ints::Each(values) => values[places].iter().all(|it| is(*it)),
        }
    }
}

impl Values {
    /// The value at `at`, which is below the count.
    #[inline]
    pub fn get(&self, at: usize) -> Bytes {
        match self {
            Values::Fixed { arena, len } => arena.slice(at * len..(at + 1) * len),
            Values::Any { arena, ends } => {
                let start = if at == 0 { 0 } else { ends[at - 1] as usize };
                arena.slice(start..ends[at] as usize)
            }
            Values::Repeated { distinct, numbers } => distinct.get(numbers.get(at) as usize),
        }
    }

    /// As `get`, without a hold on the bytes.
    // Always: for each value of each row a call takes as long as the look.
    #[inline(always)]
    pub fn bytes(&self, at: usize) -> &[u8] {
        match self {
            Values::Fixed { arena, len } => &arena[at * len..(at + 1) * len],
            Values::Any { arena, ends } => {
                let start = if at == 0 { 0 } else { ends[at - 1] as usize };
                &arena[start..ends[at] as usize]
            }
            Values::Repeated { distinct, numbers } => distinct.bytes(numbers.get(at) as usize),
        }
    }

    /// Shows those in a range.
    #[inline]
    pub(super) fn each<E>(
        &self,
        range: Range<usize>,
        mut visit: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            Values::Fixed { arena, len: len @ 1.. } => {
                arena[range.start * len..range.end * len].chunks_exact(*len).try_for_each(visit)
            }
            Values::Fixed { .. } | Values::Any { .. } | Values::Repeated { .. } => {
                range.into_iter().try_for_each(|at| visit(self.bytes(at)))
            }
        }
    }

    /// Bytes of those in a range.
    #[inline]
    pub(super) fn bytes_of(&self, range: Range<usize>) -> usize {
        match self {
            Values::Fixed { len, .. } => range.len() * len,
            Values::Any { ends, .. } => {
                let end = |at: usize| at.checked_sub(1).map_or(0, |at| ends[at] as usize);
                end(range.end) - end(range.start)
            }
            Values::Repeated { .. } => range.map(|at| self.bytes(at).len()).sum(),
        }
    }

    /// Looks at where a search begins. See `Columns::touch`.
    #[inline]
    pub(super) fn touch(&self) -> usize {
        match self {
            Values::Fixed { arena, .. } => {
                let byte = |at: usize| arena.get(at).map_or(0, |it| usize::from(*it));
                byte(0) ^ byte(arena.len() / 2) ^ byte(arena.len().wrapping_sub(1))
            }
            Values::Any { ends, .. } => ends.get(ends.len() / 2).map_or(0, |it| *it as usize),
            Values::Repeated { numbers, .. } => numbers.get(0) as usize,
        }
    }

    /// Memory beside the value itself and the bytes that it was read from.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Values::Fixed { arena, .. } => arena.len(),
            Values::Any { ends, .. } => ends.capacity() * size_of::<u32>(),
            Values::Repeated { distinct, numbers } => {
                size_of::<Values>() + distinct.heap_bytes() + numbers.heap_bytes()
            }
        }
    }
}
