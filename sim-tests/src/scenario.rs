//! The scenarios: what a run is about, and how a seed turns that into a plan.
//!
//! ```text
//! 0 s     founding, tables      all is well
//! 10 s    clients at work       what the plan says
//! 38 s    clients at work       everything is made good again
//! 44 s    clients at work       whoever asks gets an answer again
//! 47 s    the last requests     all is well
//! 52 s    the judge reads       all is well
//! 60 s    the end
//! ```
//!
//! Which faults may coincide, so that recovery stays possible: at most one node at a time is cut
//! off, held, deaf, dumb or dead, except where all three lose power at once. Clocks jump at any
//! time. Single messages get lost only while no node is cut off or dead.

use std::time::Duration;

use sys::Rng;

use crate::nemesis::{Death, Fault, Plan, Wish, between};
use crate::wire;
use crate::world::NODES;

/// When there must be tables.
pub const READY_BY: Duration = Duration::from_secs(10);
/// When everything is made good again.
pub const CALM_AT: Duration = Duration::from_secs(38);
/// From when on requests must succeed again.
pub const RECOVERED_BY: Duration = Duration::from_secs(44);
/// When clients stop.
pub const WORK_UNTIL: Duration = Duration::from_secs(47);
/// When no request is under way any more.
pub const JUDGE_AT: Duration = Duration::from_millis(51_500);
/// When a run ends.
pub const END: Duration = Duration::from_secs(60);

/// How far a wall clock jumps, at most.
const JUMP_MICROS_MAX: u64 = 2_000_000;

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// Unique rows, and registers.
    Data,
    /// Unique rows, and counters that several add to.
    Counters,
    /// Unique rows, and a table that is created and dropped from three nodes.
    Schema,
}

/// What a run is about.
#[derive(Clone, Copy)]
pub struct Scenario {
    /// The name of its test.
    pub name: &'static str,
    /// What clients do.
    pub load: Load,
    /// Whether hints alone must bring every replica what it missed: true where no node dies.
    pub hints_suffice: bool,
    /// Whether every request must succeed within so long, whatever goes wrong.
    pub latency_max: Option<Duration>,
    /// What goes wrong.
    pub plan: fn(&mut Rng) -> Plan,
}

/// Every scenario.
pub const ALL: [Scenario; 10] = [
    PARTITION_AND_HEAL,
    CRASH_OF_EACH_NODE,
    POWER_LOSS_OF_ALL,
    SCHEMA_IN_PARTITION,
    ONE_WAY_PARTITION,
    LOST_RESPONSES,
    DISK_THAT_REFUSES,
    SLOW_DISK,
    CLOCK_FAR_OFF,
    COUNTERS,
];

/// One node after the other is cut off, or its messages wait, and comes back.
pub const PARTITION_AND_HEAL: Scenario = Scenario {
    name: "partition_and_heal",
    load: Load::Data,
    hints_suffice: true,
    latency_max: None,
    plan: |rng| {
        let mut plan = background(rng);
        one_at_a_time(rng, &mut plan, |rng, node| {
            let (alone, others) = sides(rng, node);
            if rng.chance(0.25) { Fault::Hold(alone, others) } else { Fault::Cut(alone, others) }
        });
        plan
    },
};

/// Each node dies once and starts again; what its disk had not synced is lost.
pub const CRASH_OF_EACH_NODE: Scenario = Scenario {
    name: "crash_of_each_node",
    load: Load::Data,
    hints_suffice: false,
    latency_max: None,
    plan: |rng| {
        let mut plan = background(rng);
        let mut nodes = NODES;
        rng.shuffle(&mut nodes);
        let mut when = READY_BY;
        for node in nodes {
            let dies = between(rng, when, when + Duration::from_secs(2));
            let starts =
                between(rng, dies + Duration::from_millis(200), dies + Duration::from_secs(4));
            plan.at(dies, Fault::Crash(node.to_owned(), death(rng)));
            plan.at(starts, Fault::Restart(node.to_owned()));
            when = starts + Duration::from_secs(3);
        }
        plan
    },
};

/// All nodes lose power at the same instant, twice.
pub const POWER_LOSS_OF_ALL: Scenario = Scenario {
    name: "power_loss_of_all",
    load: Load::Data,
    hints_suffice: false,
    latency_max: None,
    plan: |rng| {
        let mut plan = background(rng);
        for from in [12, 25] {
            let from = Duration::from_secs(from);
            let dies = between(rng, from, from + Duration::from_secs(4));
            let death = if rng.chance(0.5) { Death::PowerCut } else { Death::PowerCutAllLost };
            for node in NODES {
                let starts =
                    between(rng, dies + Duration::from_millis(200), dies + Duration::from_secs(2));
                plan.at(dies, Fault::Crash(node.to_owned(), death));
                plan.at(starts, Fault::Restart(node.to_owned()));
            }
        }
        plan
    },
};

