use query::guardrail::Limits;

use super::*;

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
    let (one, two) = (door.of_stream(), door.of_stream());
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
