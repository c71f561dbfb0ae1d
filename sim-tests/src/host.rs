//! A node as the simulation sees it: the real node library on simulated seams, and a disk that
//! outlives it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use node::config::{Layers, Origin, Settings};
use node::start::{Node, Seams};
use sys::{Blocking, Job, MemoryDisk, MemoryFacts, Rng, SharedRng, Stepping, Stopped};

use crate::clock::SimClock;
use crate::net::{Counter, SimNet, Sockets};
use crate::trace::Trace;
use crate::wire::Wire;

/// What a step of a job waits for the disk, at most.
const DISK_LATENCY_MAX: Duration = Duration::from_millis(2);

/// A node and its machine. A clone is the same one.
#[derive(Clone)]
pub struct Host {
    /// Its name in the network.
    pub name: String,
    /// Its disk.
    pub disk: MemoryDisk,
    /// Its clocks.
    pub clock: SimClock,
    /// Its network.
    pub net: SimNet,
    /// Whence each of its lives gets its chance.
    pub rng: SharedRng,
    /// How much longer the disk takes for everything.
    pub slow: Slowness,
    trace: Trace,
    /// Power is off: whatever the node makes of that is no bug.
    dying: Arc<AtomicBool>,
    lives: Counter,
    /// What it stopped by itself of.
    stopped: crate::Violations,
}

impl Host {
    /// A machine with an empty disk.
    pub fn new(
        name: &str,
        rng: &mut Rng,
        wire: Wire,
        sockets: Sockets,
        trace: &Trace,
        stopped: crate::Violations,
    ) -> Self {
        Self {
            name: name.to_owned(),
            disk: MemoryDisk::from_seed(rng.next_u64()),
            clock: SimClock::new(rng),
            net: SimNet::new(name, wire, sockets),
            rng: SharedRng::new(rng.fork()),
            slow: Slowness::default(),
            trace: trace.clone(),
            dying: Arc::default(),
            lives: Counter::default(),
            stopped,
        }
    }

    /// From now until its next life the node has no power.
    pub fn begin_to_die(&self) {
        self.dying.store(true, Ordering::Relaxed);
    }

    /// One life: ends when the simulation ends it.
    pub async fn live(self, seeds: String) {
        self.dying.store(false, Ordering::Relaxed);
        let life = self.lives.next();
        self.trace.note(format_args!("{} starts its life {life}", self.name));
        let rng = SharedRng::new(self.rng.fork());
        let threads = || {
            let rng = SharedRng::new(rng.fork());
            let stepping = Stepping::with_latency(rng, Duration::ZERO, DISK_LATENCY_MAX);
            Arc::new(Slowed { stepping, slow: self.slow.clone() })
        };
        let seams = Seams {
            clock: Arc::new(self.clock.clone()),
            disk: Arc::new(self.disk.clone()),
            net: Arc::new(self.net.clone()),
            blocking: threads(),
            jobs: threads(),
            // Small facts are lost with every life: that may cost time, never truth.
            facts: Arc::new(|_| Ok(Arc::new(MemoryFacts::default()))),
            rng: rng.clone(),
        };
        let why = match Node::start(settings(&self.name, &seeds), seams).await {
            Ok(node) => {
                node.serving().await;
                self.trace.note(format_args!("{} serves", self.name));
                node.failed().await
            }
            Err(why) => why,
        };
        self.trace.note(format_args!("{} stopped: {why}", self.name));
        if !self.dying.load(Ordering::Relaxed) {
            self.stopped.add(format!("{} stopped by itself: {why}", self.name));
        }
        std::future::pending().await
    }
}

/// How much longer a disk takes, which the nemesis decides. A clone is the same disk's.
#[derive(Clone, Default)]
pub struct Slowness(Arc<Mutex<Duration>>);

impl Slowness {
    /// From now on every job waits so much longer.
    pub fn set(&self, by: Duration) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = by;
    }

    fn get(&self) -> Duration {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often a job that waits for a slow disk looks whether it still is.
const SLICE: Duration = Duration::from_millis(50);

/// Threads whose jobs wait for a slow disk.
struct Slowed {
    stepping: Stepping,
    slow: Slowness,
}

impl Blocking for Slowed {
    fn run(&self, job: Box<dyn Job>) -> BoxFuture<'static, Result<(), Stopped>> {
        let (stepping, slow) = (self.stepping.clone(), self.slow.clone());
        Box::pin(async move {
            let mut waited = Duration::ZERO;
            // In slices: a disk that is mended is quick for whoever waits for it, too.
            while waited < slow.get() {
                tokio::time::sleep(SLICE).await;
                waited += SLICE;
            }
            stepping.run(job).await
        })
    }
}

fn settings(name: &str, seeds: &str) -> Settings {
    let mut layers = Layers::default();
    let chosen = [
        ("data_dir", "/data"),
        ("listen", "0.0.0.0"),
        ("insecure", "true"),
        ("advertise", name),
        ("seeds", seeds),
        ("num_tokens", "4"),
        ("memory", "64MiB"),
        // Small, so that a run of a minute fills some.
        ("commitlog.segment", "64KiB"),
        // Two clocks may begin a second apart.
        ("clock.skew_warn", "1500ms"),
    ];
    for (key, value) in chosen {
        let set = layers.set(key, value.to_owned(), Origin::Flag("simulation".to_owned()));
        set.expect("the settings above exist");
    }
    Settings::new(layers, 64 << 20).expect("the settings above fit")
}
