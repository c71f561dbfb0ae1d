//! One run: from a seed to what was wrong, and the number that two runs of a seed must share.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sys::Rng;
use tokio::sync::watch;

use crate::check::{register, set};
use crate::clock::SimClock;
use crate::history::Event;
use crate::judge::{Judge, Logs, operate};
use crate::load::{Client, change_schema, use_counters, use_registers, use_shared, write_set};
use crate::nemesis::Fault;
use crate::scenario::{Load, READY_BY, Scenario, WORK_UNTIL};
use crate::trace::Trace;
use crate::wire::{Bug, Counts};
use crate::world::{NODES, World};
use crate::{Violations, seeds};

/// What is broken on purpose, to see whether anyone notices.
#[derive(Clone, Debug, Default)]
pub struct Sabotage {
    /// A bug between replicas.
    pub bug: Bug,
    /// Syncs of all disks answer well and make nothing durable, from the founding on.
    pub lying_disks: bool,
    /// The judge overlooks one row.
    pub overlooking_judge: bool,
}

/// What came of a run.
#[derive(Debug)]
pub struct Report {
    /// The seed it came from.
    pub seed: u64,
    /// Everything that could be seen, as one number.
    pub hash: u64,
    /// What was wrong; empty if all was well.
    pub wrong: Vec<String>,
    /// The story.
    pub lines: Vec<String>,
    /// What happened to messages.
    pub counts: Counts,
    /// What was done to rows.
    pub rows: Vec<Event<set::Op>>,
    /// What was done to registers.
    pub registers: Vec<Event<register::Op>>,
}

/// Runs `scenario` once.
pub fn run(scenario: &Scenario, seed: u64, sabotage: &Sabotage) -> Report {
    let trace = Trace::new();
    let wrong = Violations::default();
    let logs = Logs::new(&trace);
    let mut counts = Counts::default();
    let running = || {
        let mut rng = Rng::from_seed(seed);
        let mut plan = (scenario.plan)(&mut rng);
        if sabotage.lying_disks {
            NODES.into_iter().for_each(|it| plan.at(READY_BY, Fault::LyingDisk(it.to_owned())));
        }
        let mut world = World::new(rng, trace.clone(), sabotage.bug.clone(), &wrong);
        populate(&mut world, scenario, sabotage, &logs, &trace, &wrong);
        if let Err(why) = world.run(plan.sorted()) {
            wrong.add(why);
        }
        wrong.extend(world.wire().violations());
        counts = world.wire().counts();
    };
    // A panic anywhere in the cluster is a failure of this seed, not of the tests.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(running)) {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        wrong.add(format!("panicked: {}", text.unwrap_or("without a text")));
    }
    Report {
        seed,
        hash: trace.hash(),
        wrong: wrong.list(),
        lines: trace.lines(),
        counts,
        rows: logs.rows.events(),
        registers: logs.registers.events(),
    }
}

fn populate(
    world: &mut World,
    scenario: &Scenario,
    sabotage: &Sabotage,
    logs: &Logs,
    trace: &Trace,
    wrong: &Violations,
) {
    let (ready, told) = watch::channel(false);
    let mut rng = world.fork_rng();
    let sockets = world.sockets().clone();
    let mut client = |name: &str, clock: SimClock| Client {
        name: name.to_owned(),
        clock,
        rng: rng.fork(),
        trace: trace.clone(),
        sockets: sockets.clone(),
        until: WORK_UNTIL,
        ready: told.clone(),
    };
    world.client("judge", |clock| {
        let judge = Judge {
            client: client("judge", clock),
            scenario: *scenario,
            ready,
            logs: logs.clone(),
            wrong: wrong.clone(),
            overlooks: sabotage.overlooking_judge,
        };
        judge.preside()
    });
    let (wishes, wrong) = (world.wishes(), wrong.clone());
    world.client("operator", |clock| operate(client("operator", clock), wishes, wrong));
    world.client("c1", |clock| write_set(client("c1", clock), 1, logs.rows.clone()));
    match scenario.load {
        Load::Data => {
            world.client("c2", |clock| write_set(client("c2", clock), 2, logs.rows.clone()));
            for (number, name) in [(3, "c3"), (4, "c4")] {
                let log = logs.registers.clone();
                world.client(name, |clock| use_registers(client(name, clock), number, log));
            }
        }
        Load::Counters => {
            for name in ["c2", "c3", "c4"] {
                let log = logs.counters.clone();
                world.client(name, |clock| use_counters(client(name, clock), log));
            }
        }
        Load::Schema => {
            for (node, name) in NODES.into_iter().zip(["d1", "d2", "d3"]) {
                let (shared, own) = (logs.shared.clone(), logs.own.clone());
                let busy = |clock| change_schema(client(name, clock), node, shared, own);
                world.client(name, busy);
            }
            for (number, name) in [(2, "c2"), (3, "c3")] {
                let log = logs.shared.clone();
                world.client(name, |clock| use_shared(client(name, clock), number, log));
            }
        }
    }
}

/// Lines of the story that are told while many seeds run.
const LINES_TOLD: usize = 60;

impl Report {
    /// What a person needs who sees this seed fail: the whole story when it is the only one, else
    /// its end.
    pub fn story(&self, test: &str) -> String {
        let mut text = format!("{test} fails with seed {}\n", self.seed);
        let (wrong, more) = self.wrong.split_at(self.wrong.len().min(12));
        for wrong in wrong {
            text.push_str(&format!("  wrong: {wrong}\n"));
        }
        if !more.is_empty() {
            text.push_str(&format!("  and {} more\n", more.len()));
        }
        let untold = match seeds::repeats_one() {
            true => 0,
            false => self.lines.len().saturating_sub(LINES_TOLD),
        };
        for line in &self.lines[untold..] {
            text.push_str(&format!("  {line}\n"));
        }
        text.push_str(&format!("repeat it: {}\n", seeds::command(test, self.seed)));
        text
    }
}
