//! Reading while another thread writes flat out.

use std::sync::atomic::{AtomicBool, Ordering};

use super::Context;
use crate::engines::asks::Asker;
use crate::engines::measure::Measure;
use crate::engines::meter::{self, Tally};
use crate::engines::store::{Failure, Store};
use crate::engines::workload::{Change, Kind, Live, Workload};

/// Rows of one write.
const BATCH: usize = 10;

/// So many times longer than other measures: flushes and compactions must fall into it.
const TIMES: u32 = 4;

pub(super) fn run<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    if context.workload.kind == Kind::Tiny {
        return Ok(());
    }
    let live = &Live::of(&context.workload);
    let store = &S::open(context.dir, &context.setup)?;
    store.scan()?;
    let stop = &AtomicBool::new(false);
    let (read, written) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| write(store, &context.workload, stop));
        let mut asker = Asker::new(&context.workload, live, context.args.seed);
        let prepare = || store.query(&asker.last());
        let read = meter::reads(context.args.time * TIMES, 1, prepare, |it| store.read(it));
        stop.store(true, Ordering::Relaxed);
        (read, writer.join())
    });
    let (read, _) = read?;
    let written = written.map_err(|_| "the writer panicked")??;
    context.figure(Measure::LastWriting, read.ops_per_cpu_second())?;
    context.figure(Measure::LastWritingP50, read.quantile_us(0.5))?;
    context.figure(Measure::LastWritingP99, read.quantile_us(0.99))?;
    context.figure(Measure::WriteReading, written.rows_per_second())?;
    context.figure(Measure::WriteReadingP50, written.quantile_us(0.5))?;
    context.figure(Measure::WriteReadingP99, written.quantile_us(0.99))
}

/// Writes rows that follow those that are loaded, until told to stop.
fn write<S: Store>(store: &S, workload: &Workload, stop: &AtomicBool) -> Result<Tally, Failure> {
    let mut tally = Tally::new(1)?;
    let mut ops = workload.ops(workload.rows..u64::MAX);
    while tally.ops == 0 || !stop.load(Ordering::Relaxed) {
        let changes: Vec<Change> =
            ops.by_ref().take(100 * BATCH).map(|op| workload.change(op)).collect();
        let writes: Vec<S::Write> = changes.chunks(BATCH).map(|it| store.prepare(it)).collect();
        tally.run(&writes, |write| store.write(write).map(|()| BATCH as u64))?;
    }
    Ok(tally)
}