/// Three clients change the schema through three nodes, of which one is cut off.
pub const SCHEMA_IN_PARTITION: Scenario = Scenario {
    name: "schema_in_partition",
    load: Load::Schema,
    hints_suffice: false,
    latency_max: None,
    plan: |rng| {
        let mut plan = background(rng);
        one_at_a_time(rng, &mut plan, |rng, node| {
            let (alone, others) = sides(rng, node);
            Fault::Cut(alone, others)
        });
        plan
    },
};

/// One node after the other hears nobody, or is heard by nobody.
pub const ONE_WAY_PARTITION: Scenario = Scenario {
    name: "one_way_partition",
    load: Load::Data,
    hints_suffice: true,
    latency_max: None,
    plan: |rng| {
        let mut plan = background(rng);
        one_at_a_time(rng, &mut plan, |rng, node| {
            let (alone, others) = sides(rng, node);
            if rng.chance(0.5) {
                Fault::CutOneWay(alone, others)
            } else {
                Fault::CutOneWay(others, alone)
            }
        });
        plan
    },
};

/// Writes are carried out and nobody is told; some come twice, some never.
pub const LOST_RESPONSES: Scenario = Scenario {
    name: "lost_responses",
    load: Load::Data,
    hints_suffice: true,
    latency_max: None,
    plan: |rng| {
        let mut plan = background(rng);
        let mut when = READY_BY;
        while when + Duration::from_secs(4) < CALM_AT {
            let some = |rng: &mut Rng, most| if rng.chance(0.5) { rng.below(most) } else { 0 };
            #[expect(clippy::cast_precision_loss, reason = "a percentage")]
            let share = |percent: u64| percent as f64 / 100.0;
            let faults = wire::Faults {
                answer_lost: share(5 + rng.below(25)),
                answer_doubled: share(some(rng, 30)),
                request_lost: share(some(rng, 10)),
                request_doubled: share(some(rng, 30)),
            };
            plan.at(when, Fault::Messages(faults));
            when = between(rng, when + Duration::from_secs(2), when + Duration::from_secs(6));
        }
        plan.at(CALM_AT, Fault::Messages(wire::Faults::default()));
        plan
    },
};

/// The disk of one node after the other is full, or takes no writes: nobody who asks for a quorum notices, and the node
/// recovers by itself.
pub const DISK_THAT_REFUSES: Scenario = Scenario {
    name: "disk_that_refuses",
    load: Load::Data,
    hints_suffice: true,
    latency_max: Some(Duration::from_secs(1)),
    plan: |rng| {
        let mut plan = background(rng);
        one_after_the_other(rng, |rng, node, begins, ends| {
            if rng.chance(0.5) {
                // The node makes room: flushes give back the log's. Somebody else takes that.
                let mut when = begins;
                while when < ends {
                    plan.at(when, Fault::FullDisk(node.clone()));
                    when += SECOND / 2;
                }
            } else {
                plan.at(begins, Fault::ReadOnlyDisk(node.clone()));
            }
            plan.at(
                ends - 2 * SECOND,
                Fault::Wish(Wish::Complains(node.clone(), "writes are refused")),
            );
            plan.at(ends, Fault::MendDisk(node.clone()));
            plan.at(ends + 3 * SECOND, Fault::Wish(Wish::IsSilentOf(node, "writes are refused")));
        });
        plan
    },
};

/// The disk of one node after the other takes seconds for everything: nobody who asks for a quorum waits for it.
pub const SLOW_DISK: Scenario = Scenario {
    name: "slow_disk",
    load: Load::Data,
    hints_suffice: true,
    latency_max: Some(Duration::from_secs(1)),
    plan: |rng| {
        let mut plan = background(rng);
        one_after_the_other(rng, |rng, node, begins, ends| {
            let by = Duration::from_millis(2_000 + rng.below(3_000));
            plan.at(begins, Fault::SlowDisk(node.clone(), by));
            plan.at(ends - SECOND, Fault::Wish(Wish::Complains(node.clone(), "for the disk of")));
            plan.at(ends, Fault::MendDisk(node));
        });
        plan
    },
};

/// The clock of one node is far off for a while: it says so itself, and so do the others.
pub const CLOCK_FAR_OFF: Scenario = Scenario {
    name: "clock_far_off",
    load: Load::Data,
    hints_suffice: true,
    latency_max: Some(Duration::from_secs(1)),
    plan: |rng| {
        let mut plan = Plan::default();
        one_after_the_other(rng, |rng, node, begins, ends| {
            // Two clocks may begin a second apart.
            let far = 3_000_000 + rng.below(3_600_000_000).cast_signed();
            let by = if rng.chance(0.5) { far } else { -far };
            let other = NODES.into_iter().find(|it| *it != node).unwrap_or_default().to_owned();
            let asks = ends - SECOND;
            plan.at(begins, Fault::Jump(node.clone(), by));
            plan.at(asks, Fault::Wish(Wish::Complains(node.clone(), "the clock of this node is")));
            plan.at(asks, Fault::Wish(Wish::Complains(other.clone(), named(&node))));
            plan.at(ends, Fault::Jump(node.clone(), -by));
            plan.at(ends + 2 * SECOND, Fault::Wish(Wish::IsSilentOf(node, "clock")));
            plan.at(ends + 2 * SECOND, Fault::Wish(Wish::IsSilentOf(other, "clock")));
        });
        plan
    },
};

