//! Three nodes and their network in one thread, and a nemesis that follows its plan.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::{Duration, UNIX_EPOCH};

use sys::Rng;

use crate::clock::{EPOCH_MICROS, SimClock};
use crate::host::Host;
use crate::nemesis::{Death, Fault, Wish};
use crate::net::{PEER_PORT, Sockets};
use crate::trace::Trace;
use crate::wire::{Bug, Wire};

/// The names of all nodes.
pub const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// How much virtual time passes in one turn of all hosts.
const TICK: Duration = Duration::from_millis(2);

/// Far more than any run takes: a run that gets there hangs.
const DURATION_MAX: Duration = Duration::from_secs(120);

/// Between the moment when power begins to fail and the moment when all is dark.
const DYING: Duration = Duration::from_millis(40);

/// What is left of a disk that is about to be full.
const ROOM_BYTES: u64 = 2_000;

/// Operations of the disk within which power fails.
const DYING_OPS_MAX: u64 = 24;

/// Groups between which nothing passes, and whether that is so in both directions.
type Cut = (Vec<String>, Vec<String>, bool);

/// The whole simulation.
pub struct World {
    sim: turmoil::Sim<'static>,
    nodes: BTreeMap<String, Host>,
    clocks: BTreeMap<String, SimClock>,
    wire: Wire,
    sockets: Sockets,
    trace: Trace,
    rng: Rng,
    cuts: Vec<Cut>,
    held: Vec<Cut>,
    dying: VecDeque<(Duration, String, Death)>,
    wishes: Wishes,
}

/// What the operator is to do.
pub type Wishes = Rc<RefCell<VecDeque<Wish>>>;

impl World {
    /// Three nodes with empty disks, about to found a cluster.
    pub fn new(mut rng: Rng, trace: Trace, bug: Bug, stopped: &crate::Violations) -> Self {
        let micros = EPOCH_MICROS.unsigned_abs();
        let mut sim = turmoil::Builder::new()
            .rng_seed(rng.next_u64())
            .epoch(UNIX_EPOCH + Duration::from_micros(micros))
            .simulation_duration(DURATION_MAX)
            .tick_duration(TICK)
            .tcp_capacity(4096)
            .min_message_latency(Duration::ZERO)
            .max_message_latency(Duration::from_millis(8))
            .enable_random_order()
            .build();
        let wire = Wire::new(rng.fork(), trace.clone(), bug);
        let sockets = Sockets::new(trace.clone());
        let seeds = NODES.map(|name| format!("{name}:{PEER_PORT}")).join(",");
        let mut nodes = BTreeMap::new();
        let mut clocks = BTreeMap::new();
        for name in NODES {
            let (wire, sockets) = (wire.clone(), sockets.clone());
            let host = Host::new(name, &mut rng, wire, sockets, &trace, stopped.clone());
            let (living, seeds) = (host.clone(), seeds.clone());
            sim.host(name, move || {
                let life = living.clone().live(seeds.clone());
                async move {
                    life.await;
                    Ok(())
                }
            });
            clocks.insert(name.to_owned(), host.clock.clone());
            nodes.insert(name.to_owned(), host);
        }
        Self {
            sim,
            nodes,
            clocks,
            wire,
            sockets,
            trace,
            rng,
            cuts: Vec::new(),
            held: Vec::new(),
            dying: VecDeque::new(),
            wishes: Rc::default(),
        }
    }

    /// Adds a client with a clock of its own; `client` gets that clock.
    pub fn client<F>(&mut self, name: &str, client: impl FnOnce(SimClock) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let clock = SimClock::new(&mut self.rng);
        self.clocks.insert(name.to_owned(), clock.clone());
        let running = client(clock);
        self.sim.client(name, async move {
            running.await;
            Ok(())
        });
    }

    /// A generator for somebody in this world.
    pub fn fork_rng(&mut self) -> Rng {
        self.rng.fork()
    }

    /// The messages between nodes.
    pub fn wire(&self) -> &Wire {
        &self.wire
    }

    /// All connections.
    pub fn sockets(&self) -> &Sockets {
        &self.sockets
    }

    /// What the operator is to do: whoever does it takes it from here.
    pub fn wishes(&self) -> Wishes {
        Rc::clone(&self.wishes)
    }

