//! Reading: warm, with too small a cache, cold, and after a kill.

use std::time::Instant;

use super::Context;
use super::load::{killed_setup, killed_workload};
use crate::engines::asks::Asker;
use crate::engines::measure::Measure;
use crate::engines::meter::{self, CHUNK, Tally};
use crate::engines::store::{Ask, Failure, Found, Setup, Store};
use crate::engines::workload::{Kind, Live};

/// Of so many short reads one is timed.
const EVERY: u64 = 8;

/// Reads with a cold cache, each after the pages of all files were dropped.
const COLD_READS: usize = 1_000;

/// A store that is open for measuring.
struct Reading<'a, S> {
    context: &'a Context<'a>,
    live: &'a Live,
    store: S,
}

impl<S: Store> Reading<'_, S> {
    /// Measures one kind of read. `rows` is what the first chunk must find, where that is known.
    fn reads(
        &self,
        measure: Measure,
        rows: Option<usize>,
        mut ask: impl FnMut(&mut Asker<'_>) -> Ask,
    ) -> Result<Tally, Failure> {
        let context = self.context;
        let mut asker = Asker::new(&context.workload, self.live, context.args.seed);
        let prepare = || self.store.query(&ask(&mut asker));
        let read = |query: &S::Query| self.store.read(query);
        let (tally, first) = meter::reads(context.args.time, EVERY, prepare, read)?;
        context.check(measure, first)?;
        match rows {
            Some(rows) if first.rows != rows as u64 => {
                Err(format!("{}: {} rows found of {rows}", measure.label(), first.rows).into())
            }
            Some(_) | None => Ok(tally),
        }
    }

    /// As `reads`, and tells reads a second of processor time.
    fn short(
        &self,
        measure: Measure,
        rows: Option<usize>,
        ask: impl FnMut(&mut Asker<'_>) -> Ask,
    ) -> Result<Tally, Failure> {
        let tally = self.reads(measure, rows, ask)?;
        self.context.figure(measure, tally.ops_per_cpu_second())?;
        Ok(tally)
    }

    /// As `reads`, and tells rows a second of processor time.
    fn long(
        &self,
        measure: Measure,
        ask: impl FnMut(&mut Asker<'_>) -> Ask,
    ) -> Result<(), Failure> {
        let tally = self.reads(measure, None, ask)?;
        self.context.figure(measure, tally.rows_per_cpu_second())
    }

    fn tails(&self, tally: &Tally, p50: Measure, p99: Measure) -> Result<(), Failure> {
        self.context.figure(p50, tally.quantile_us(0.5))?;
        self.context.figure(p99, tally.quantile_us(0.99))
    }

    /// Reads everything, which fills the caches, and counts.
    fn warm_up(&self) -> Result<(), Failure> {
        let found = self.store.scan()?;
        self.context.check(Measure::TableScan, found)?;
        if found.rows == self.live.count {
            return Ok(());
        }
        Err(format!("{} rows found of {}", found.rows, self.live.count).into())
    }

    fn table_scan(&self) -> Result<(), Failure> {
        let mut tally = Tally::new(1)?;
        while tally.ops == 0 || tally.wall < self.context.args.time {
            tally.run(&[()], |()| self.store.scan().map(|it| it.rows))?;
        }
        self.context.figure(Measure::TableScan, tally.rows_per_cpu_second())
    }

    /// Sum, least and greatest over half of a series.
    fn aggregate(&self) -> Result<(), Failure> {
        let context = self.context;
        let mut asker = Asker::new(&context.workload, self.live, context.args.seed);
        let half = context.workload.rows_per_partition() / 2;
        let prepare = || self.store.query(&asker.range(half));
        let read = |query: &S::Query| self.store.aggregate(query).map(|it| it.found());
        let (tally, first) = meter::reads(context.args.time, EVERY, prepare, read)?;
        context.check(Measure::Aggregate, first)?;
        context.figure(Measure::Aggregate, tally.rows_per_cpu_second())
    }
}

pub(super) fn warm<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    let live = &Live::of(&context.workload);
    meter::forget_peak()?;
    let opening = Instant::now();
    let store = S::open(context.dir, &context.setup)?;
    context.figure(Measure::CleanReopen, opening.elapsed().as_secs_f64() * 1e3)?;
    let reading = Reading { context, live, store };
    reading.warm_up()?;
    let hits = reading.short(Measure::PointHit, Some(CHUNK), |it| it.hit())?;
    reading.tails(&hits, Measure::PointHitP50, Measure::PointHitP99)?;
    reading.short(Measure::MissBetween, Some(0), |it| it.miss_between())?;
    reading.short(Measure::MissOutside, Some(0), |it| it.miss_outside())?;
    if context.workload.kind != Kind::Tiny {
        let last = reading.short(Measure::Last, None, |it| it.last())?;
        reading.tails(&last, Measure::LastP50, Measure::LastP99)?;
        reading.long(Measure::RangeScan, |it| it.range(300))?;
    }
    // One of all rows is no answer that anybody would ask for at once.
    if [Kind::Messages, Kind::Metrics].contains(&context.workload.kind) {
        reading.long(Measure::PartitionScan, |it| it.partition())?;
    }
    reading.table_scan()?;
    if context.workload.kind == Kind::Metrics {
        reading.aggregate()?;
    }
    context.figure(Measure::PeakReading, meter::peak_mib()?)?;
    reading.store.close()
}

/// Point reads with a cache of half of the raw bytes.
pub(super) fn beyond<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    let live = &Live::of(&context.workload);
    let row_bytes = context.workload.row_bytes();
    let setup = Setup { cache_bytes: live.count * row_bytes / 2, ..context.setup };
    let reading = Reading { context, live, store: S::open(context.dir, &setup)? };
    reading.warm_up()?;
    let hits = reading.short(Measure::PointBeyond, Some(CHUNK), |it| it.hit())?;
    reading.tails(&hits, Measure::PointBeyondP50, Measure::PointBeyondP99)?;
    reading.store.close()
}

