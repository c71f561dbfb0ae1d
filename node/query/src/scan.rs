//! Reads: pages of rows from the store, however it cuts them, become pages of the size asked for.
//!
//! A read is a list of steps: single partitions, or a range of them. A page of the store ends
//! where it likes (rows, bytes, tombstones); `Progress` says how far we have come after each, so a
//! client's page may end there too. A partition that a range was cut in is finished as a step of
//! its own before the range goes on: only there the rows already returned count.
//!
//! Filters travel with the command: a page of the store has the rows that pass, and may end without
//! one where much was scanned.
//!
//! Of an aggregate that replicas can fold, partials are asked for; a page has rows beside one, or instead, where replicas
//! did not agree.

use std::{collections::VecDeque, ops::ControlFlow, sync::Arc};

use futures_util::future::try_join_all;
use model::{
    Partition, PartitionKey, Slice, TokenRange,
    partial::Asked,
    read::{self, Command, Limits, Position, Target},
    rows,
};

use crate::{
    Error, RowValues, Store,
    fold::Folded,
    functions::Moment,
    page::{Progress, refused},
    plan::select::{Output, Select},
    row::{View, Views},
    store,
};

/// Rows asked of the store at once while counting.
const AGGREGATE_ROWS: u64 = 5_000;

/// How much more a replica may scan for a page than a page holds, where a filter leaves most of it
/// out: what is left out costs no way over the network.
const SCANNED_PER_PAGE: u64 = 16;

/// Partitions named by IN that are read at once. What was read of them beyond a full page is
/// dropped, so not many.
const PARTITIONS_AT_ONCE: usize = 8;

/// Room made for the values of a page at once; what is more makes its room when it comes.
const VALUES_BYTES: usize = 64 << 10;

/// A read with its values.
pub(crate) struct Scan<'s> {
    /// The plan.
    pub(crate) select: &'s Select,
    /// Which partitions.
    pub(crate) target: Partitions,
    /// Which rows of each.
    pub(crate) slices: Vec<Slice>,
    /// Which of these rows.
    pub(crate) filter: Option<read::Filter>,
    /// What is to be known of them, where that is enough. There is no filter then, and no limit of rows.
    pub(crate) partial: Option<Asked>,
    /// `PER PARTITION LIMIT`, or no limit.
    pub(crate) rows_per_partition: u64,
    /// Most rows of the page.
    pub(crate) page_rows: u64,
    /// Most bytes of the page, and of each page of the store.
    pub(crate) page_bytes_max: u64,
    /// Most tombstones of each page of the store.
    pub(crate) page_tombstones_max: u64,
    /// The second that decides what has expired.
    pub(crate) now: i64,
}

/// Which partitions, in the order they are returned.
pub(crate) enum Partitions {
    /// These.
    Keys(Vec<PartitionKey>),
    /// All in this range of tokens, which does not wrap.
    Range(TokenRange),
}

/// One thing to ask the store for.
enum Step {
    One(PartitionKey, Option<Position>),
    Range(TokenRange, Option<PartitionKey>),
}

/// Where rows come from.
pub(crate) struct Source {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// How to read, `timeout` excepted.
    pub(crate) options: store::Options,
}

/// How much time is left, each time it is asked.
pub(crate) type TimeLeft<'t> = &'t (dyn Fn() -> Result<std::time::Duration, Error> + Send + Sync);

/// A page of the store.
struct Fetched {
    page: store::Page,
    /// How many rows were asked for.
    asked: u64,
}

/// What is made of the rows.
enum Sink<'s> {
    Rows(&'s [crate::plan::select::Expr], RowValues),
    Fold(&'s [crate::plan::select::Aggregate], Folded),
}

/// Rows of a partition that were shown.
struct Shown<'p> {
    /// How many.
    rows: u64,
    /// The last of them.
    last: Option<rows::View<'p>>,
    /// Whether there are more that are wanted, but not on this page.
    is_cut: bool,
}

/// What came of a page.
pub(crate) struct Scanned {
    /// Its rows.
    pub(crate) rows: RowValues,
    /// How far it came; `None` at the end.
    pub(crate) progress: Option<Progress>,
    /// Tombstones stepped over, by the page of the store that met most.
    pub(crate) tombstones: u64,
}

