//! What the compaction map of a table may say.

use std::ops::RangeInclusive;

/// How a level of the unified strategy grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Level {
    /// How many times larger the sstables of the next level are: 2 to 1,000.
    pub fanout: u64,
    /// How many sstables are worth a merge: 2 to 1,000.
    pub threshold: usize,
}

/// Fan-outs, and sstables merged at once.
const COUNTS: RangeInclusive<u32> = 2..=1_000;

/// With smaller files a table of a gigabyte has thousands of them.
const TARGET_BYTES_MIN: u64 = 1 << 20;

/// The levels of `scaling_parameters`, from 0 up; the last one counts for all further ones. `None` where they cannot be
/// read. Each is `Tn`: tiered, n at once; `Ln`: levelled, n times as large; `N`, and 0: both alike; a number w above 0 is
/// T(w + 2), one below is L(2 - w), as Cassandra's UnifiedCompactionStrategy has it.
pub fn scaling(text: &str) -> Option<Vec<Level>> {
    text.split(',').map(|it| level(it.trim())).collect()
}

fn level(text: &str) -> Option<Level> {
    let count = |n: &str| n.parse().ok().filter(|n| COUNTS.contains(n));
    let tiered = |n: u32| Level { fanout: u64::from(n), threshold: n as usize };
    let levelled = |n: u32| Level { fanout: u64::from(n), threshold: 2 };
    match text.split_at_checked(1)? {
        ("T", n) => count(n).map(tiered),
        ("L", n) => count(n).map(levelled),
        ("N", "") => Some(tiered(2)),
        _ => {
            let w: i32 = text.parse().ok().filter(|it| (-998..=998).contains(it))?;
            let n = 2 + w.unsigned_abs();
            Some(if w < 0 { levelled(n) } else { tiered(n) })
        }
    }
}

/// Seconds of a `compaction_window_unit`.
pub fn window_unit(text: &str) -> Option<i64> {
    match text {
        "MINUTES" => Some(60),
        "HOURS" => Some(3_600),
        "DAYS" => Some(86_400),
        _ => None,
    }
}

/// Bytes of a size such as `64MiB`, `1GiB` or `100B`: a bare number has no unit and is refused.
pub fn size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        "TiB" => 1 << 40,
        _ => return None,
    };
    count.checked_mul(unit)
}

/// What is wrong with an entry of the map, if it is one that the engine reads.
pub(super) fn unreadable(name: &str, value: &str) -> Option<&'static str> {
    let is_number = |range: RangeInclusive<u32>| value.parse().is_ok_and(|it| range.contains(&it));
    let (is_sound, expected) = match name {
        "min_threshold" | "max_threshold" => {
            (is_number(COUNTS), "expects 'min_threshold' and 'max_threshold' from 2 to 1000")
        }
        "compaction_window_size" => {
            (is_number(1..=1_000_000), "expects a 'compaction_window_size' from 1 to 1000000")
        }
        "compaction_window_unit" => (
            window_unit(value).is_some(),
            "expects a 'compaction_window_unit' of MINUTES, HOURS or DAYS",
        ),
        "enabled" => (
            ["true", "false"].iter().any(|it| value.eq_ignore_ascii_case(it)),
            "expects 'enabled' to be true or false",
        ),
        "scaling_parameters" => (
            scaling(value).is_some(),
            "expects 'scaling_parameters' such as T4, L10 or N, with commas between",
        ),
        "target_sstable_size" => (
            size(value).is_some_and(|it| TARGET_BYTES_MIN <= it),
            "expects a 'target_sstable_size' from 1MiB, such as 1GiB",
        ),
        "min_sstable_size" => {
            (size(value).is_some(), "expects a 'min_sstable_size' such as 100MiB")
        }
        "base_shard_count" => (is_number(1..=1_000), "expects a 'base_shard_count' from 1 to 1000"),
        _ => return None,
    };
    (!is_sound).then_some(expected)
}
