//! Random reads over random histories of random tables, against a model that shares no code with what it judges.
//!
//! The whole way of a read is walked: CQL, plan, pages, coordinator, engines that flush, compact and restart in
//! between. Half of the histories happen on one node, and let it forget tombstones early; the others on three at
//! QUORUM, of which one at a time is down. `HELENUS_READS` sets how many reads, `HELENUS_READS_SEED` which.

mod changes;
mod crossing;
mod datum;
mod model;
mod random;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use self::model::{Answered, Model, Read, Table, Write};
use super::replicas::{Cluster, Sizes};
use super::world::{Agreed, BEGIN_MICROS, TIMEOUTS};
use crate::guardrail::Guard;
use crate::{Catalog as _, Executor, Options, Outcome, Request, Source};
use ::model::Consistency;
use sys::{Clock as _, ManualClock, Rng, SharedRng};

/// Reads of each of the two tests where the environment says nothing.
const READS: u64 = 100_000;

/// Steps of a history, and reads after each on average.
const STEPS: usize = 60;
const READS_PER_STEP: u64 = 8;

/// What happens to a table.
#[derive(Clone, Debug)]
enum Step {
    Write(Write),
    Read(Read, u32),
    Advance(u64),
    Silence(Option<usize>),
    Flush(usize),
    Compact(usize),
    Restart(usize),
    Truncate,
}

/// What stays the same over a history.
#[derive(Clone, Debug)]
struct Setting {
    table: Table,
    nodes: usize,
    sizes: Sizes,
    page_bytes_max: u64,
    page_tombstones_max: u64,
}

#[test]
fn one_node_answers_what_the_model_answers() {
    run(1);
}

#[test]
fn three_nodes_answer_what_the_model_answers() {
    run(3);
}

/// The canary: a model that knows three writes only must be found out.
#[test]
fn a_model_that_forgets_is_noticed() {
    let mut rng = Rng::from_seed(1);
    let (setting, steps) = history(&mut rng, 1);
    let (_, what) =
        play_with(&setting, &steps, |model| model.writes.truncate(3)).expect_err("nobody noticed");
    assert!(what.contains("it answered"), "{what}");
}

/// The same of elements: a model that keeps what an assignment or a DELETE of the whole column takes away.
#[test]
fn a_model_that_keeps_elements_is_noticed() {
    let keep = |model: &mut Model| {
        let cells = model.writes.iter_mut().flat_map(|it| it.cells.values_mut());
        cells.for_each(|it| it.deletes = None);
    };
    let is_noticed = |seed| {
        let (setting, steps) = history(&mut Rng::from_seed(seed), 1);
        play_with(&setting, &steps, keep).is_err()
    };
    assert!((1..20).any(is_noticed), "nobody noticed");
}

fn run(nodes: usize) {
    let number = |name: &str| std::env::var(name).ok().map(|it| it.parse::<u64>().unwrap());
    let wanted = number("HELENUS_READS").unwrap_or(READS);
    let first = number("HELENUS_READS_SEED").unwrap_or(nodes as u64);
    let (mut reads, mut rows, mut seed) = (0, 0, first);
    while reads < wanted {
        let mut rng = Rng::from_seed(seed);
        let (setting, steps) = history(&mut rng, nodes);
        match play(&setting, &steps) {
            Ok(seen) => (reads, rows) = (reads + seen.0, rows + seen.1),
            Err((at, what)) => panic!("{}", story(seed, &setting, &steps[..=at], what)),
        }
        seed += 1_000;
    }
    // A model that answers nothing agrees with tables that hold nothing.
    assert!(reads < rows, "{reads} reads saw {rows} rows");
}

