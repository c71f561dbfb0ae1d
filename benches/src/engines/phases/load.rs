//! Writing: one row at a time, a hundred at a time, and until the end comes.

use std::io::Read as _;
use std::time::{Duration, Instant};

use super::{Context, Event, tell};
use crate::engines::measure::Measure;
use crate::engines::meter::{self, Tally};
use crate::engines::store::{Failure, Setup, Store};
use crate::engines::workload::{Change, Live, Workload};

/// Rows that are prepared at once, outside of the clocks.
const PREPARED: usize = 8_192;

/// Rows that the log holds when the process is killed.
const KILLED_ROWS: u64 = 500_000;

/// What loading took.
struct Loaded {
    tally: Tally,
    raw_bytes: u64,
    /// Processor time that went into preparing.
    preparing: Duration,
}

/// Loads all rows, `batch` to a write.
fn write_all<S: Store>(
    store: &S,
    workload: &Workload,
    batch: usize,
    every: u64,
) -> Result<Loaded, Failure> {
    let mut loaded = Loaded { tally: Tally::new(every)?, raw_bytes: 0, preparing: Duration::ZERO };
    let mut ops = workload.ops(0..workload.rows).peekable();
    while ops.peek().is_some() {
        let cpu = meter::cpu_of_thread();
        let changes: Vec<Change> =
            ops.by_ref().take(PREPARED).map(|op| workload.change(op)).collect();
        loaded.raw_bytes += changes.iter().map(Change::raw_bytes).sum::<u64>();
        let writes: Vec<(S::Write, u64)> =
            changes.chunks(batch).map(|it| (store.prepare(it), it.len() as u64)).collect();
        drop(changes);
        loaded.preparing += meter::cpu_of_thread() - cpu;
        loaded.tally.run(&writes, |(write, rows)| store.write(write).map(|()| *rows))?;
        let cpu = meter::cpu_of_thread();
        drop(writes);
        loaded.preparing += meter::cpu_of_thread() - cpu;
    }
    Ok(loaded)
}

pub(super) fn single<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    let store = S::open(context.dir, &context.setup)?;
    let tally = write_all(&store, &context.workload, 1, 16)?.tally;
    context.figure(Measure::IngestOne, tally.rows_per_cpu_second())?;
    context.figure(Measure::IngestOneP50, tally.quantile_us(0.5))?;
    context.figure(Measure::IngestOneP99, tally.quantile_us(0.99))?;
    store.close()
}

pub(super) fn load<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    let live = Live::of(&context.workload).count;
    meter::forget_peak()?;
    let (cpu, written) = (meter::cpu_of_process(), meter::bytes_written()?);
    let store = S::open(context.dir, &context.setup)?;
    let Loaded { tally, raw_bytes, preparing } = write_all(&store, &context.workload, 100, 1)?;
    context.figure(Measure::IngestHundred, tally.rows_per_cpu_second())?;
    context.figure(Measure::IngestHundredP50, tally.quantile_us(0.5))?;
    context.figure(Measure::IngestHundredP99, tally.quantile_us(0.99))?;
    let settling = Instant::now();
    store.settle()?;
    let wall = tally.wall + settling.elapsed();
    let cpu = meter::cpu_of_process() - cpu - preparing;
    let rows = tally.rows as f64;
    context.figure(Measure::LoadCpu, cpu.as_secs_f64() * 1e6 / rows)?;
    context.figure(Measure::LoadWall, rows / wall.as_secs_f64())?;
    context.figure(Measure::PeakLoading, meter::peak_mib()?)?;
    context.figure(Measure::Stored, store.stored_bytes()? as f64 / live as f64)?;
    store.close()?;
    let written = meter::bytes_written()? - written;
    context.figure(Measure::Written, written as f64 / raw_bytes as f64)
}

/// The rows that are in the log when the end comes.
pub(super) fn killed_workload(context: &Context<'_>) -> Workload {
    let rows = context.args.rows.min(KILLED_ROWS);
    Workload::new(context.args.workload, rows, context.args.seed)
}

/// So large that nothing is flushed.
pub(super) fn killed_setup(context: &Context<'_>) -> Setup {
    Setup { memtable_bytes: 512 << 20, ..context.setup }
}

pub(super) fn until_killed<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    let store = S::open(context.dir, &killed_setup(context))?;
    write_all(&store, &killed_workload(context), 100, 1)?;
    tell(&Event::Ready)?;
    // Until the parent kills this process, or is gone itself.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Err("nobody killed this process".into())
}
