//! What goes wrong, and when: a plan that a seed draws before the run begins.

use std::time::Duration;

use sys::Rng;

use crate::wire;

/// How a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    /// The process is killed: what was written stays in the page cache.
    Kill,
    /// Power fails at an operation of the disk to come: of what was not synced any part survives,
    /// and peers hear nothing.
    PowerCut,
    /// As a power cut, and nothing of what was not synced survives.
    PowerCutAllLost,
}

/// One thing that goes wrong, or is made good again. Hosts are named as in the simulation.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Nothing passes between the two groups.
    Cut(Vec<String>, Vec<String>),
    /// Nothing passes from the first group to the second; the other way everything does.
    CutOneWay(Vec<String>, Vec<String>),
    /// Whatever is sent between the two groups waits.
    Hold(Vec<String>, Vec<String>),
    /// Everything that was cut or held is whole again.
    Heal,
    /// A node dies.
    Crash(String, Death),
    /// A dead node starts again on the disk that it left.
    Restart(String),
    /// A wall clock jumps by so many microseconds.
    Jump(String, i64),
    /// Single messages between nodes get lost, or come twice.
    Messages(wire::Faults),
    /// From now on syncs of this node's disk answer well and make nothing durable.
    LyingDisk(String),
    /// A node's disk is as good as full: some writes that are under way find no room, later ones are refused.
    FullDisk(String),
    /// A node's disk takes no writes, as after a remount.
    ReadOnlyDisk(String),
    /// Whatever a node does with its disk takes so much longer.
    SlowDisk(String, Duration),
    /// A node's disk is as it should be again.
    MendDisk(String),
    /// The operator does something.
    Wish(Wish),
}

/// What the nemesis wants an operator to do at a node.
#[derive(Clone, Debug)]
pub enum Wish {
    /// Write memtables to sstables. A node that is dead or cut off may fail to.
    Flush(String),
    /// Ask for its health: a reason that has these words must be there.
    Complains(String, &'static str),
    /// Ask for its health: no reason that has these words may be there.
    IsSilentOf(String, &'static str),
}

/// What goes wrong, in order.
#[derive(Clone, Debug, Default)]
pub struct Plan(Vec<(Duration, Fault)>);

impl Plan {
    /// Adds a fault at a time since the simulation began.
    pub fn at(&mut self, when: Duration, fault: Fault) {
        self.0.push((when, fault));
    }

    /// The faults in order of time; those of one time in the order they were added.
    pub fn sorted(mut self) -> Vec<(Duration, Fault)> {
        self.0.sort_by_key(|(when, _)| *when);
        self.0
    }
}

/// A time between two, evenly, in whole milliseconds.
pub fn between(rng: &mut Rng, from: Duration, to: Duration) -> Duration {
    let millis = u64::try_from(to.saturating_sub(from).as_millis()).unwrap_or(u64::MAX);
    from + Duration::from_millis(rng.below(millis.saturating_add(1)))
}
