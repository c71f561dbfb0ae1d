//! The arithmetic of levels, exhaustively, and scripts about counting.

use std::{collections::BTreeMap, error::Error, fmt::Write as _, path::Path, sync::LazyLock};

use test_each_file::test_each_path;
use uuid::Uuid;

use super::*;

test_each_path! { in "node/coordinator/goldens/plan" as golden => run }

fn run(path: &Path) {
    goldenscript::run(&mut Runner::default(), path).expect("golden");
}

fn host(number: u32) -> HostId {
    HostId(Uuid::from_u128(u128::from(number)))
}

/// Two racks in each of two data centers.
static PLACES: LazyLock<[[Place; 2]; 2]> = LazyLock::new(|| {
    ["dc1", "dc2"].map(|dc| ["r0", "r1"].map(|rack| Place { dc: dc.into(), rack: rack.into() }))
});

/// Replicas 1 to `count`, the first `in_first_dc` of them in dc1; who is in `alive` lives.
fn candidates(count: u32, in_first_dc: u32, alive: &[u32]) -> Vec<Candidate<'static>> {
    let candidate = |number| {
        let racks = &PLACES[usize::from(in_first_dc < number)];
        let place = &racks[number as usize % 2];
        Candidate { host: host(number), place, alive: alive.contains(&number) }
    };
    (1..=count).map(candidate).collect()
}

/// Every level, 1 to 5 replicas over one or two data centers, every set of them alive: unavailable
/// exactly if more answers are required than natural replicas that count are alive.
#[test]
fn unavailable_exactly_if_required_exceeds_live_natural() {
    for count in 1..=5_u32 {
        for in_first_dc in 1..=count {
            let mut factors = BTreeMap::from([("dc1".to_owned(), in_first_dc)]);
            if in_first_dc < count {
                factors.insert("dc2".to_owned(), count - in_first_dc);
            }
            let replication = Replication::NetworkTopology(factors.clone());
            for set in 0..1_u32 << count {
                let alive: Vec<u32> = (1..=count).filter(|it| set >> (it - 1) & 1 == 1).collect();
                check_levels(&replication, count, in_first_dc, &alive);
            }
        }
    }
}

fn check_levels(replication: &Replication, count: u32, in_first_dc: u32, alive: &[u32]) {
    let local_place = Place { dc: "dc1".into(), rack: "r1".into() };
    let from = Candidates {
        epoch: 1,
        replication,
        local: host(1),
        local_place: &local_place,
        natural: candidates(count, in_first_dc, alive).into(),
    };
    let all = alive.len() as u32;
    let first = alive.iter().filter(|it| **it <= in_first_dc).count() as u32;
    let majority = |factor: u32| factor / 2 + 1;
    let deadline = Instant::now();
    for level in Consistency::ALL {
        let reachable = match level {
            Consistency::Any => true,
            Consistency::One => 1 <= all,
            Consistency::Two => 2 <= all,
            Consistency::Three => 3 <= all,
            Consistency::Quorum => majority(count) <= all,
            Consistency::All => count <= all,
            Consistency::LocalOne => 1 <= first,
            Consistency::LocalQuorum => majority(in_first_dc) <= first,
            Consistency::EachQuorum => {
                majority(in_first_dc) <= first
                    && (count == in_first_dc || majority(count - in_first_dc) <= all - first)
            }
            Consistency::Serial | Consistency::LocalSerial => {
                assert!(matches!(write(level, &from, deadline), Err(Refused::Invalid(_))));
                assert!(matches!(read(level, &from, deadline), Err(Refused::Invalid(_))));
                continue;
            }
        };
        let case = format!("{level} {replication:?} alive {alive:?}");
        match write(level, &from, deadline) {
            Ok(plan) => {
                assert!(reachable, "{case}");
                assert_eq!(plan.live.len() + plan.down.len(), count as usize, "{case}");
                let mut tally = plan.tally;
                for it in alive {
                    tally.on_answer(host(*it), true);
                }
                assert_eq!(tally.verdict() == Verdict::Reached, !plan.hint_counts || 0 < all);
            }
            Err(Refused::Unavailable { required, alive, missing }) => {
                assert!(!reachable && alive < required, "{case}");
                assert!(
                    missing
                        .iter()
                        .all(|it| !from.natural.iter().any(|that| that.host == *it && that.alive))
                );
            }
            Err(Refused::Invalid(text)) => panic!("{case}: {text}"),
        }
        match read(level, &from, deadline) {
            Ok(plan) => assert!(reachable && plan.required <= plan.live.len(), "{case}"),
            Err(Refused::Unavailable { .. }) => assert!(!reachable, "{case}"),
            Err(Refused::Invalid(_)) => {
                assert!(matches!(level, Consistency::Any | Consistency::EachQuorum), "{case}");
            }
        }
    }
}

#[test]
fn the_nearest_come_first_and_each_host_once() {
    let local_place = Place { dc: "dc1".into(), rack: "r1".into() };
    let mut natural = candidates(5, 4, &[1, 2, 3, 4, 5]);
    natural.reverse();
    natural.push(natural[0]);
    let replication = Replication::Simple { factor: 5 };
    let from = Candidates {
        epoch: 1,
        replication: &replication,
        local: host(3),
        local_place: &local_place,
        natural: natural.into(),
    };
    let plan = read(Consistency::All, &from, Instant::now()).expect("all are alive");
    let order: Vec<u128> = plan.live.iter().map(|it| it.0.as_u128()).collect();
    // Itself, its rack, its data center clockwise, the other data center.
    assert_eq!(order, [3, 1, 4, 2, 5]);
}

#[derive(Default)]
struct Runner {
    tally: Option<Tally>,
}

#[derive(goldenscript::Command)]
enum Command {
    /// Waits at a level for replicas, those up to `first` in dc1 and the others in dc2:
    /// `wait QUORUM 3 1 2 3`.
    Wait(String, u32, Vec<u32>),
    /// Takes answers: `ack 1 2`.
    Ack(Vec<u32>),
    /// Takes failures: `fail 1`.
    Fail(Vec<u32>),
}

impl goldenscript::Runner for Runner {
    type Command = Command;

    fn run(
        &mut self,
        command: &Command,
        _: &goldenscript::Context,
    ) -> Result<String, Box<dyn Error>> {
        let (hosts, acked) = match command {
            Command::Wait(level, first, hosts) => {
                let level = Consistency::from_name(level).ok_or("no such level")?;
                let dc = |it: &u32| if it <= first { "dc1" } else { "dc2" };
                let mut distinct = hosts.clone();
                distinct.sort_unstable();
                distinct.dedup();
                let mut factors = BTreeMap::new();
                for it in &distinct {
                    *factors.entry(dc(it).to_owned()).or_insert(0) += 1;
                }
                let replication = Replication::NetworkTopology(factors);
                let needs = required(level, &replication, &"dc1".into())
                    .map_err(|refused| format!("{refused:?}"))?;
                let members = hosts.iter().map(|it| (host(*it), dc(it).into()));
                self.tally = Some(Tally::new(needs, members));
                return Ok(String::new());
            }
            Command::Ack(hosts) => (hosts, true),
            Command::Fail(hosts) => (hosts, false),
        };
        let tally = self.tally.as_mut().ok_or("wait first")?;
        let mut out = String::new();
        for it in hosts {
            let verdict = tally.on_answer(host(*it), acked);
            let kind = if acked { "ack" } else { "fail" };
            let (required, received) = tally.shortfall();
            writeln!(out, "n{it} {kind:<4} → {verdict:?} ({received}/{required})")?;
        }
        Ok(out)
    }
}