fn history(rng: &mut Rng, nodes: usize) -> (Setting, Vec<Step>) {
    let ascends = nodes == 1 && rng.chance(0.5);
    let some = |rng: &mut Rng, of: [u64; 3]| of[rng.below(3) as usize];
    let setting = Setting {
        table: random::table(rng, ascends),
        nodes,
        sizes: Sizes {
            block_bytes: 20 + rng.below(400) as usize,
            cache_bytes: some(rng, [0, 1 << 20, 1 << 20]),
        },
        page_bytes_max: some(rng, [1 << 20, 300, 1]),
        page_tombstones_max: some(rng, [10_000, 3, 1]),
    };
    let mut steps = Vec::new();
    for at in 0..STEPS {
        // Without order few stamps, so that they meet.
        let micros = if ascends { at as i64 + 1 } else { 1 + rng.below(12) as i64 };
        let node = rng.below(3) as usize;
        steps.push(match rng.below(40) {
            0 | 1 => Step::Flush(node),
            2 => Step::Compact(node),
            3 => Step::Restart(node),
            4..=6 => Step::Advance(1 + rng.below(15)),
            7..=9 if 1 < nodes => Step::Silence(Some(node).filter(|_| rng.chance(0.8))),
            10 if rng.chance(0.3) => Step::Truncate,
            _ => Step::Write(random::write(rng, &setting.table, micros)),
        });
        for _ in 0..rng.below(2 * READS_PER_STEP + 1) {
            let read = random::read(rng, &setting.table);
            let page_rows = [1, 2, 3, 7, 5_000][rng.below(5) as usize];
            steps.push(Step::Read(read, page_rows));
        }
    }
    (setting, steps)
}

/// Plays a history: how many reads there were and how many rows they saw, or what went wrong at which step.
fn play(setting: &Setting, steps: &[Step]) -> Result<(u64, u64), (usize, String)> {
    play_with(setting, steps, |_| {})
}

/// The same with a model that something is done to before each step.
fn play_with(
    setting: &Setting,
    steps: &[Step],
    mut meddle: impl FnMut(&mut Model),
) -> Result<(u64, u64), (usize, String)> {
    let mut ground = Ground::new(setting);
    let (mut reads, mut rows) = (0, 0);
    for (at, step) in steps.iter().enumerate() {
        meddle(&mut ground.model);
        match ground.take(step) {
            Ok(seen) => {
                reads += u64::from(matches!(step, Step::Read(..)));
                rows += seen as u64;
            }
            Err(what) => return Err((at, what)),
        }
    }
    Ok((reads, rows))
}

/// The shortest history found that still goes wrong, to be read.
fn story(seed: u64, setting: &Setting, steps: &[Step], mut what: String) -> String {
    let mut steps = steps.to_vec();
    let mut at = steps.len() - 1;
    while 0 < at {
        at -= 1;
        let mut fewer = steps.clone();
        fewer.remove(at);
        if let Err((end, why)) = play(setting, &fewer) {
            fewer.truncate(end + 1);
            (steps, what) = (fewer, why);
            at = at.min(steps.len() - 1);
        }
    }
    let lines: Vec<String> = steps
        .iter()
        .map(|it| match it {
            Step::Write(write) => write.text.clone(),
            Step::Read(read, page_rows) => format!("{} in pages of {page_rows}", read.text),
            Step::Advance(_)
            | Step::Silence(_)
            | Step::Flush(_)
            | Step::Compact(_)
            | Step::Restart(_)
            | Step::Truncate => format!("{it:?}"),
        })
        .collect();
    format!(
        "HELENUS_READS_SEED={seed} goes wrong\n{}\n{} nodes, {:?}, pages of {} bytes and {} tombstones\n{}\n{what}",
        random::create(&setting.table),
        setting.nodes,
        setting.sizes,
        setting.page_bytes_max,
        setting.page_tombstones_max,
        lines.join("\n"),
    )
}

/// The real thing and the model, side by side.
struct Ground {
    executor: Arc<Executor>,
    cluster: Arc<Cluster>,
    clock: Arc<ManualClock>,
    model: Model,
    runtime: tokio::runtime::Runtime,
    silent: BTreeSet<usize>,
}