pub(super) fn cold<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    let live = &Live::of(&context.workload);
    let files = meter::files(context.dir)?;
    let reads = |ask: fn(&mut Asker<'_>) -> Ask| {
        let store = S::open(context.dir, &context.setup)?;
        let mut asker = Asker::new(&context.workload, live, context.args.seed);
        let mut tally = Tally::new(1)?;
        let limit = context.args.time * 5;
        while tally.ops < COLD_READS as u64 && tally.wall < limit {
            let query = store.query(&ask(&mut asker));
            meter::forget_pages(&files)?;
            tally.run(&[query], |it| store.read(it).map(|it| it.rows))?;
        }
        store.close()?;
        Ok::<Tally, Failure>(tally)
    };
    let points = reads(|it| it.hit())?;
    context.figure(Measure::ColdPoint, points.quantile_us(0.5))?;
    context.figure(Measure::ColdPointP99, points.quantile_us(0.99))?;
    if context.workload.kind != Kind::Tiny {
        let last = reads(|it| it.last())?;
        context.figure(Measure::ColdLast, last.quantile_us(0.5))?;
        context.figure(Measure::ColdLastP99, last.quantile_us(0.99))?;
    }
    Ok(())
}

/// Opens what a kill has left.
pub(super) fn recover<S: Store>(context: &Context<'_>) -> Result<(), Failure> {
    let opening = Instant::now();
    let store = S::open(context.dir, &killed_setup(context))?;
    context.figure(Measure::KilledReopen, opening.elapsed().as_secs_f64() * 1e3)?;
    let Found { rows, .. } = store.scan()?;
    let lost = Live::of(&killed_workload(context)).count.abs_diff(rows);
    context.figure(Measure::KilledLost, lost as f64)?;
    store.close()
}
