//! The budget of bytes.

use super::*;

#[test]
fn takes_up_to_the_limit_and_gives_back() {
    let budget = InFlight::new(10);
    let mut first = budget.take(4).expect("room");
    let second = budget.take(6).expect("room");
    assert_eq!(budget.take(1).err(), Some(Full { wanted: 1, used: 10, max: 10 }));
    assert!(first.grow(1).is_err());
    drop(second);
    first.grow(6).expect("room");
    assert_eq!(budget.bytes(), 10);
    drop(first);
    assert_eq!(budget.bytes(), 0);
    assert!(budget.take(u64::MAX).is_err());
}
