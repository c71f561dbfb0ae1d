//! Bounds and cancellation of what is in hand.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::*;

#[tokio::test]
async fn a_request_is_in_hand_until_its_answer_is_taken() {
    let in_hand = InHand::default();
    let (answers, mut taken) = mpsc::channel(1);
    for id in 0..REQUESTS_MAX as u64 {
        assert_eq!(in_hand.check(id), Taken::Yes);
        let answers = answers.clone();
        in_hand.run(id, async move { answers.send(id).await.unwrap() });
    }
    // One answer fits into the channel; nobody has read it.
    while in_hand.check(u64::MAX) == Taken::Full {
        tokio::task::yield_now().await;
    }
    in_hand.run(u64::MAX, std::future::pending());
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert_eq!(in_hand.check(REQUESTS_MAX as u64), Taken::Full, "no other gets away");
    }
    for _ in 0..REQUESTS_MAX {
        taken.recv().await.unwrap();
    }
    while in_hand.check(REQUESTS_MAX as u64 - 1) != Taken::Yes {
        tokio::task::yield_now().await;
    }
    assert_eq!(in_hand.check(u64::MAX), Taken::Twice);
}

#[tokio::test]
async fn cancelling_and_dropping_end_the_work() {
    let permits = Arc::new(Semaphore::new(2));
    let in_hand = InHand::default();
    for id in [1, 2] {
        let permit = Arc::clone(&permits).try_acquire_owned().unwrap();
        in_hand.run(id, async move {
            std::future::pending::<()>().await;
            drop(permit);
        });
    }
    in_hand.cancel(1);
    drop(permits.acquire().await.unwrap());
    assert_eq!(permits.available_permits(), 1);
    drop(in_hand);
    drop(permits.acquire_many(2).await.unwrap());
}
