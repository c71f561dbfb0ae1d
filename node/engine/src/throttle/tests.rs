//! The bucket against its law: never more than the rate and the burst, never less where there is more to write.

use proptest::prelude::*;

use super::*;

fn rate(bytes_per_second: u64) -> NonZeroU64 {
    NonZeroU64::new(bytes_per_second).unwrap()
}

/// What `bytes` take at `rate`, rounded down to nanoseconds.
fn takes(bytes: u64, rate: u64) -> Duration {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate);
    Duration::from_nanos(u64::try_from(nanos).unwrap())
}

/// Writes pieces as a driver does: after each it pauses as it is told, and now and then it has nothing to do.
fn drive(bucket: &mut Bucket, mut now: Duration, pieces: &[(u64, u64)]) -> Vec<(Duration, u64)> {
    let mut written = Vec::new();
    for (bytes, idle_micros) in pieces {
        now += Duration::from_micros(*idle_micros);
        now += bucket.pause(now).unwrap_or_default();
        bucket.wrote(*bytes, now);
        written.push((now, *bytes));
    }
    written
}

proptest! {
    /// In any stretch of time, not only from the beginning.
    #[test]
    fn no_stretch_of_time_has_more_than_the_rate_and_the_burst(
        bytes_per_second in 1_u64..1 << 40,
        begin in 0_u64..10_000_000,
        pieces in prop::collection::vec((0_u64..1 << 30, prop_oneof![Just(0), 0_u64..3_000_000]), 1..60),
    ) {
        let mut bucket = Bucket::new(rate(bytes_per_second));
        let written = drive(&mut bucket, Duration::from_micros(begin), &pieces);
        for (at, (first, _)) in written.iter().enumerate() {
            // The last piece of a stretch is begun on credit, and may be of any size.
            let mut before = 0;
            for (now, bytes) in &written[at..] {
                let allowed = *now - *first + BURST + Duration::from_nanos(1);
                prop_assert!(takes(before, bytes_per_second) <= allowed);
                before += bytes;
            }
        }
    }

    /// Pieces of any size, in the end, take neither more nor less than what all of them take at once.
    #[test]
    fn over_time_the_rate_is_exact(
        bytes_per_second in 1_u64..1 << 40,
        pieces in prop::collection::vec(0_u64..1 << 20, 1..200),
    ) {
        let now = Duration::from_secs(100);
        let mut bucket = Bucket::new(rate(bytes_per_second));
        pieces.iter().for_each(|it| bucket.wrote(*it, now));
        let owed = bucket.paid - (now - BURST);
        prop_assert_eq!(owed, takes(pieces.iter().sum(), bytes_per_second));
    }

    /// What writes without end is never kept from what it is due: no credit is lost by a pause.
    #[test]
    fn a_pause_is_no_longer_than_what_it_pays_for(
        bytes_per_second in 1_u64..1 << 40,
        pieces in prop::collection::vec(1_u64..1 << 30, 1..60),
    ) {
        let mut bucket = Bucket::new(rate(bytes_per_second));
        let busy: Vec<(u64, u64)> = pieces.iter().map(|it| (*it, 0)).collect();
        let (end, _) = drive(&mut bucket, Duration::ZERO, &busy)[pieces.len() - 1];
        let due = takes(pieces[..pieces.len() - 1].iter().sum(), bytes_per_second);
        prop_assert!(end <= due + SLICE + Duration::from_nanos(1), "{end:?} of {due:?}");
    }
}

#[test]
fn credit_is_of_the_last_second_alone() {
    let mut bucket = Bucket::new(rate(1000));
    let hour = Duration::from_secs(3600);
    assert_eq!(bucket.pause(hour), None);
    bucket.wrote(1000, hour);
    assert_eq!(bucket.pause(hour), None, "a second's bytes");
    bucket.wrote(500, hour);
    assert_eq!(bucket.pause(hour), Some(Duration::from_millis(500) + SLICE));
    assert_eq!(bucket.pause(hour + Duration::from_millis(500)), None);
}

#[test]
fn a_byte_that_takes_less_than_a_nanosecond_counts() {
    let mut bucket = Bucket::new(rate(3_000_000_000));
    (0..3_000_000).for_each(|_| bucket.wrote(1, Duration::from_secs(1)));
    assert_eq!(bucket.paid, Duration::from_millis(1));
}

#[test]
fn while_it_is_lifted_nothing_pauses_and_nothing_is_owed() {
    let throttle = Throttle::new(Some(rate(1000)));
    let now = || Duration::from_secs(10);
    throttle.wrote(5000, now);
    assert_eq!(throttle.pause(now), Some(Duration::from_secs(4) + SLICE));
    let lifted = [throttle.lift(), throttle.lift()];
    throttle.wrote(1 << 40, now);
    assert_eq!(throttle.pause(now), None);
    drop(lifted);
    assert_eq!(throttle.pause(now), Some(Duration::from_secs(4) + SLICE));
    assert_eq!(Throttle::new(None).pause(now), None);
}
