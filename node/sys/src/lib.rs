//! The seams to the world: time, chance, disk, network and threads.
//!
//! Everything that a run cannot reproduce enters through here: each seam is a trait with a real
//! implementation and, where one can be plain, an in-memory one. Production hands the real ones in,
//! a simulation hands in its own, and nothing above this crate can tell the difference.
//!
//! Invariant: this crate knows nothing of tables, rings or requests.

pub mod blocking;
pub mod clock;
pub mod disk;
pub mod facts;
pub mod hash;
pub mod memory;
pub mod net;
pub mod rng;
pub mod system_log;
pub mod threads;

pub use blocking::{Blocking, Inline, Job, Step, Stepping, Stopped, ThreadPool, run_fn};
pub use clock::{Clock, ManualClock, RealClock};
pub use disk::{Disk, Faults, File, Lock, MemoryDisk, Open, RealDisk};
pub use facts::{FactStore, MemoryFacts, SledFacts};
pub use hash::{HashMap, HashSet, set_hash_seed};
pub use net::{Listener, Net, Stream, TcpNet};
pub use rng::{Rng, SharedRng};
pub use system_log::SystemLog;
pub use threads::at_once;
