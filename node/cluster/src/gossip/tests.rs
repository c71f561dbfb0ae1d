//! Whose word counts, and how notes are compared.

use uuid::Uuid;

use super::*;

const WALL: u64 = 1_700_000_000;

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
    Gossip::new(Options { heartbeat: second, exchange: second }, state(id, WALL, 1))
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
    let late = Heartbeat { state: state(2, WALL, 1), heard: Beat::default() };
    assert_eq!(Heard::OneWay, gossip.on_heartbeat(late, WALL).0, "its true word is heard");
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
        let heartbeat = Heartbeat { state: state(2, WALL, version), heard };
        assert_eq!(expected, gossip.on_heartbeat(heartbeat, WALL).0, "{version}");
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
