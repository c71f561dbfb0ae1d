//! The detector alone: how long a silence it bears.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const OPTIONS: Options = Options {
    phi_convict: 8.0,
    interval_min: Duration::from_millis(200),
    interval_max: Duration::from_millis(230),
    pause_max: Duration::from_secs(1),
};

const PEER: HostId = HostId(Uuid::from_u128(1));

/// A detector that has heard the peer at these intervals, and when it heard it last.
fn heard(intervals: &[u64]) -> (Detector, Duration) {
    let mut detector = Detector::new(OPTIONS);
    let mut now = Duration::ZERO;
    detector.heard(PEER, now);
    for interval in intervals {
        now += Duration::from_millis(*interval);
        detector.tick(now);
        detector.heard(PEER, now);
    }
    (detector, now)
}

/// How long the silence lasts until it convicts.
fn silence(detector: &mut Detector, mut now: Duration) -> Duration {
    let begin = now;
    detector.tick(now);
    while detector.liveness(PEER) != Liveness::Dead {
        now += Duration::from_millis(50);
        detector.tick(now);
    }
    now - begin
}

#[test]
fn a_silence_of_phi_8_convicts() {
    let (mut detector, now) = heard(&[200; 50]);
    let silence = silence(&mut detector, now);
    // 8 * ln 10 * 200 ms.
    assert!(Duration::from_millis(3_650) < silence && silence < Duration::from_millis(3_800));
    assert!(8.0 < detector.phi(PEER, now + silence));
}

#[test]
fn a_peer_that_was_never_heard_is_dead_and_cannot_be_suspected() {
    let mut detector = Detector::new(OPTIONS);
    assert!(!detector.suspect(PEER));
    assert_eq!(Liveness::Dead, detector.liveness(PEER));
    assert_eq!(f64::INFINITY, detector.phi(PEER, Duration::ZERO));
    assert!(detector.heard(PEER, Duration::ZERO), "the first heartbeat revives");
    assert!(!detector.heard(PEER, Duration::ZERO), "the second says nothing new");
}

#[test]
fn a_suspect_is_revived_by_one_heartbeat_and_convicted_without() {
    let (mut detector, now) = heard(&[200; 10]);
    assert!(detector.suspect(PEER));
    assert!(!detector.suspect(PEER), "it is suspected already");
    assert!(detector.heard(PEER, now));
    assert!(detector.suspect(PEER));
    silence(&mut detector, now);
    assert!(!detector.suspect(PEER), "a dead one stays dead");
    assert_eq!(Liveness::Dead, detector.liveness(PEER));
}

#[test]
fn our_own_pause_convicts_nobody_and_only_delays() {
    let (mut detector, mut now) = heard(&[200; 10]);
    detector.tick(now);
    now += Duration::from_secs(60);
    assert_eq!(Vec::<HostId>::new(), detector.tick(now));
    assert!(silence(&mut detector, now) < Duration::from_secs(5));
}

proptest! {
    #[test]
    fn conviction_comes_within_five_seconds_and_not_before_three(
        intervals in proptest::collection::vec(0_u64..2_000, 0..150),
    ) {
        let (mut detector, now) = heard(&intervals);
        let silence = silence(&mut detector, now);
        prop_assert!(Duration::from_secs(3) < silence, "{silence:?}");
        prop_assert!(silence < Duration::from_secs(5), "{silence:?}");
    }
}
