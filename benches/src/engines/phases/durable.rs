//! Many writers that wait for the disk, against the same ones who do not.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use engine::{Engine, Error, Ticket};

use super::Context;
use crate::engines::measure::Measure;
use crate::engines::meter;
use crate::engines::store::{Failure, Log, Setup, Store as _};
use crate::engines::stores::helenus::{Helenus, mutation};
use crate::engines::workload::Workload;

const WRITERS: usize = 16;

/// Mutations that each of them has under way.
const IN_FLIGHT: usize = 64;

/// Rows that are written in all.
const ROWS: u64 = 640_000;

/// Before a mutation that was refused for want of room is tried again.
const RETRY: Duration = Duration::from_millis(1);

pub(super) fn run(context: &Context<'_>) -> Result<(), Failure> {
    context.figure(Measure::Fdatasync, meter::fdatasync_us(context.dir)?)?;
    let group = rate(context, Log::Synced, "group")?;
    let periodic = rate(context, Log::Unsynced, "periodic")?;
    context.figure(Measure::DurableGroup, group)?;
    context.figure(Measure::DurablePeriodic, periodic)?;
    context.figure(Measure::DurableRatio, group / periodic)
}

/// Rows a second.
fn rate(context: &Context<'_>, log: Log, dir: &str) -> Result<f64, Failure> {
    let store = Helenus::open(&context.dir.join(dir), &Setup { log, ..context.setup })?;
    let rows = context.args.rows.min(ROWS);
    let workload = Workload::new(context.args.workload, rows, context.args.seed);
    let mutations: Vec<Bytes> =
        workload.ops(0..rows).map(|op| mutation(&workload.change(op), context.setup.ttl)).collect();
    let mutations = Arc::new(mutations);
    let begin = Instant::now();
    let writer = |at| {
        let (engine, mutations) = (store.engine.clone(), Arc::clone(&mutations));
        store.runtime.spawn(async move { write(&engine, &mutations, at).await })
    };
    let writers: Vec<_> = (0..WRITERS).map(writer).collect();
    for writer in writers {
        store.runtime.block_on(writer)??;
    }
    let rate = mutations.len() as f64 / begin.elapsed().as_secs_f64();
    store.close()?;
    Ok(rate)
}

/// The share of one writer: every `WRITERS`-th mutation from `at` on.
async fn write(engine: &Engine, mutations: &[Bytes], at: usize) -> Result<(), Error> {
    let mut under_way: VecDeque<Ticket> = VecDeque::with_capacity(IN_FLIGHT);
    for mutation in mutations.iter().skip(at).step_by(WRITERS) {
        if under_way.len() == IN_FLIGHT
            && let Some(oldest) = under_way.pop_front()
        {
            oldest.wait().await?;
        }
        let ticket = loop {
            match engine.apply(mutation.clone()) {
                Err(Error::Overloaded { .. }) => tokio::time::sleep(RETRY).await,
                ticket => break ticket?,
            }
        };
        under_way.push_back(ticket);
    }
    for ticket in under_way {
        ticket.wait().await?;
    }
    Ok(())
}
