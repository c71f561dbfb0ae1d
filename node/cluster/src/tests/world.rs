//! A network of nodes with a disk each: everything that they send and persist goes through here.

use super::*;

/// What one node's configuration is.
pub(crate) fn local(node: usize, nodes: usize) -> Local {
    Local {
        cluster_name: "test".to_owned(),
        peer_addr: format!("node{node}:7000"),
        cql_addr: format!("node{node}:9042"),
        client_addr: format!("node{node}:9044"),
        dc: "dc1".to_owned(),
        rack: "rack1".to_owned(),
        num_tokens: 8,
        seeds: (0..nodes).map(|it| format!("node{it}:7000")).collect(),
    }
}

struct Host {
    local: Local,
    cluster: Option<Cluster>,
    /// Encoded, as on a disk.
    disk: Vec<(u8, bytes::Bytes)>,
    paused: bool,
    crashed: bool,
    host_id: HostId,
    skew_micros: i64,
}

/// Some nodes and the links between them.
pub(crate) struct World {
    pub(crate) rng: Rng,
    pub(crate) now: Duration,
    hosts: Vec<Host>,
    /// When it arrives, where from, to which node.
    packets: BTreeMap<(Duration, u64), (usize, usize, bytes::Bytes)>,
    packet_count: u64,
    /// How many of a hundred messages are lost.
    pub(crate) loss: f64,
    /// From, to.
    pub(crate) cut: BTreeSet<(usize, usize)>,
    /// How often a node dies while it persists: some of the records are there, nothing was sent.
    pub(crate) crash: f64,
    /// A planted bug: votes never reach the disk.
    pub(crate) forgets_votes: bool,
    /// How long a proposal waits.
    pub(crate) deadline: Duration,
    pub(crate) events: Vec<Vec<Event>>,
    /// Which request waits on which node.
    pub(crate) waiting: BTreeMap<u64, usize>,
    pub(crate) outcomes: BTreeMap<u64, Outcome>,
    proposed: BTreeMap<u64, Change>,
    /// What every node must agree on, by epoch.
    entries: BTreeMap<u64, Entry>,
    pub(crate) trace: Vec<String>,
}

impl World {
    pub(crate) fn new(seed: u64, nodes: usize) -> World {
        let mut world = World {
            rng: Rng::from_seed(seed),
            now: Duration::ZERO,
            hosts: Vec::new(),
            packets: BTreeMap::new(),
            packet_count: 0,
            loss: 0.0,
            cut: BTreeSet::new(),
            crash: 0.0,
            forgets_votes: false,
            deadline: 10 * SECOND,
            events: Vec::new(),
            waiting: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            proposed: BTreeMap::new(),
            entries: BTreeMap::new(),
            trace: Vec::new(),
        };
        for node in 0..nodes {
            world.push(local(node, nodes));
        }
        world
    }

    pub(crate) fn founded(seed: u64, nodes: usize) -> World {
        let mut world = World::new(seed, nodes);
        world.until("founded", SECOND * 10, |it| it.all_at_epoch(1));
        world
    }

    /// Adds a node that was not there at founding, with the same seeds.
    pub(crate) fn add(&mut self, change: fn(&mut Local)) -> usize {
        let node = self.hosts.len();
        let mut local = Local { seeds: self.hosts[0].local.seeds.clone(), ..local(node, node) };
        change(&mut local);
        self.push(local);
        node
    }

    fn push(&mut self, local: Local) {
        let host_id = HostId(Uuid::nil());
        let host = Host {
            local,
            cluster: None,
            disk: Vec::new(),
            paused: false,
            crashed: false,
            host_id,
            skew_micros: 0,
        };
        self.hosts.push(host);
        self.events.push(Vec::new());
        self.start(self.hosts.len() - 1, |_| {});
    }

    pub(crate) fn count(&self) -> usize {
        self.hosts.len()
    }

    pub(crate) fn host(&self, node: usize) -> HostId {
        self.hosts[node].host_id
    }

    pub(crate) fn cluster(&self, node: usize) -> &Cluster {
        self.hosts[node].cluster.as_ref().expect("the node runs")
    }

    pub(crate) fn runs(&self, node: usize) -> bool {
        self.hosts[node].cluster.is_some()
    }

    pub(crate) fn metadata(&self, node: usize) -> Arc<Metadata> {
        self.cluster(node).snapshot()
    }

    pub(crate) fn two_nodes(&mut self) -> (usize, usize) {
        let from = self.rng.below(self.hosts.len() as u64) as usize;
        let step = 1 + self.rng.below(self.hosts.len() as u64 - 1) as usize;
        (from, (from + step) % self.hosts.len())
    }

