use super::*;

fn session(number: u128, steps: usize) -> Session {
    let address: SocketAddr = "127.0.0.1:9042".parse().unwrap();
    let event =
        |at| Event { after: Duration::from_micros(at), source: address, activity: "it".into() };
    Session {
        id: Uuid::from_u128(number),
        about: About { client: address, request: "Execute CQL3 query", parameters: Vec::new() },
        coordinator: address,
        started_micros: 0,
        took: Duration::ZERO,
        events: (0..steps as u64).map(event).collect(),
    }
}

fn kept(sessions: &Sessions) -> Vec<u128> {
    sessions.all().iter().map(|it| it.id.as_u128()).collect()
}

#[test]
fn the_oldest_are_forgotten_first() {
    let sessions = Sessions::default();
    (0..SESSIONS_MAX as u128 + 2).for_each(|it| sessions.keep(session(it, 0)));
    assert_eq!(kept(&sessions), (2..SESSIONS_MAX as u128 + 2).collect::<Vec<_>>());
}

/// One with more steps than all may have is kept alone.
#[test]
fn steps_are_bounded_together() {
    let sessions = Sessions::default();
    (0..3).for_each(|it| sessions.keep(session(it, STEPS_MAX / 2)));
    assert_eq!(kept(&sessions), [1, 2]);
    sessions.keep(session(3, STEPS_MAX + 1));
    assert_eq!(kept(&sessions), [3]);
    sessions.keep(session(4, 1));
    assert_eq!(kept(&sessions), [4]);
}