impl Ground {
    fn new(setting: &Setting) -> Ground {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let clock = Arc::new(ManualClock::new(BEGIN_MICROS));
        let catalog = Arc::new(Agreed::default());
        let options = Options {
            page_rows: 5_000,
            page_bytes_max: setting.page_bytes_max,
            page_tombstones_max: setting.page_tombstones_max,
            prepared_max: 3,
            guard: Arc::new(Guard::default()),
            timeouts: TIMEOUTS,
            partition_bytes: Arc::new(|_, _, _| 0),
        };
        let executor = |store: Arc<dyn crate::Store>| {
            let (rng, clock) = (SharedRng::from_seed(7), Arc::clone(&clock) as Arc<dyn sys::Clock>);
            Arc::new(Executor::new(catalog.clone(), store, rng, clock, options.clone()))
        };
        // The schema first: a cluster is made for its one table.
        let blank = executor(Arc::new(super::world::Fake::new(&clock)));
        let replication =
            format!("{{'class': 'SimpleStrategy', 'replication_factor': {}}}", setting.nodes);
        for text in [
            format!("CREATE KEYSPACE ks WITH replication = {replication}"),
            random::create(&setting.table),
        ] {
            runtime.block_on(blank.execute(request(&text))).unwrap();
        }
        let cluster = Cluster::new(setting.nodes, catalog.schema(), &clock, setting.sizes);
        let coordinator = {
            let _entered = runtime.enter();
            cluster.coordinator(&clock)
        };
        let executor = executor(Arc::new(coordinator));
        let model = Model { table: setting.table.clone(), writes: Vec::new() };
        Ground { executor, cluster, clock, model, runtime, silent: BTreeSet::new() }
    }

    /// Takes a step, and answers how many rows were seen, or what is wrong.
    fn take(&mut self, step: &Step) -> Result<usize, String> {
        let second = self.clock.wall_micros() / 1_000_000;
        match step {
            Step::Write(write) => {
                let outcome = self.execute(request(&write.text));
                match (self.model.write(write, second), outcome) {
                    (true, outcome) => drop(outcome?),
                    (false, Ok(_)) => return Err("it was not refused".to_owned()),
                    // A list has no element there.
                    (false, Err(why)) => return why.contains(" list ").then_some(0).ok_or(why),
                }
            }
            Step::Read(read, page_rows) => {
                let expected = self.model.answer(read, second);
                let found = self.pages(&read.text, *page_rows)?;
                if found != expected {
                    return Err(format!("it answered {found:?}\nand not      {expected:?}"));
                }
                return Ok(found.len());
            }
            Step::Advance(seconds) => self.clock.advance(Duration::from_secs(*seconds)),
            Step::Silence(node) => {
                self.silent = node.iter().copied().collect();
                self.cluster.silence(*node);
            }
            Step::Flush(node) => self.runtime.block_on(self.cluster.flush(*node)),
            Step::Compact(node) => self.runtime.block_on(self.cluster.compact(*node)),
            Step::Restart(node) => self.cluster.restart(*node),
            // It takes all nodes.
            Step::Truncate if self.silent.is_empty() => {
                self.execute(request("TRUNCATE t"))?;
                self.model.writes.clear();
            }
            Step::Truncate => {}
        }
        Ok(0)
    }

    fn execute(&self, request: Request) -> Result<Outcome, String> {
        let reply = self.runtime.block_on(async {
            let reply = self.executor.execute(request).await;
            // What goes on behind an answer at QUORUM comes to its end here.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            reply
        });
        reply.map(|it| it.outcome).map_err(|error| format!("refused: {error:?}"))
    }

    /// All rows, page after page.
    fn pages(&self, text: &str, page_rows: u32) -> Result<Vec<Answered>, String> {
        let mut rows = Vec::new();
        let mut paging_state = None;
        for _ in 0..5_000 {
            let page = Request { page_rows: Some(page_rows), paging_state, ..request(text) };
            let Outcome::Rows(page) = self.execute(page)? else { return Err("no rows".to_owned()) };
            if page_rows < page.rows.len() as u32 {
                return Err(format!("a page of {} rows", page.rows.len()));
            }
            let plain = |row: Vec<Option<bytes::Bytes>>| -> Answered {
                row.into_iter().map(|it| it.map(|it| it.to_vec())).collect()
            };
            rows.extend(page.rows.listed().into_iter().map(plain));
            paging_state = page.paging_state;
            if paging_state.is_none() {
                return Ok(rows);
            }
        }
        Err("pages without end".to_owned())
    }
}

fn request(text: &str) -> Request {
    Request {
        source: Source::Text(text.to_owned()),
        keyspace: Some("ks".into()),
        values: Vec::new(),
        names: None,
        consistency: Consistency::Quorum,
        page_rows: None,
        paging_state: None,
        whole: false,
        timestamp: None,
        now_seconds: None,
        timeout: Some(Duration::from_secs(5)),
        trace: 1,
    }
}