    /// Starts a node that does not run, perhaps configured otherwise.
    pub(crate) fn start(&mut self, node: usize, change: impl FnOnce(&mut Local)) {
        change(&mut self.hosts[node].local);
        let host = &self.hosts[node];
        let records = host.disk.iter();
        let records: Vec<Record> = records
            .map(|(kind, payload)| Record::decode(*kind, payload.clone()).expect("our own bytes"))
            .collect();
        let wall = self.wall_micros(node);
        let (cluster, effects) =
            Cluster::new(host.local.clone(), Options::production(), records, wall, &mut self.rng)
                .expect("the node starts");
        self.hosts[node].host_id = cluster.host_id();
        self.hosts[node].cluster = Some(cluster);
        self.act(node, effects);
    }

    pub(crate) fn kill(&mut self, node: usize) {
        self.hosts[node].cluster = None;
        self.waiting.retain(|_, it| *it != node);
    }

    pub(crate) fn restart(&mut self, node: usize) {
        self.kill(node);
        self.start(node, |_| {});
    }

    /// Takes a node's disk away and starts it anew.
    pub(crate) fn wipe(&mut self, node: usize) {
        self.wipe_and(node, |_| {});
    }

    pub(crate) fn wipe_and(&mut self, node: usize, change: impl FnOnce(&mut Local)) {
        self.kill(node);
        self.hosts[node].disk.clear();
        self.start(node, change);
    }

    /// Rewrites a node's disk by its checkpoint.
    pub(crate) fn checkpoint(&mut self, node: usize) {
        let records = self.cluster(node).checkpoint_records();
        self.hosts[node].disk = records.iter().map(|it| (it.kind(), it.encode())).collect();
    }

