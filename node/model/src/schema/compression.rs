//! What the compression map of a table may say.

use std::ops::RangeInclusive;

/// Data of a block before compression, KiB, that `chunk_length_in_kb` may ask for.
pub const CHUNK_KIB: RangeInclusive<u32> = 1..=512;

/// How hard zstd may be told to try by `compression_level`.
pub const ZSTD_LEVELS: RangeInclusive<i32> = 1..=22;

/// What is wrong with an entry of the map.
pub(super) fn unreadable(name: &str, value: &str) -> Option<&'static str> {
    let (is_sound, expected) = match name {
        // The chance is read for the sake of schemas from elsewhere: every block is checked each time.
        "class" | "crc_check_chance" => return None,
        "enabled" => (
            ["true", "false"].iter().any(|it| value.eq_ignore_ascii_case(it)),
            "expects 'enabled' to be true or false",
        ),
        "chunk_length_in_kb" => (
            value.parse().is_ok_and(|it| CHUNK_KIB.contains(&it)),
            "expects a 'chunk_length_in_kb' from 1 to 512",
        ),
        "compression_level" => (
            value.parse().is_ok_and(|it| ZSTD_LEVELS.contains(&it)),
            "expects a 'compression_level' from 1 to 22",
        ),
        _ => (false, "knows 'class', 'chunk_length_in_kb', 'compression_level' and 'enabled'"),
    };
    (!is_sound).then_some(expected)
}