/// Counters are added to while one node after the other is cut off, dies, or is not answered: what was acknowledged
/// counts once, what is unknown once or not at all.
pub const COUNTERS: Scenario = Scenario {
    name: "counters",
    load: Load::Counters,
    hints_suffice: false,
    latency_max: None,
    plan: |rng| {
        // Requests come once or not at all, as streams bring them: an increment that came twice would count
        // twice.
        let lossy = wire::Faults {
            answer_lost: 0.15,
            answer_doubled: 0.1,
            request_lost: 0.05,
            request_doubled: 0.0,
        };
        let mut plan = background(rng);
        let mut when = READY_BY;
        while when + 8 * SECOND < CALM_AT {
            let begins = between(rng, when, when + SECOND);
            let ends = between(rng, begins + SECOND / 2, begins + 5 * SECOND);
            let node = NODES[usize::try_from(rng.below(3)).unwrap_or_default()];
            let (alone, others) = sides(rng, node);
            let (trouble, over) = match rng.below(5) {
                0 => (Fault::Cut(alone, others), Fault::Heal),
                1 => (Fault::Hold(alone, others), Fault::Heal),
                2 => (Fault::CutOneWay(alone, others), Fault::Heal),
                3 => (Fault::Crash(node.to_owned(), death(rng)), Fault::Restart(node.to_owned())),
                _ => (Fault::Messages(lossy), Fault::Messages(wire::Faults::default())),
            };
            plan.at(begins, trouble);
            plan.at(ends, over);
            when = ends + 2 * SECOND;
        }
        plan
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// What others say of a node whose clock is off.
fn named(node: &str) -> &'static str {
    match node {
        "n1" => "the clock of n1:",
        "n2" => "the clock of n2:",
        _ => "the clock of n3:",
    }
}

/// One node after the other is in trouble for some seconds, each once, with time to recover in between.
fn one_after_the_other(
    rng: &mut Rng,
    mut trouble: impl FnMut(&mut Rng, String, Duration, Duration),
) {
    let mut nodes = NODES;
    rng.shuffle(&mut nodes);
    let mut when = READY_BY + SECOND;
    for node in nodes {
        let begins = between(rng, when, when + SECOND);
        let ends = between(rng, begins + 4 * SECOND, begins + 5 * SECOND);
        trouble(rng, node.to_owned(), begins, ends);
        when = ends + 3 * SECOND;
    }
}

/// One node after the other gets into trouble for some seconds, and out of it.
fn one_at_a_time(rng: &mut Rng, plan: &mut Plan, mut trouble: impl FnMut(&mut Rng, &str) -> Fault) {
    let mut when = READY_BY;
    loop {
        let begins = between(rng, when, when + Duration::from_secs(3));
        let ends =
            between(rng, begins + Duration::from_millis(300), begins + Duration::from_secs(7));
        if CALM_AT <= ends {
            break;
        }
        let node = NODES[usize::try_from(rng.below(3)).unwrap_or_default()];
        plan.at(begins, trouble(rng, node));
        plan.at(ends, Fault::Heal);
        // Sometimes the next trouble comes before the last one is got over.
        when = ends + Duration::from_millis(100);
    }
    plan.at(CALM_AT, Fault::Heal);
}

/// A node, perhaps with a client beside it, and all other nodes.
fn sides(rng: &mut Rng, node: &str) -> (Vec<String>, Vec<String>) {
    let mut alone = vec![node.to_owned()];
    if rng.chance(0.5) {
        alone.push("c1".to_owned());
    }
    let others = NODES.into_iter().filter(|it| *it != node).map(str::to_owned);
    (alone, others.collect())
}

fn death(rng: &mut Rng) -> Death {
    match rng.below(4) {
        0 => Death::Kill,
        1 => Death::PowerCutAllLost,
        _ => Death::PowerCut,
    }
}

/// What may happen at any time: clocks jump, memtables become sstables. Half of the runs have none
/// of one.
fn background(rng: &mut Rng) -> Plan {
    let mut plan = Plan::default();
    let hosts = ["n1", "n2", "n3", "c1", "c2"];
    let kinds = (rng.chance(0.5), rng.chance(0.5));
    for _ in 0..6 {
        let when = between(rng, READY_BY, CALM_AT);
        let host = hosts[usize::try_from(rng.below(5)).unwrap_or_default()];
        let by = rng.below(2 * JUMP_MICROS_MAX).cast_signed() - JUMP_MICROS_MAX.cast_signed();
        if kinds.0 {
            plan.at(when, Fault::Jump(host.to_owned(), by));
        }
        let when = between(rng, READY_BY, CALM_AT);
        let node = NODES[usize::try_from(rng.below(3)).unwrap_or_default()];
        if kinds.1 {
            plan.at(when, Fault::Wish(Wish::Flush(node.to_owned())));
        }
    }
    plan
}
