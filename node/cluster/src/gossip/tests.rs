//! Whose word counts, and how notes are compared.

use uuid::Uuid;

use super::*;

const WALL: u64 = 1_700_000_000;

fn now(millis: u64) -> Now {
    let wall_micros = WALL as i64 * 1_000_000 + millis as i64 * 1_000;
    Now { mono: Duration::from_millis(millis), wall_micros }
}

fn heartbeat(state: State, heard: Beat) -> Heartbeat {
    Heartbeat { state, heard, held: Duration::ZERO, wall_micros: now(0).wall_micros }
}

fn host(id: u128) -> HostId {
    HostId(Uuid::from_u128(id))
}

fn state(id: u128, generation: u64, version: u64) -> State {
    State {
        host_id: host(id),
        beat: Beat { generation, version },
        peer_addr: format!("n{id}:7000"),
        epoch: 1,
        load_bytes: version,
        status: Status::Normal,
    }
}

fn gossip(id: u128) -> Gossip {
    let second = Duration::from_secs(1);
    let options = Options { heartbeat: second, exchange: second, skew_max: second };
    Gossip::new(options, state(id, WALL, 1))
}

#[test]
fn the_newest_word_counts_whatever_the_order() {
    let words = [state(2, WALL, 5), state(2, WALL + 1, 1), state(2, WALL, 9)];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        let mut gossip = gossip(1);
        for index in order {
            gossip.on_states(vec![words[index].clone()], WALL);
        }
        assert_eq!(Some(&words[1]), gossip.state(host(2)), "a later start beats any heartbeat");
    }
}

#[test]
fn nobody_speaks_for_us_or_from_the_far_future() {
    let mut gossip = gossip(1);
    let own = gossip.own().clone();
    gossip.on_states(vec![state(1, WALL + 9, 9), state(2, WALL + 2 * 366 * 86_400, 1)], WALL);
    assert_eq!(Some(&own), gossip.state(host(1)));
    assert_eq!(None, gossip.state(host(2)));
    let late = heartbeat(state(2, WALL, 1), Beat::default());
    assert_eq!(Heard::OneWay, gossip.on_heartbeat(late, now(0)).0, "its true word is heard");
}

#[test]
fn a_heartbeat_is_a_round_trip_once_it_repeats_a_newer_one_of_ours() {
    let mut gossip = gossip(1);
    let beat = |generation, version| Beat { generation, version };
    let cases = [
        (1, beat(0, 0), Heard::OneWay),
        (2, beat(WALL, 1), Heard::RoundTrip),
        (2, beat(WALL, 2), Heard::Stale),
        (3, beat(WALL, 1), Heard::OneWay),
        (4, beat(WALL - 1, 7), Heard::OneWay),
        (5, beat(WALL, 2), Heard::RoundTrip),
    ];
    for (version, heard, expected) in cases {
        let heartbeat = heartbeat(state(2, WALL, version), heard);
        assert_eq!(expected, gossip.on_heartbeat(heartbeat, now(0)).0, "{version}");
    }
}

#[test]
fn comparing_notes_leaves_both_with_the_newest() {
    let (mut a, mut b) = (gossip(1), gossip(2));
    a.on_states(vec![state(3, WALL, 7), state(4, WALL, 1)], WALL);
    b.on_states(vec![state(3, WALL, 2), state(4, WALL, 8), state(1, WALL, 1)], WALL);
    let Message::Difference { states, wanted } = b.on_digest(&a.digest()) else { panic!() };
    let told: Vec<HostId> = states.iter().map(|it| it.host_id).collect();
    assert_eq!(vec![host(4), host(2)], told, "what a lacks, and no more");
    assert_eq!(vec![host(3)], wanted);
    let (_, answer) = a.on_difference(states, &wanted, WALL);
    let Some(Message::States { states }) = answer else { panic!() };
    b.on_states(states, WALL);
    for id in 1..=4 {
        assert_eq!(a.state(host(id)), b.state(host(id)), "{id}");
    }
    assert_eq!(7, b.state(host(3)).unwrap().load_bytes);
    assert_eq!(8, a.state(host(4)).unwrap().load_bytes);
}

