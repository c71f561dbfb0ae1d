//! Clocks: what jumps and what never does.

use std::time::Duration;

use super::{Clock, ManualClock, RealClock};

#[test]
fn real_clock_is_past_2020_and_monotonic() {
    let clock = RealClock::new();
    assert!(1_577_836_800_000_000 < clock.wall_micros());
    let first = clock.monotonic();
    assert!(first <= clock.monotonic());
}

#[test]
fn manual_clock_jumps_back_on_the_wall_only() {
    let clock = ManualClock::new(1_000);
    clock.advance(Duration::from_micros(50));
    assert_eq!((clock.wall_micros(), clock.monotonic()), (1_050, Duration::from_micros(50)));
    clock.set(7);
    assert_eq!((clock.wall_micros(), clock.monotonic()), (7, Duration::from_micros(50)));
}

#[test]
fn manual_clock_stops_at_the_end_of_time() {
    let clock = ManualClock::new(i64::MAX);
    clock.advance(Duration::MAX);
    clock.advance(Duration::MAX);
    assert_eq!((clock.wall_micros(), clock.monotonic()), (i64::MAX, Duration::MAX));
}
