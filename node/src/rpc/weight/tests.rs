use futures_util::{FutureExt as _, StreamExt as _};
use query::guardrail::Limits;

use super::*;

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 1));
const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

fn next(outgoing: &mut Outgoing<i32>) -> Option<i32> {
    outgoing.next().now_or_never()?.map(|it| it.expect("no end"))
}

/// As long as a frame waits, and until the one behind it is asked for.
#[test]
fn answers_weigh_until_they_are_written() {
    let limits = |rail| {
        let fail = if rail == Guardrail::RequestBytes { 100 } else { 10 };
        Limits { warn: None, fail: Some(fail) }
    };
    let scales = Scales::new(Arc::new(Guard::new(limits)));
    let (frames, outgoing) = mpsc::channel(8);
    let mut outgoing = Outgoing::new(outgoing);
    for frame in [1, 2] {
        let weight = scales.of_stream(HERE).put_answer(50).expect("within what all have");
        frames.try_send((Ok(frame), Some(weight))).unwrap();
    }
    let refused = scales.put_answer(50).unwrap_err();
    assert!(refused.message.contains("guardrails.request_bytes_fail"), "{refused}");
    assert_eq!(next(&mut outgoing), Some(1));
    assert!(scales.put_answer(1).is_err(), "it is being written");
    assert_eq!(next(&mut outgoing), Some(2));
    drop(scales.put_answer(50).expect("the first one is written"));
    assert_eq!(next(&mut outgoing), None, "nothing waits");
    drop(scales.put_answer(100).expect("nor does anything weigh"));
    // A client that goes away leaves nothing behind.
    frames.try_send((Ok(3), Some(scales.put_answer(100).unwrap()))).unwrap();
    drop(outgoing);
    assert!(scales.put_answer(100).is_ok());
}

#[test]
fn requests_weigh_until_they_are_answered() {
    let limits = |rail| {
        if rail == Guardrail::StreamBytes {
            Limits { warn: Some(60), fail: Some(100) }
        } else {
            Limits { warn: None, fail: Some(150) }
        }
    };
    let door = Scales::new(Arc::new(Guard::new(limits)));
    let (one, two) = (door.of_stream(HERE), door.of_stream(THERE));
    let alone = one.put(1_000).expect("whatever its size");
    assert!(one.put(1).is_err() && two.put(1).is_err(), "beside that one there is no room");
    drop(alone);
    let first = one.put(50).unwrap();
    assert!(first.1.is_empty());
    let second = one.put(50).unwrap();
    let told = "the size of requests in hand on this stream is 100 bytes, more than 60 bytes";
    assert!(second.1[0].starts_with(told), "{:?}", second.1);
    let refused = one.put(1).unwrap_err();
    assert!(refused.message.contains("guardrails.stream_bytes_fail"), "{refused}");
    let _third = two.put(50).unwrap();
    let refused = two.put(1).unwrap_err();
    assert!(refused.message.contains("guardrails.request_bytes_fail"), "{refused}");
    drop(first);
    assert!(two.put(1).is_ok());
}

/// Streams of one address share what it may have; another address has its own.
#[test]
fn an_address_does_not_take_what_others_may_have() {
    let limits = |rail| {
        let fail = if rail == Guardrail::AddressBytes { 100 } else { 1_000 };
        Limits { warn: None, fail: Some(fail) }
    };
    let door = Scales::new(Arc::new(Guard::new(limits)));
    let (one, two, other) = (door.of_stream(HERE), door.of_stream(HERE), door.of_stream(THERE));
    let first = one.put(60).unwrap();
    let refused = two.put(60).unwrap_err();
    assert!(refused.message.contains("guardrails.address_bytes_fail"), "{refused}");
    let _others = other.put(60).unwrap();
    drop(first);
    assert!(two.put(60).is_ok());
    // Nobody is remembered who is gone.
    drop((one, two));
    let _later = door.of_stream(IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 3)));
    assert_eq!(door.addresses.lock().unwrap().len(), 2);
}
