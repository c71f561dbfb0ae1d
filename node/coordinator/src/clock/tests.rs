//! Timestamps on a clock that jumps.

use std::path::Path;

use futures_util::future::FutureExt as _;
use sys::{Faults, Inline, ManualClock, MemoryDisk};

use super::*;

const SECOND: i64 = 1_000_000;

/// What an earlier life left, and a life on this clock.
async fn open(disk: &MemoryDisk, clock: &Arc<ManualClock>) -> Timestamps {
    let disk = Arc::new(disk.clone());
    let (reservation, reserved) =
        LogReservation::open(disk, Arc::new(Inline), Path::new("/clock")).expect("a log");
    Timestamps::open(clock.clone(), Arc::new(reservation), reserved).await.expect("reserved")
}

fn world() -> (MemoryDisk, Arc<ManualClock>) {
    (MemoryDisk::new(), Arc::new(ManualClock::new(100 * SECOND)))
}

#[tokio::test(start_paused = true)]
async fn follows_the_wall_clock_and_always_ascends() {
    let (disk, clock) = world();
    let timestamps = open(&disk, &clock).await;
    assert_eq!(timestamps.next(), 100 * SECOND);
    assert_eq!(timestamps.next(), 100 * SECOND + 1);
    clock.advance(Duration::from_millis(500));
    assert_eq!(timestamps.next(), 100 * SECOND + SECOND / 2);
    clock.set(50 * SECOND);
    assert_eq!(timestamps.next(), 100 * SECOND + SECOND / 2 + 1, "a jump back is not followed");
}

#[tokio::test(start_paused = true)]
async fn never_behind_what_was_issued_before_a_restart() {
    let (disk, clock) = world();
    let mut last = i64::MIN;
    for _ in 0..5 {
        let timestamps = open(&disk, &clock).await;
        for _ in 0..1_000 {
            let next = timestamps.next();
            assert!(last < next);
            last = next;
        }
        disk.crash_all_lost();
        // And the wall clock comes back wrong.
        clock.set(90 * SECOND);
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_stop_in_order_there_is_nothing_to_wait_for() {
    let (disk, clock) = world();
    let begun = tokio::time::Instant::now();
    let mut last = i64::MIN;
    for _ in 0..5 {
        let timestamps = Arc::new(open(&disk, &clock).await);
        let next = timestamps.next();
        assert!(last < next);
        last = next;
        timestamps.close().await.expect("stored");
        timestamps.reserve_if_low().await.expect("nothing is reserved any more");
        disk.crash_all_lost();
    }
    // But for the microseconds by which this clock, which stands still, is behind.
    assert!(begun.elapsed() < Duration::from_millis(10));
    // A crash is no stop in order.
    clock.advance(Duration::from_secs(1));
    drop(open(&disk, &clock).await);
    disk.crash_all_lost();
    drop(open(&disk, &clock).await);
    assert!(Duration::from_secs(2) < begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_issued_is_reserved_before() {
    let (disk, clock) = world();
    let timestamps = open(&disk, &clock).await;
    // Nobody reserves while the wall clock runs on: stamps stop following it, and stay reserved.
    clock.advance(Duration::from_secs(3_600));
    let last = (0..1_000).map(|_| timestamps.next()).last().expect("a timestamp");
    assert!(last <= timestamps.lock().reserved);
    timestamps.reserve_if_low().await.expect("reserved");
    assert_eq!(timestamps.next(), 3_700 * SECOND);
    assert!(3_700 * SECOND <= timestamps.lock().reserved);
}

#[tokio::test(start_paused = true)]
async fn keeps_ahead_by_itself_and_over_a_disk_that_fails_for_a_while() {
    let (disk, clock) = world();
    let timestamps = Arc::new(open(&disk, &clock).await);
    let task = tokio::spawn(Arc::clone(&timestamps).keep_ahead());
    for _ in 0..100 {
        clock.advance(Duration::from_millis(250));
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(timestamps.next(), 125 * SECOND);
    disk.set_faults(Faults { capacity: Some(0), ..Faults::default() });
    clock.advance(Duration::from_secs(10));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(timestamps.next() < 130 * SECOND, "not beyond what is reserved");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn many_restarts_do_not_carry_timestamps_into_the_future() {
    let (disk, clock) = world();
    for _ in 0..20 {
        let open = open(&disk, &clock);
        tokio::pin!(open);
        // The clock goes on while it waits.
        let timestamps = loop {
            if let Some(timestamps) = open.as_mut().now_or_never() {
                break timestamps;
            }
            clock.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let ahead = timestamps.next() - clock.wall_micros();
        assert!(ahead <= SECOND / 5, "{ahead}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_log_of_reservations_stays_short() {
    let (disk, clock) = world();
    let shared: Arc<dyn sys::Disk> = Arc::new(disk.clone());
    let (reservation, _) =
        LogReservation::open(shared, Arc::new(Inline), Path::new("/clock")).expect("a log");
    for until in 0..20_000 {
        reservation.reserve(until).await.expect("reserved");
    }
    assert!(disk.used_bytes() < 1 << 20);
    drop(reservation);
    disk.crash_all_lost();
    clock.set(0);
    assert!(19_999 < open(&disk, &clock).await.next());
}
