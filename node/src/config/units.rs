//! Numbers with units: a bare number has none and is refused.

use std::time::Duration;

pub use model::schema::compaction::size as parse_size;

/// `10s`, `500ms`, `3h`, `15m`, `2d`: a bare number has no unit and is refused.
pub fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let count: u64 = text[..digits].parse().ok()?;
    let millis = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(Duration::from_millis(count.checked_mul(millis)?))
}