impl Scan<'_> {
    /// Reads one page after `progress`; all pages for an aggregate.
    pub(crate) async fn run(
        &self,
        mut progress: Progress,
        source: &Source,
        time_left: TimeLeft<'_>,
        moment: &Moment<'_>,
    ) -> Result<Scanned, Error> {
        let mut sink = match &self.select.output {
            Output::Rows(exprs) => Sink::Rows(exprs, RowValues::default()),
            Output::Aggregate(aggregates) => Sink::Fold(aggregates, Folded::new(aggregates)),
        };
        let is_aggregate = matches!(sink, Sink::Fold(..));
        let page_rows = if is_aggregate { u64::MAX } else { self.page_rows };
        let (mut emitted, mut bytes, mut tombstones) = (0_u64, 0_u64, 0);
        // Pages of the steps to come.
        let mut ahead = VecDeque::new();
        let mut step = self.step(&progress)?;
        while let Some(now) = &step {
            let wanted = (page_rows - emitted).min(progress.remaining.unwrap_or(u64::MAX));
            if wanted == 0 || (bytes >= self.page_bytes_max && !is_aggregate) {
                break;
            }
            // What was read ahead is about whole partitions; the rest of one is asked for anew.
            let known = if matches!(now, Step::One(_, None)) { ahead.pop_front() } else { None };
            let fetched = match known {
                Some(fetched) => fetched,
                None => {
                    let options = store::Options { timeout: time_left()?, ..source.options };
                    let asked = if is_aggregate { AGGREGATE_ROWS } else { wanted };
                    let mut pages = self.fetch(now, asked, &progress, source, options).await?;
                    // The step's own page comes first.
                    let Some(fetched) = pages.pop_front() else { break };
                    ahead.extend(pages);
                    fetched
                }
            };
            let Fetched { page, asked } = fetched;
            let here: usize = page.partitions.iter().map(Partition::memory_bytes).sum();
            sink.expect(here);
            bytes += here as u64;
            tombstones = page.tombstones.max(tombstones);
            let cut = page.next.is_some();
            let ends = !cut && matches!(now, Step::Range(..));
            let examined = self.rows_of(&page);
            let (got, whole) = self.take(page, now, wanted, &mut progress, &mut sink, moment)?;
            emitted += got;
            progress.remaining = progress.remaining.map(|left| left - got);
            step = if ends && whole { None } else { self.step(&progress)? };
            // The store stopped for its own reasons: so do we, or an all-tombstone table would
            // keep a client waiting for ever.
            let whole_partition = matches!(&step, Some(Step::One(_, None)));
            if cut && examined < asked && !is_aggregate && !whole_partition {
                break;
            }
            // One over much that is in memory would keep all who share its thread waiting.
            if is_aggregate && step.is_some() {
                tokio::task::yield_now().await;
            }
        }
        let over = step.is_none() || progress.remaining == Some(0);
        Ok(match sink {
            Sink::Rows(_, rows) => {
                Scanned { rows, progress: (!over).then_some(progress), tombstones }
            }
            Sink::Fold(aggregates, folded) => {
                Scanned { rows: folded.finish(aggregates), progress: None, tombstones }
            }
        })
    }

    /// The rows of a page as the store counts them: statics without rows are one.
    fn rows_of(&self, page: &store::Page) -> u64 {
        let rows = |partition: &Partition| match partition.rows.live(self.now) as u64 {
            0 if is_open(page, partition) => 0,
            0 => u64::from(partition.static_row.has_live_cell(self.now)),
            live => live,
        };
        page.partitions.iter().map(rows).sum()
    }

    /// Reads what `step` asks for, and with a whole partition some of those that come after it:
    /// one after the other they would each cost a round trip.
    async fn fetch(
        &self,
        step: &Step,
        rows: u64,
        progress: &Progress,
        source: &Source,
        options: store::Options,
    ) -> Result<VecDeque<Fetched>, Error> {
        let mut reads = Vec::new();
        match (step, &self.target) {
            (Step::One(key, None), Partitions::Keys(keys)) => {
                let later = keys.iter().skip_while(|it| *it != key).take(PARTITIONS_AT_ONCE);
                for key in later {
                    let command = self.command(&Step::One(key.clone(), None), rows, progress);
                    reads.push(source.store.read(command, options));
                }
            }
            (Step::One(..) | Step::Range(..), Partitions::Keys(_) | Partitions::Range(_)) => {
                reads.push(source.store.read(self.command(step, rows, progress), options));
            }
        }
        let pages = match reads.pop() {
            Some(only) if reads.is_empty() => vec![only.await.map_err(Error::of_read)?],
            last => {
                reads.extend(last);
                try_join_all(reads).await.map_err(Error::of_read)?
            }
        };
        Ok(pages.into_iter().map(|page| Fetched { page, asked: rows }).collect())
    }

    /// What comes after `progress`.
    fn step(&self, progress: &Progress) -> Result<Option<Step>, Error> {
        if self.slices.is_empty() {
            return Ok(None);
        }
        let resume = progress.position.as_ref();
        let inside = resume.filter(|it| it.clustering.is_some());
        match &self.target {
            Partitions::Keys(keys) => {
                let at = match resume {
                    None => 0,
                    Some(position) => {
                        let found = keys.iter().position(|it| *it == position.key);
                        let at = found.ok_or_else(|| refused("it is of another partition"))?;
                        if inside.is_some() { at } else { at + 1 }
                    }
                };
                Ok(keys.get(at).map(|key| Step::One(key.clone(), inside.cloned())))
            }
            Partitions::Range(tokens) => {
                let Some(position) = resume else { return Ok(Some(Step::Range(*tokens, None))) };
                if !tokens.contains(position.key.token) {
                    return Err(refused("it is of other tokens"));
                }
                Ok(Some(match inside {
                    Some(inside) => Step::One(position.key.clone(), Some(inside.clone())),
                    None => Step::Range(*tokens, Some(position.key.clone())),
                }))
            }
        }
    }

    fn command(&self, step: &Step, rows: u64, progress: &Progress) -> Arc<Command> {
        let (target, resume, in_partition) = match step {
            Step::One(key, resume) => {
                (Target::One(key.clone()), resume.clone(), progress.in_partition)
            }
            Step::Range(tokens, after) => {
                (Target::Range { tokens: *tokens, after: after.clone() }, None, 0)
            }
        };
        Arc::new(Command {
            table: self.select.table.id,
            target,
            slices: self.slices.clone(),
            reversed: self.select.reversed,
            resume,
            limits: Limits {
                rows,
                rows_per_partition: self.rows_per_partition.saturating_sub(in_partition).max(1),
                bytes: self.page_bytes_max,
                scanned: self.page_bytes_max.saturating_mul(SCANNED_PER_PAGE),
                tombstones: self.page_tombstones_max,
            },
            now: self.now,
            dropped: self.select.table.dropped.clone(),
            filter: self.filter.clone(),
            partial: self.partial.clone(),
        })
    }

    /// Takes the rows of a page, at most `wanted`, and moves `progress` behind them.
    /// Answers how many, and whether that was the whole page.
    fn take(
        &self,
        page: store::Page,
        step: &Step,
        wanted: u64,
        progress: &mut Progress,
        sink: &mut Sink<'_>,
        moment: &Moment<'_>,
    ) -> Result<(u64, bool), Error> {
        let shows_clustering = self.select.output.shows_clustering();
        let mut taken = 0;
        self.take_partial(&page, sink)?;
        for partition in &page.partitions {
            if progress.position.as_ref().is_none_or(|it| it.key != partition.key) {
                progress.in_partition = 0;
            }
            let mut views = Views::new(&self.select.table, shows_clustering, partition, self.now)?;
            let per_partition = self.rows_per_partition.saturating_sub(progress.in_partition);
            let most = [wanted - taken, per_partition];
            let Shown { rows, last, is_cut } =
                self.show(partition, &mut views, most, sink, moment)?;
            taken += rows;
            progress.in_partition += rows;
            if let Some(last) = last {
                let clustering = Some(last.clustering_key().0);
                progress.position = Some(Position { key: partition.key.clone(), clustering });
            }
            if is_cut {
                return Ok((taken, false));
            }
            if is_open(&page, partition) {
                continue;
            }
            // Statics stand for a partition without rows.
            let shows_statics = progress.in_partition == 0
                && self.select.rows.is_all()
                && partition.static_row.has_live_cell(self.now);
            if shows_statics {
                if taken == wanted {
                    return Ok((taken, false));
                }
                sink.take(&views.statics(), moment)?;
                taken += 1;
            }
            progress.finish(partition.key.clone());
        }
        match page.next {
            Some(next) => self.go_on_at(next, progress),
            None => {
                if let Step::One(key, _) = step {
                    progress.finish(key.clone());
                }
            }
        }
        Ok((taken, true))
    }

    /// Takes what the page knows of rows that it does not have.
    fn take_partial(&self, page: &store::Page, sink: &mut Sink<'_>) -> Result<(), Error> {
        let (Some(asked), Some(partial)) = (&self.partial, &page.partial) else { return Ok(()) };
        let Sink::Fold(aggregates, folded) = sink else { return Ok(()) };
        // As below, statics stand for a partition without rows.
        let statics = if self.select.rows.is_all() { partial.statics } else { 0 };
        folded.add_partial(aggregates, asked, partial, partial.rows.saturating_add(statics))
    }

    /// Moves `progress` to where the store stopped: behind the partition, if it has given all the
    /// rows that it may.
    fn go_on_at(&self, next: Position, progress: &mut Progress) {
        if progress.position.as_ref().is_none_or(|it| it.key != next.key) {
            progress.in_partition = 0;
        }
        if next.clustering.is_none() || progress.in_partition >= self.rows_per_partition {
            progress.finish(next.key);
        } else {
            progress.position = Some(next);
        }
    }

    /// Shows the live rows of a partition, in the order they are returned: at most so many as the page wants, and as the
    /// partition may have.
    fn show<'p>(
        &self,
        partition: &'p Partition,
        views: &mut Views<'p>,
        [wanted, per_partition]: [u64; 2],
        sink: &mut Sink<'_>,
        moment: &Moment<'_>,
    ) -> Result<Shown<'p>, Error> {
        let now = self.now;
        let mut live = partition.rows.views().filter(|it| it.is_live(now));
        if let Sink::Fold(aggregates, folded) = sink {
            let rows = partition.rows.live(now);
            let fits = rows as u64 <= wanted.min(per_partition);
            if fits && folded.add_all(aggregates, &partition.rows, rows, now)? {
                let last = if self.select.reversed { live.next() } else { live.next_back() };
                return Ok(Shown { rows: rows as u64, last, is_cut: false });
            }
        }
        let mut shown = Shown { rows: 0, last: None, is_cut: false };
        let visit = |row| {
            if per_partition == shown.rows {
                return ControlFlow::Break(Ok(()));
            }
            shown.is_cut = shown.rows == wanted;
            if shown.is_cut {
                return ControlFlow::Break(Ok(()));
            }
            let took = views.row(row).and_then(|it| sink.take(&it, moment));
            if took.is_err() {
                return ControlFlow::Break(took);
            }
            shown.rows += 1;
            shown.last = Some(row);
            ControlFlow::Continue(())
        };
        // From inside of the list, which knows where its rows lie.
        let stopped = match self.select.reversed {
            true => live.rev().try_for_each(visit),
            false => live.try_for_each(visit),
        };
        stopped.break_value().unwrap_or(Ok(()))?;
        Ok(shown)
    }
}

/// Whether the page ends inside this partition.
fn is_open(page: &store::Page, partition: &Partition) -> bool {
    page.next.as_ref().is_some_and(|it| it.key == partition.key && it.clustering.is_some())
}

impl Sink<'_> {
    /// Rows come that take so many bytes in memory, which is about what is made of them.
    fn expect(&mut self, bytes: usize) {
        match self {
            Sink::Rows(_, values) => values.reserve(bytes.min(VALUES_BYTES)),
            Sink::Fold(..) => {}
        }
    }

    fn take(&mut self, view: &View<'_>, moment: &Moment<'_>) -> Result<(), Error> {
        match self {
            Sink::Rows(exprs, values) => {
                for expr in *exprs {
                    view.put(expr, moment, values)?;
                }
                values.end_row();
                Ok(())
            }
            Sink::Fold(aggregates, folded) => folded.add(aggregates, view, moment),
        }
    }
}
