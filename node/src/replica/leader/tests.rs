//! Turns: one at a time, in order, and not without end.

use futures_util::FutureExt as _;

use super::*;

#[tokio::test]
async fn increments_of_one_partition_wait_in_the_order_in_which_they_came() {
    let turns = Turns::default();
    let first = turns.wait(Token(5)).await.unwrap();
    let mut second = Box::pin(turns.wait(Token(5)));
    let mut third = Box::pin(turns.wait(Token(5)));
    assert!(second.as_mut().now_or_never().is_none(), "the first has its turn");
    assert!(third.as_mut().now_or_never().is_none());
    drop(first);
    assert!(third.as_mut().now_or_never().is_none(), "the second was there before");
    let second = second.now_or_never().unwrap();
    drop(second);
    assert!(third.now_or_never().is_some());
}

#[tokio::test]
async fn increments_of_other_partitions_do_not_wait() {
    let turns = Turns::default();
    let _first = turns.wait(Token(5)).await.unwrap();
    assert!(turns.wait(Token(6)).now_or_never().is_some());
}

#[tokio::test]
async fn who_finds_too_many_waiting_is_refused_and_not_queued() {
    let turns = Turns::default();
    let first = turns.wait(Token(5)).await.unwrap();
    let mut waiting: Vec<_> = (1..WAITING_MAX).map(|_| Box::pin(turns.wait(Token(5)))).collect();
    for it in &mut waiting {
        assert!(it.as_mut().now_or_never().is_none());
    }
    let refused = turns.wait(Token(5)).await.unwrap_err();
    assert!(matches!(refused, Error::Overloaded(_)), "{refused}");
    drop(waiting);
    drop(first);
    assert!(turns.wait(Token(5)).await.is_ok(), "whoever went away makes room");
}
