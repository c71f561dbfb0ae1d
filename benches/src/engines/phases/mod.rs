//! The phases, each run by a process of its own, which tells its parent line by line what it found.

mod durable;
mod load;
mod mixed;
mod read;

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::args::{Args, EngineName, Phase};
use super::measure::Measure;
use super::store::{Failure, Found, Log, Setup, Store};
use super::stores;
use super::workload::Workload;

/// What a phase tells.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// A figure.
    Figure {
        /// Of what.
        measure: Measure,
        /// In its unit.
        value: f64,
    },
    /// What the first reads of a measure found: the same for every engine.
    Check {
        /// Of what.
        measure: Measure,
        /// How many rows.
        rows: u64,
        /// What they add up to.
        sum: u64,
    },
    /// All is written: the kill may come.
    Ready,
}

/// What a phase works with.
struct Context<'a> {
    args: &'a Args,
    workload: Workload,
    dir: &'a Path,
    setup: Setup,
}

impl Context<'_> {
    fn figure(&self, measure: Measure, value: f64) -> Result<(), Failure> {
        tell(&Event::Figure { measure, value })
    }

    fn check(&self, measure: Measure, Found { rows, sum }: Found) -> Result<(), Failure> {
        tell(&Event::Check { measure, rows, sum })
    }
}

/// Each line goes out at once: the parent acts upon it.
fn tell(event: &Event) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, event)?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Runs `phase` of `engine` on the folder `dir`.
pub(super) fn run(
    args: &Args,
    phase: Phase,
    engine: EngineName,
    dir: &Path,
) -> Result<(), Failure> {
    let setup = Setup {
        cache_bytes: args.cache << 20,
        memtable_bytes: 64 << 20,
        log: Log::Unsynced,
        compression: args.compression,
        ttl: args.ttl,
    };
    let workload = Workload::new(args.workload, args.rows, args.seed);
    let context = Context { args, workload, dir, setup };
    match engine {
        EngineName::Helenus if phase == Phase::Durable => durable::run(&context),
        EngineName::Helenus => with::<stores::helenus::Helenus>(&context, phase),
        #[cfg(feature = "rocksdb")]
        EngineName::RocksDb => with::<stores::rocksdb::RocksDb>(&context, phase),
        #[cfg(feature = "fjall")]
        EngineName::Fjall => with::<stores::fjall::Fjall>(&context, phase),
        #[cfg(not(feature = "rocksdb"))]
        EngineName::RocksDb => Err("this build has no RocksDB: add --features rocksdb".into()),
        #[cfg(not(feature = "fjall"))]
        EngineName::Fjall => Err("this build has no fjall: add --features fjall".into()),
    }
}

fn with<S: Store>(context: &Context<'_>, phase: Phase) -> Result<(), Failure> {
    match phase {
        Phase::Single => load::single::<S>(context),
        Phase::Load => load::load::<S>(context),
        Phase::Read => read::warm::<S>(context),
        Phase::Beyond => read::beyond::<S>(context),
        Phase::Cold => read::cold::<S>(context),
        Phase::Mixed => mixed::run::<S>(context),
        Phase::Kill => load::until_killed::<S>(context),
        Phase::Recover => read::recover::<S>(context),
        // Only helenus has tickets to wait for.
        Phase::Durable => Ok(()),
    }
}