    /// Cuts a node off from all others.
    pub(crate) fn isolate(&mut self, node: usize) {
        for other in 0..self.hosts.len() {
            self.cut.insert((node, other));
            self.cut.insert((other, node));
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
        self.loss = 0.0;
        self.crash = 0.0;
        self.deadline = 10 * SECOND;
    }

    /// Lets everyone but `node` live on for a while; then it wakes up to a full mailbox.
    pub(crate) fn pause(&mut self, node: usize, time: Duration) {
        self.hosts[node].paused = true;
        self.run(time);
        self.hosts[node].paused = false;
        self.run(SECOND);
    }

    pub(crate) fn propose(&mut self, node: usize, change: Change) -> u64 {
        let request = self.proposed.len() as u64 + 1;
        self.proposed.insert(request, change.clone());
        self.waiting.insert(request, node);
        let deadline = self.now + self.deadline;
        self.call(node, |it, now, rng| it.propose(request, change, deadline, now, rng));
        request
    }

    /// Proposes a change that must be applied.
    pub(crate) fn apply(&mut self, node: usize, change: Change) {
        let request = self.propose(node, change);
        self.until("applied", self.deadline, |it| it.outcomes.contains_key(&request));
        assert!(matches!(self.outcomes[&request], Outcome::Applied { .. }), "{:?}", self.outcomes);
    }

    pub(crate) fn call(
        &mut self,
        node: usize,
        call: impl FnOnce(&mut Cluster, Now, &mut Rng) -> Effects,
    ) {
        let now = Now { mono: self.now, wall_micros: self.wall_micros(node) };
        let Some(cluster) = &mut self.hosts[node].cluster else { return };
        let effects = call(cluster, now, &mut self.rng);
        self.act(node, effects);
    }

    /// Runs until something holds.
    pub(crate) fn until(&mut self, what: &str, limit: Duration, holds: impl Fn(&World) -> bool) {
        let end = self.now + limit;
        while !holds(self) {
            assert!(self.now < end, "not {what} after {limit:?}: {:#?}", self.trace);
            self.step();
        }
    }

    pub(crate) fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    pub(crate) fn all_at_epoch(&self, epoch: u64) -> bool {
        (0..self.hosts.len()).all(|it| self.runs(it) && epoch <= self.metadata(it).epoch)
    }

    pub(crate) fn agreed(&self) -> bool {
        let running = (0..self.hosts.len()).all(|it| self.runs(it));
        running && (1..self.hosts.len()).all(|it| self.metadata(it) == self.metadata(0))
    }

    pub(crate) fn all_alive(&self) -> bool {
        let nodes = 0..self.hosts.len();
        nodes.clone().all(|a| nodes.clone().all(|b| self.cluster(a).is_alive(self.host(b))))
    }

    /// Whether a node's disk holds an accepted value that is not decided there.
    pub(crate) fn has_accepted(&self, node: usize) -> bool {
        let next = self.metadata(node).epoch + 1;
        self.cluster(node).checkpoint_records().iter().any(|it| {
            matches!(it, Record::Acceptor { epoch, acceptor }
                if *epoch == next && acceptor.accepted.is_some())
        })
    }

    /// An outcome that was told is the truth: applied changes are in the log once and at that epoch,
    /// refused and timed out ones are not.
    pub(crate) fn check_outcomes(&self) {
        for (request, outcome) in &self.outcomes {
            let change = &self.proposed[request];
            let Change::CreateTable { table } = change else { continue };
            let at = |entry: &&Entry| {
                let change = &entry.proposal.change;
                matches!(change, Change::CreateTable { table: it } if it.id == table.id)
            };
            let epochs: Vec<u64> =
                self.entries.values().filter(at).map(|entry| entry.epoch).collect();
            match outcome {
                Outcome::Applied { epoch } => assert_eq!(vec![*epoch], epochs),
                Outcome::Unknown => assert!(epochs.len() <= 1),
                Outcome::Refused(_) | Outcome::TimedOut | Outcome::Overloaded => {
                    assert!(epochs.is_empty(), "{outcome:?} and yet at {epochs:?}");
                }
            }
        }
    }

    fn name(&self, host: HostId) -> String {
        let node = self.hosts.iter().position(|it| it.host_id == host);
        node.map_or_else(|| "?".to_owned(), |node| format!("n{node}"))
    }

    fn wall_micros(&self, node: usize) -> i64 {
        1_700_000_000_000_000 + self.now.as_micros() as i64 + self.hosts[node].skew_micros
    }

    /// Makes a node's wall clock jump.
    pub(crate) fn jump(&mut self, node: usize, micros: i64) {
        self.hosts[node].skew_micros += micros;
    }

    /// Delivers what is due, then lets everyone tick.
    fn step(&mut self) {
        self.now += Duration::from_millis(10);
        let later = self.packets.split_off(&(self.now, 0));
        let due = std::mem::replace(&mut self.packets, later);
        for (at, (from, to, bytes)) in due {
            if self.hosts[to].paused {
                self.packets.insert((self.now, at.1), (from, to, bytes));
                continue;
            }
            let envelope = Envelope::decode(bytes).expect("our own bytes");
            self.call(to, |it, now, rng| it.on_message(envelope, now, rng));
        }
        for node in 0..self.hosts.len() {
            if std::mem::take(&mut self.hosts[node].crashed) {
                self.start(node, |_| {});
            }
            let on_turn = (self.now.as_millis() / 10) as usize % 5 == node % 5;
            if on_turn && !self.hosts[node].paused {
                self.call(node, Cluster::tick);
            }
        }
    }

    fn act(&mut self, node: usize, mut effects: Effects) {
        if !effects.persist.is_empty() && self.rng.chance(self.crash) {
            let kept = self.rng.below(effects.persist.len() as u64) as usize;
            effects = Effects { persist: effects.persist, ..Effects::default() };
            effects.persist.truncate(kept);
            self.kill(node);
            self.hosts[node].crashed = true;
        }
        for record in effects.persist {
            if self.forgets_votes && matches!(record, Record::Acceptor { .. }) {
                continue;
            }
            if let Record::Entry(entry) = &record {
                let known = self.entries.entry(entry.epoch).or_insert_with(|| entry.clone());
                assert_eq!(known, entry, "node {node} disagrees");
            }
            self.hosts[node].disk.push((record.kind(), record.encode()));
        }
        for (to, envelope) in effects.send {
            self.send(node, &to, &envelope);
        }
        for event in effects.events {
            if let Event::Proposed { request_id, outcome } = &event {
                let twice = self.outcomes.insert(*request_id, outcome.clone());
                assert_eq!(None, twice, "an outcome is told once");
                self.waiting.remove(request_id);
            }
            let line = match &event {
                Event::Applied { metadata, .. } => format!("applies epoch {}", metadata.epoch),
                Event::Proposed { request_id, outcome } => {
                    format!("proposal {request_id}: {outcome:?}")
                }
                Event::Liveness { host, liveness } => {
                    format!("{} is {liveness:?}", self.name(*host))
                }
                Event::Status { host, status } => format!("{} is {status:?}", self.name(*host)),
                Event::Clock { host, differs: true, .. } => {
                    format!("{} has another clock", self.name(*host))
                }
                Event::Clock { host, differs: false, .. } => {
                    format!("{} has the same clock", self.name(*host))
                }
                Event::Refused(refused) => format!("is refused: {refused}"),
                Event::RefusedPeer { peer_addr, refused } => {
                    format!("refuses {peer_addr}: {refused}")
                }
            };
            let seconds = self.now.as_secs_f64();
            self.trace.push(format!("{seconds:>6.2}s n{node} {line}"));
            self.events[node].push(event);
        }
    }

    fn send(&mut self, from: usize, to: &Destination, envelope: &Envelope) {
        let addr = match to {
            Destination::Addr(addr) => Some(addr.as_str()),
            Destination::Host(host) => self.cluster(from).peer_addr(*host),
        };
        let to = self.hosts.iter().position(|it| Some(it.local.peer_addr.as_str()) == addr);
        let Some(to) = to else { return };
        let lost = self.cut.contains(&(from, to)) || self.rng.chance(self.loss);
        let copies = if self.rng.chance(self.loss / 4.0) { 2 } else { 1 };
        if lost || self.hosts[from].cluster.is_none() {
            return;
        }
        for _ in 0..copies {
            let delay = Duration::from_micros(500 + self.rng.below(20_000));
            self.packet_count += 1;
            let at = (self.now + delay, self.packet_count);
            self.packets.insert(at, (from, to, envelope.encode()));
        }
    }
}
