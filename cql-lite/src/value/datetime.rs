//! Dates and times as text, all in UTC unless the text names an offset.

use jiff::civil;
use jiff::tz::Offset;

use super::DAY_NANOS;

/// 1970-01-01 as a CQL date.
const EPOCH_DAY: i64 = 1 << 31;

/// Milliseconds since 1970 as `2024-01-15 10:00:00.000+0000`; none beyond the year 9999.
pub(super) fn show_timestamp(millis: i64) -> Option<String> {
    let timestamp = jiff::Timestamp::from_millisecond(millis).ok()?;
    let at = Offset::UTC.to_datetime(timestamp);
    let millis = at.subsec_nanosecond() / 1_000_000;
    let day = show_civil(at.date())?;
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    Some(format!("{day} {hour:02}:{minute:02}:{second:02}.{millis:03}+0000"))
}

/// A CQL date as `2024-01-15`; none outside the years 0 to 9999.
pub(super) fn show_date(days: u32) -> Option<String> {
    let since_epoch = i32::try_from(i64::from(days) - EPOCH_DAY).ok()?;
    let day = civil::date(1970, 1, 1).checked_add(jiff::Span::new().try_days(since_epoch).ok()?);
    show_civil(day.ok()?)
}

/// Nanoseconds since midnight as `10:00:00.000000000`.
pub(super) fn show_time(nanos: i64) -> String {
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{hour:02}:{minute:02}:{second:02}.{nanos:09}")
}

/// Milliseconds since 1970 of an ISO date, perhaps with a time behind `T` or a blank, perhaps
/// with an offset (`Z`, `+01`, `+0100`, `+01:00`, `UTC`, `GMT`). Digits below the millisecond
/// are dropped, as Cassandra does.
pub(super) fn read_timestamp(text: &str) -> Result<i64, &'static str> {
    let (day, rest) = split_date(text)?;
    let mut rest = rest;
    let mut nanos = 0;
    if let Some(clock) = rest.strip_prefix(['T', 't', ' '])
        && clock.starts_with(|c: char| c.is_ascii_digit())
    {
        let end = clock
            .find(|c: char| !(c.is_ascii_digit() || c == ':' || c == '.'))
            .unwrap_or(clock.len());
        nanos = read_clock(&clock[..end])?;
        rest = &clock[end..];
    }
    let offset_seconds = read_offset(rest.trim_start())?;
    let days = days_since_epoch(day)?;
    Ok(days * 86_400_000 + nanos / 1_000_000 - offset_seconds * 1000)
}

/// The CQL date of `2024-01-15`.
pub(super) fn read_date(text: &str) -> Result<u32, &'static str> {
    let (day, rest) = split_date(text)?;
    if !rest.is_empty() {
        return Err("expected YYYY-MM-DD");
    }
    u32::try_from(days_since_epoch(day)? + EPOCH_DAY).map_err(|_| "no such day")
}

/// Nanoseconds since midnight of `10:00:00`, perhaps with a fraction.
pub(super) fn read_time(text: &str) -> Result<i64, &'static str> {
    read_clock(text)
}

fn show_civil(day: civil::Date) -> Option<String> {
    let (year, month, day) = (day.year(), day.month(), day.day());
    (year >= 0).then(|| format!("{year:04}-{month:02}-{day:02}"))
}

fn days_since_epoch(day: civil::Date) -> Result<i64, &'static str> {
    let span = civil::date(1970, 1, 1).until(day).map_err(|_| "no such day")?;
    Ok(i64::from(span.get_days()))
}

/// Splits off `YYYY-MM-DD`; month and day may have one digit.
fn split_date(text: &str) -> Result<(civil::Date, &str), &'static str> {
    const EXPECTED: &str = "expected YYYY-MM-DD";
    let (year, rest) = digits(text, 4, 4).ok_or(EXPECTED)?;
    let (month, rest) = rest.strip_prefix('-').and_then(|r| digits(r, 1, 2)).ok_or(EXPECTED)?;
    let (day, rest) = rest.strip_prefix('-').and_then(|r| digits(r, 1, 2)).ok_or(EXPECTED)?;
    // At most four and two digits, so that they fit.
    let day = civil::Date::new(year as i16, month as i8, day as i8).map_err(|_| "no such day")?;
    Ok((day, rest))
}

/// Nanoseconds of `HH:MM[:SS[.fraction]]`, the fraction of one to nine digits.
fn read_clock(text: &str) -> Result<i64, &'static str> {
    const EXPECTED: &str = "expected HH:MM:SS";
    let (hour, rest) = digits(text, 1, 2).ok_or(EXPECTED)?;
    let (minute, rest) = rest.strip_prefix(':').and_then(|r| digits(r, 1, 2)).ok_or(EXPECTED)?;
    let (second, rest) = match rest.strip_prefix(':') {
        Some(rest) => digits(rest, 1, 2).ok_or(EXPECTED)?,
        None => (0, rest),
    };
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => {
            let (number, after) = digits(rest, 1, 9).ok_or("expected one to nine digits")?;
            let places = rest.len() - after.len();
            (number * 10_i64.pow(9 - places as u32), after)
        }
        None => (0, rest),
    };
    if !rest.is_empty() {
        return Err(EXPECTED);
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err("no such time of day");
    }
    let nanos = ((hour * 60 + minute) * 60 + second) * 1_000_000_000 + fraction;
    debug_assert!(nanos < DAY_NANOS, "checked part by part");
    Ok(nanos)
}

/// Seconds east of Greenwich; nothing means UTC.
fn read_offset(text: &str) -> Result<i64, &'static str> {
    const EXPECTED: &str = "expected an offset such as Z, +0100 or +01:00";
    if text.is_empty() || ["z", "utc", "gmt"].iter().any(|zone| text.eq_ignore_ascii_case(zone)) {
        return Ok(0);
    }
    let (sign, rest) = match text.as_bytes()[0] {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return Err(EXPECTED),
    };
    let (hours, rest) = digits(rest, 2, 2).ok_or(EXPECTED)?;
    let (minutes, rest) = match rest.strip_prefix(':').unwrap_or(rest) {
        "" if rest.is_empty() => (0, rest),
        rest => digits(rest, 2, 2).ok_or(EXPECTED)?,
    };
    if !rest.is_empty() || hours > 18 || minutes > 59 {
        return Err(EXPECTED);
    }
    Ok(sign * (hours * 3600 + minutes * 60))
}

/// Splits off a number of `least` to `most` digits, at most nine; further digits make it fail.
fn digits(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let end = if end > most && least == most { most } else { end };
    if end < least || end > most {
        return None;
    }
    let number = text[..end].parse().ok()?;
    Some((number, &text[end..]))
}