    /// Runs until all clients are done, while the plan is carried out.
    pub fn run(&mut self, plan: Vec<(Duration, Fault)>) -> Result<(), String> {
        let mut plan = VecDeque::from(plan);
        loop {
            let now = self.sim.elapsed();
            while self.dying.front().is_some_and(|(when, ..)| *when <= now) {
                if let Some((_, name, death)) = self.dying.pop_front() {
                    self.die(&name, death);
                }
            }
            while plan.front().is_some_and(|(when, _)| *when <= now) {
                if let Some((_, fault)) = plan.pop_front() {
                    self.trace.note_at(now, format_args!("nemesis: {fault:?}"));
                    self.carry_out(fault);
                }
            }
            match self.sim.step() {
                Ok(false) => {}
                Ok(true) => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        for host in self.nodes.values() {
            self.trace.number(host.disk.ops());
            self.trace.number(host.rng.next_u64());
        }
        Ok(())
    }

    fn carry_out(&mut self, fault: Fault) {
        match fault {
            Fault::Cut(from, to) => {
                self.cuts.push((from, to, true));
                self.relink();
            }
            Fault::CutOneWay(from, to) => {
                self.cuts.push((from, to, false));
                self.relink();
            }
            Fault::Hold(from, to) => {
                self.held.push((from, to, true));
                self.relink();
            }
            Fault::Heal => {
                self.cuts.clear();
                self.held.clear();
                self.relink();
            }
            Fault::Crash(name, Death::Kill) => self.die(&name, Death::Kill),
            Fault::Crash(name, death) => self.begin_to_die(name, death),
            Fault::Restart(name) => {
                self.cuts.retain(|(from, ..)| *from != [name.clone()]);
                self.relink();
                self.sim.bounce(name);
            }
            Fault::Jump(name, micros) => {
                if let Some(clock) = self.clocks.get(&name) {
                    clock.jump(micros);
                }
            }
            Fault::Messages(faults) => self.wire.set_faults(faults),
            Fault::LyingDisk(name) => {
                self.disk(&name, |it| sys::Faults { lying_sync: true, ..it.faults() });
            }
            Fault::FullDisk(name) => self.disk(&name, |it| {
                // A write or two still fit, and all that refuses is told of it within a second.
                let capacity = it.used_bytes() + ROOM_BYTES;
                sys::Faults { capacity: Some(capacity), ..it.faults() }
            }),
            Fault::ReadOnlyDisk(name) => {
                self.disk(&name, |it| sys::Faults { read_only: true, ..it.faults() });
            }
            Fault::SlowDisk(name, by) => {
                if let Some(host) = self.nodes.get(&name) {
                    host.slow.set(by);
                }
            }
            Fault::MendDisk(name) => {
                self.disk(&name, |_| sys::Faults::default());
                if let Some(host) = self.nodes.get(&name) {
                    host.slow.set(Duration::ZERO);
                }
            }
            Fault::Wish(wish) => self.wishes.borrow_mut().push_back(wish),
        }
    }

    /// Makes the disk of a node do otherwise from now on.
    fn disk(&self, name: &str, faults: impl FnOnce(&sys::MemoryDisk) -> sys::Faults) {
        if let Some(host) = self.nodes.get(name) {
            host.disk.set_faults(faults(&host.disk));
        }
    }

    /// The power of a node fails during an operation of its disk that is still to come.
    fn begin_to_die(&mut self, name: String, death: Death) {
        let Some(host) = self.nodes.get(&name) else { return };
        host.begin_to_die();
        let last = host.disk.ops() + self.rng.below(DYING_OPS_MAX);
        host.disk.set_faults(sys::Faults { fail_after_ops: Some(last), ..host.disk.faults() });
        self.dying.push_back((self.sim.elapsed() + DYING, name, death));
    }

    fn die(&mut self, name: &str, death: Death) {
        // In silence: see `Sockets`.
        let others = self.clocks.keys().filter(|it| *it != name).cloned().collect();
        self.cuts.push((vec![name.to_owned()], others, true));
        self.relink();
        self.sim.crash(name);
        if death == Death::Kill {
            // The machine is still there and closes what the process had open.
            self.cuts.pop();
            self.relink();
            self.sockets.reset(self.sim.lookup(name));
        }
        if let Some(host) = self.nodes.get(name) {
            match death {
                Death::Kill => host.disk.crash_keep_all(),
                Death::PowerCut => host.disk.crash(&mut self.rng),
                Death::PowerCutAllLost => host.disk.crash_all_lost(),
            }
        }
    }

    /// Makes every link what it should be now.
    fn relink(&self) {
        let all: Vec<&String> = self.clocks.keys().collect();
        for (index, a) in all.iter().enumerate() {
            for b in &all[index + 1..] {
                let held = |(from, to, _): &Cut| joins(from, to, a, b);
                if self.held.iter().any(held) {
                    self.sim.hold(a.as_str(), b.as_str());
                } else {
                    self.sim.release(a.as_str(), b.as_str());
                }
            }
        }
        for (from, to, both) in &self.cuts {
            for (a, b) in from.iter().flat_map(|a| to.iter().map(move |b| (a, b))) {
                if *both {
                    self.sim.partition(a.as_str(), b.as_str());
                } else {
                    self.sim.partition_oneway(a.as_str(), b.as_str());
                }
            }
        }
    }
}

fn joins(from: &[String], to: &[String], a: &String, b: &String) -> bool {
    from.contains(a) && to.contains(b) || from.contains(b) && to.contains(a)
}