#[test]
fn a_change_of_status_is_news_once() {
    let mut gossip = gossip(1);
    let draining = |version| State { status: Status::Draining, ..state(2, WALL, version) };
    let mut news = |it| gossip.on_states(vec![it], WALL).statuses;
    assert_eq!(Vec::<(HostId, Status)>::new(), news(state(2, WALL, 1)));
    assert_eq!(vec![(host(2), Status::Draining)], news(draining(2)));
    assert_eq!(Vec::<(HostId, Status)>::new(), news(draining(3)));
    assert_eq!(vec![(host(2), Status::Normal)], news(state(2, WALL + 1, 1)));
}

/// Two nodes, the second with a clock of its own, `there` and `back` between them.
fn compared(ahead_micros: i64, there: u64, held: u64, back: u64) -> (Option<i64>, Option<bool>) {
    let (mut a, mut b) = (gossip(1), gossip(2));
    let theirs =
        |millis| Now { wall_micros: now(millis).wall_micros + ahead_micros, ..now(millis) };
    let (_, Message::Heartbeat(first)) = a.heartbeat_one(host(2), now(100)) else { panic!() };
    b.on_heartbeat(first, theirs(100 + there));
    let (_, Message::Heartbeat(answer)) = b.heartbeat_one(host(1), theirs(100 + there + held))
    else {
        panic!()
    };
    let (_, news) = a.on_heartbeat(answer, now(100 + there + held + back));
    (a.skew_micros(host(2)), news.clock.map(|it| it.differs))
}

#[test]
fn clocks_are_compared_less_the_round_trip() {
    // A round trip of equal halves is known to a half of it: 10 ms here.
    assert_eq!(compared(0, 10, 150, 10), (Some(0), None));
    assert_eq!(compared(5_000_000, 10, 150, 10), (Some(4_990_000), Some(true)));
    assert_eq!(compared(-5_000_000, 10, 150, 10), (Some(-4_990_000), Some(true)));
    // What lay in the network for a while is no clock that goes wrong, whichever way it lay.
    assert_eq!(compared(0, 5_000, 150, 10), (Some(0), None));
    assert_eq!(compared(0, 10, 150, 5_000), (Some(0), None));
    assert_eq!(compared(1_020_000, 5, 150, 5), (Some(1_015_000), Some(true)));
    assert_eq!(compared(1_000_000, 5, 150, 5), (Some(995_000), None));
    assert_eq!(compared(i64::MAX / 2, 1, 1, 1).1, Some(true));
}

#[test]
fn a_clock_that_stands_before_the_cluster_was_founded_is_told_by_its_own_node() {
    let mut gossip = gossip(1);
    let in_1970 = Now { wall_micros: 0, ..now(5) };
    let differs = |news: News| news.clock.map(|it| (it.skew_micros / 1_000_000, it.differs));
    // Known by its hello, heard now.
    gossip.peers.insert(host(2), Peer::default());
    let word = || heartbeat(state(2, WALL, 1), Beat::default());
    let (heard, news) = gossip.on_heartbeat(word(), in_1970);
    assert_eq!((heard, differs(news)), (Heard::Stale, Some((WALL as i64, true))));
    let (heard, news) = gossip.on_heartbeat(word(), in_1970);
    assert_eq!((heard, differs(news)), (Heard::Stale, None), "told once");
}

#[test]
fn a_clock_that_differs_is_told_once_and_so_is_that_it_agrees_again() {
    let mut peer = Peer::default();
    let second = Duration::from_secs(1);
    let mut told = Vec::new();
    for millis in [0, 999, 1_001, 900, 1_100, 600, 501, 499, 900, -1_200, -700, -400] {
        told.extend(peer.compare(host(2), millis * 1_000, second).map(|it| (millis, it.differs)));
    }
    assert_eq!(told, [(1_001, true), (499, false), (-1_200, true), (-400, false)]);
}
