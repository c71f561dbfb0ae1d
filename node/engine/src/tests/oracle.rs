//! The engine against the plainest model there is: every mutation merged into one map.
//!
//! Whatever is flushed, compacted or reopened in between, a read answers what the model answers; and pages, however they are
//! cut, are exact pieces of the one whole answer.

use model::partial::{Asked, Number, Partial};
use model::read::{Condition, Filter, Fold, Operator, Place, Position, Sieve, Test};
use model::schema::NativeType;
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;

use super::*;

/// What happens to an engine.
#[derive(Clone, Debug)]
enum Action {
    Apply(Mutation),
    Batch(Vec<Mutation>),
    Flush,
    Compact,
    Jobs,
    Kill,
    Check(Question),
}

/// What is asked.
#[derive(Clone, Debug)]
struct Question {
    partition: Option<u64>,
    slices: Vec<Slice>,
    reversed: bool,
    limits: Limits,
    after: Option<u64>,
    filter: Option<Filter>,
    partial: Option<Asked>,
}

const PARTITIONS: u64 = 3;
const ROWS: u64 = 24;

type Model = BTreeMap<PartitionKey, Partition>;

fn bound(number: u64) -> Bytes {
    clustering(number).0
}

fn any_range() -> impl Strategy<Value = (u64, u64)> {
    (0..ROWS, 1..ROWS).prop_map(|(from, len)| (from, from + len))
}

fn any_cell() -> impl Strategy<Value = (ColumnId, Cell)> {
    let content = prop_oneof![
        4 => "[a-d]{0,12}".prop_map(|it| Content::Live { value: Bytes::from(it) }),
        4 => any::<[u8; 8]>().prop_map(|it| Content::Live { value: Bytes::copy_from_slice(&it) }),
        1 => Just(Content::Dead { deleted_at: NOW }),
        1 => (1..50_u32).prop_map(|ttl| Content::Expiring {
            value: Bytes::from_static(b"t"),
            ttl,
            expires_at: NOW + i64::from(ttl) - 25,
        }),
    ];
    (1..5_u32, 1..30_i64, content)
        .prop_map(|(column, timestamp, content)| (ColumnId(column), Cell { timestamp, content }))
}

/// The column that has a cell for each part of its value.
const ELEMENTS: ColumnId = ColumnId(4);

/// One thing that a mutation says.
#[derive(Clone, Debug)]
enum Change {
    Row(u64, bool, i64, Vec<(ColumnId, Cell)>),
    DeleteRow(u64, i64),
    DeleteRange((u64, u64), i64),
    DeletePartition(i64),
    Statics(Vec<(ColumnId, Cell)>),
}

fn any_change() -> impl Strategy<Value = Change> {
    let cells = || prop::collection::vec(any_cell(), 0..3);
    prop_oneof![
        20 => (0..ROWS, any::<bool>(), 1..30_i64, cells())
            .prop_map(|(at, marked, timestamp, cells)| Change::Row(at, marked, timestamp, cells)),
        3 => (0..ROWS, 1..30_i64).prop_map(|(at, timestamp)| Change::DeleteRow(at, timestamp)),
        3 => (any_range(), 1..30_i64).prop_map(|(range, at)| Change::DeleteRange(range, at)),
        1 => (1..15_i64).prop_map(Change::DeletePartition),
        2 => cells().prop_map(Change::Statics),
    ]
}

/// Puts a cell into its column: into one that has elements, at one of a few paths, where its number is
/// the last.
fn put(row: &mut Row, column: ColumnId, cell: Cell) {
    if column != ELEMENTS {
        row.put(column, cell);
        return;
    }
    let mut elements = Elements::default();
    if cell.timestamp % 5 == 0 {
        elements.deletion = Some(deletion(cell.timestamp - 1));
    }
    let path = [b"x", b"y", b"z"][cell.timestamp.unsigned_abs() as usize % 3];
    elements.put(Bytes::from_static(path), cell);
    row.put_elements(column, elements);
}

pub(super) fn any_mutation() -> impl Strategy<Value = Mutation> {
    let parts = (0..PARTITIONS, prop::collection::vec(any_change(), 1..12));
    parts.prop_map(|(number, changes)| {
        let mut partition = Partition::empty(key(number));
        for change in changes {
            match change {
                Change::Row(at, marked, timestamp, cells) => {
                    let liveness = marked.then_some(Liveness { timestamp, expiry: None });
                    let mut row = Row { liveness, ..Row::default() };
                    cells.into_iter().for_each(|(column, cell)| put(&mut row, column, cell));
                    partition.put_row(clustering(at), row);
                }
                Change::DeleteRow(at, timestamp) => {
                    let row = Row { deletion: Some(deletion(timestamp)), ..Row::default() };
                    partition.put_row(clustering(at), row);
                }
                Change::DeleteRange((from, to), timestamp) => {
                    partition.delete_range(bound(from), bound(to), deletion(timestamp));
                }
                Change::DeletePartition(timestamp) => partition.delete(deletion(timestamp)),
                Change::Statics(cells) => {
                    let mut row = Row::default();
                    cells.into_iter().for_each(|(column, cell)| put(&mut row, column, cell));
                    partition.put_static(row);
                }
            }
        }
        Mutation { table: shape(1).id, partition }
    })
}

fn any_slices() -> impl Strategy<Value = Vec<Slice>> {
    let some = prop::collection::btree_set(0..ROWS, 1..7).prop_map(|bounds| {
        let bounds: Vec<u64> = bounds.into_iter().collect();
        let pairs = bounds.chunks_exact(2);
        pairs.map(|it| Slice { start: bound(it[0]), end: bound(it[1]) }).collect()
    });
    let one = (0..ROWS).prop_map(|it| vec![Slice::row(&clustering(it).0)]);
    prop_oneof![Just(vec![Slice::all()]), some, one]
}

fn any_question() -> impl Strategy<Value = Question> {
    let limit = |most: u64| prop_oneof![Just(u64::MAX), 1..most];
    let limits = (limit(6), limit(3), limit(200), limit(400), limit(5)).prop_map(
        |(rows, rows_per_partition, bytes, scanned, tombstones)| Limits {
            rows,
            rows_per_partition,
            bytes,
            scanned,
            tombstones,
        },
    );
    let whole = prop_oneof![2 => limits, 1 => Just(Limits::NONE)];
    let partitions = || prop::option::of(0..PARTITIONS);
    let meant = prop_oneof![
        Just((None, None)),
        any_filter().prop_map(|it| (Some(it), None)),
        any_asked().prop_map(|it| (None, Some(it))),
    ];
    (partitions(), any_slices(), any::<bool>(), whole, partitions(), meant).prop_map(
        |(partition, slices, reversed, limits, after, (filter, partial))| Question {
            partition,
            slices,
            reversed,
            limits,
            after,
            filter,
            partial,
        },
    )
}

fn any_asked() -> impl Strategy<Value = Asked> {
    let number = prop::sample::select(vec![Number::I8, Number::I64, Number::F64]);
    (prop::collection::btree_map(1..4_u32, number, 0..4), any::<bool>()).prop_map(
        |(columns, compared)| Asked {
            columns: columns.into_iter().map(|(id, it)| (ColumnId(id), it)).collect(),
            compared,
        },
    )
}

fn any_filter() -> impl Strategy<Value = Filter> {
    let operator = prop::sample::select(vec![Operator::Eq, Operator::Ge, Operator::Lt]);
    let condition =
        (0..3_u8, 1..4_u32, operator, "[a-d]{0,2}").prop_map(|(kind, id, op, value)| {
            let place = match kind {
                0 => Place::Static(ColumnId(id)),
                1 => Place::Partition(0),
                _ => Place::Regular(ColumnId(id)),
            };
            let value = if kind == 1 { key(u64::from(id) - 1).bytes } else { Bytes::from(value) };
            Condition {
                columns: vec![(place, NativeType::Blob.into())],
                test: Test::Compare(op),
                any_of: vec![vec![value]],
            }
        });
    (prop::collection::vec(condition, 1..3), any::<bool>()).prop_map(|(conditions, compared)| {
        Filter { partition_columns: 1, clustering: Vec::new(), conditions, compared }
    })
}

fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        6 => any_mutation().prop_map(Action::Apply),
        2 => prop::collection::vec(any_mutation(), 1..5).prop_map(Action::Batch),
        2 => Just(Action::Flush),
        1 => Just(Action::Compact),
        1 => Just(Action::Jobs),
        1 => Just(Action::Kill),
        6 => any_question().prop_map(Action::Check),
    ]
}

proptest! {
    #[test]
    fn reads_answer_what_the_model_answers(
        actions in prop::collection::vec(any_action(), 1..50),
        block_bytes in 20..400_usize,
        compressor in prop::sample::select(vec!["LZ4Compressor", "ZstdCompressor", "NoopCompressor"]),
        cache_bytes in prop_oneof![Just(0_u64), Just(1 << 20)],
        target in prop::sample::select(vec!["1B", "300B", "2KiB", "1GiB"]),
        scaling in prop::sample::select(vec!["T4", "N", "L3"]),
    ) {
        let mut world = World::new();
        world.tables[0].compression = [("class".to_owned(), compressor.to_owned())].into();
        world.tables[0].compaction = shards::cut_at(target, scaling);
        world.options.block_bytes = block_bytes;
        world.options.cache_bytes = cache_bytes;
        let mut engine = Some(world.engine());
        let mut model = Model::new();
        for action in actions {
            let Some(open) = engine.take() else { break };
            let killed = matches!(action, Action::Kill);
            match action {
                Action::Apply(mutation) => {
                    write(&open, &mutation).unwrap();
                    take_in(&mut model, mutation);
                }
                Action::Batch(mutations) => {
                    write_all(&open, &mutations).unwrap();
                    mutations.into_iter().for_each(|it| take_in(&mut model, it));
                }
                Action::Flush => flush(&open).unwrap(),
                Action::Compact => compact(&open).unwrap(),
                Action::Jobs => open.run_jobs(),
                Action::Kill => {}
                Action::Check(question) => check(&open, &model, &question)?,
            }
            engine = Some(if killed {
                drop(open);
                world.engine()
            } else {
                open
            });
        }
    }
}

fn take_in(model: &mut Model, mutation: Mutation) {
    let key = mutation.partition.key.clone();
    let merged = model.entry(key.clone()).or_insert_with(|| Partition::empty(key));
    merged.merge(mutation.partition);
}

/// Reads page after page, and compares each with its piece of the model.
fn check(engine: &Engine, model: &Model, question: &Question) -> TestCaseResult {
    let target = match question.partition {
        Some(number) => Target::One(key(number)),
        None => Target::Range { tokens: TokenRange::ALL, after: question.after.map(key) },
    };
    let mut command = Command {
        target,
        slices: question.slices.clone(),
        reversed: question.reversed,
        limits: question.limits,
        filter: question.filter.clone(),
        partial: question.partial.clone(),
        ..all_of(1)
    };
    if let Some(asked) = &question.partial {
        return check_partials(engine, model, &mut command, asked);
    }
    for page in 0.. {
        prop_assert!(page < 500, "pages without end: {command:?}");
        let answer = read(engine, &command).unwrap();
        let mut expected = expected_page(model, &command, &answer);
        let stopped_at = &answer.stopped_at;
        if let Some(mut sieve) = Sieve::new(&command) {
            expected.iter_mut().for_each(|it| sift(&mut sieve, it, command.reversed));
            expected.retain(|it| !it.is_empty());
            prop_assert_eq!(answer.scanned_digest, sieve.digest(stopped_at.as_ref()));
        }
        prop_assert_eq!(&answer.partitions, &expected, "{:?} to {:?}", command, stopped_at);
        prop_assert!(answer.live_rows <= command.limits.rows);
        prop_assert!(answer.partitions.iter().all(Partition::is_normal));
        let live = |it: &Partition| it.rows.iter().filter(|(_, row)| row.is_live(NOW)).count();
        let counted: usize = answer.partitions.iter().map(live).sum();
        // Statics without rows count once, in the page where the partition begins.
        let statics = answer.live_rows - counted as u64;
        prop_assert!(statics <= answer.partitions.len() as u64);
        if page == 0 && stopped_at.is_none() {
            let counted: usize = answer.partitions.iter().map(|it| it.live_rows(NOW)).sum();
            prop_assert_eq!(answer.live_rows, counted as u64);
        }
        let Some(stopped_at) = answer.stopped_at else { break };
        command.resume = Some(stopped_at);
    }
    Ok(())
}

/// Asks for partial after partial, and compares each with what its piece of the model folds to, and all of them
/// with all that is read as rows.
fn check_partials(
    engine: &Engine,
    model: &Model,
    command: &mut Command,
    asked: &Asked,
) -> TestCaseResult {
    let rows = Command { partial: None, limits: Limits::NONE, ..command.clone() };
    let rows = read(engine, &rows).unwrap();
    let mut all = Partial::new(asked);
    rows.partitions.iter().for_each(|it| all.add(asked, &it.rows, NOW));
    all.statics = rows.live_rows - all.rows;

    let unlimited = Command { limits: Limits::NONE, ..command.clone() };
    let mut sum = Partial::new(asked);
    for page in 0.. {
        prop_assert!(page < 500, "pages without end: {command:?}");
        let answer = read(engine, command).unwrap();
        prop_assert!(answer.partitions.is_empty());
        let stopped_at = answer.stopped_at.as_ref();
        let resume = command.resume.clone();
        let piece = Command { resume: resume.clone(), ..unlimited.clone() };
        let mut fold = Fold::new(command).expect("a partial is asked for");
        for partition in expected_page(model, &piece, &answer) {
            let is_inside = |it: Option<&Position>| {
                it.is_some_and(|it| it.key == partition.key && it.clustering.is_some())
            };
            let are_statics_a_row = partition.rows.live(NOW) == 0
                && partition.static_row.has_live_cell(NOW)
                && !is_inside(resume.as_ref());
            prop_assert!(!are_statics_a_row || !is_inside(stopped_at), "it is left in doubt");
            fold.add(&partition.rows);
            if are_statics_a_row {
                fold.add_statics();
            }
            fold.end(&partition);
        }
        let (partial, digest) = fold.finish(stopped_at);
        prop_assert_eq!(answer.live_rows, partial.rows + partial.statics);
        prop_assert_eq!(
            &answer.partial,
            &Some(partial.clone()),
            "{:?} to {:?}",
            command,
            stopped_at
        );
        prop_assert_eq!(answer.scanned_digest, digest);
        sum.merge(&partial);
        let Some(stopped_at) = answer.stopped_at else { break };
        command.resume = Some(stopped_at);
    }
    let known = |it: &Partial| {
        let of = |it: &model::partial::Summary| (it.values(), it.odd, it.least(), it.most());
        (it.rows, it.statics, it.columns.iter().map(of).collect::<Vec<_>>())
    };
    prop_assert_eq!(known(&sum), known(&all));
    Ok(())
}

/// What a filter leaves of a partition that is sifted in one piece.
fn sift(sieve: &mut Sieve, partition: &mut Partition, reversed: bool) {
    if !sieve.begin(&partition.key, &partition.static_row) {
        partition.rows.clear();
        partition.range_tombstones.clear();
    }
    let mut rows = partition.rows.clone();
    if reversed {
        rows.reverse();
    }
    for (clustering, row) in &rows {
        sieve.judge(clustering, row);
    }
    sieve.sift(partition);
    sieve.end(partition);
}

/// What the model holds of the commanded rows, from where `command` resumes to where `answer` stopped.
fn expected_page(model: &Model, command: &Command, answer: &Answer) -> Vec<Partition> {
    let mut expected = Vec::new();
    for (key, partition) in model {
        let wanted = match &command.target {
            Target::One(it) => it == key,
            Target::Range { after, .. } => after.as_ref().is_none_or(|after| after < key),
        };
        let resume = command.resume.as_ref();
        let before = |it: &Position| key < &it.key || (key == &it.key && it.clustering.is_none());
        let behind = |it: &Position| &it.key < key;
        if !wanted || resume.is_some_and(before) || answer.stopped_at.as_ref().is_some_and(behind) {
            continue;
        }
        let (mut start, mut end) = (Bytes::new(), Bytes::from_static(&[0xFF]));
        let next = |at: &Bytes| Bytes::from([at, [0].as_slice()].concat());
        if let Some(Position { key: at_key, clustering: Some(at) }) = resume
            && at_key == key
        {
            if command.reversed { end = at.clone() } else { start = next(at) }
        }
        if let Some(Position { key: at_key, clustering: Some(at) }) = &answer.stopped_at
            && at_key == key
        {
            if command.reversed { start = at.clone() } else { end = next(at) }
        }
        let mut partition = partition.clone();
        clip(&mut partition, command, &start, &end);
        cut_partition(&mut partition, command, &start, &end);
        partition.purge(NOW, i64::MIN, i64::MIN);
        if !partition.is_empty() {
            expected.push(partition);
        }
    }
    expected
}

fn clip(partition: &mut Partition, command: &Command, start: &Bytes, end: &Bytes) {
    let mut slices = command.slices.clone();
    for slice in &mut slices {
        slice.start = slice.start.clone().max(start.clone());
        slice.end = slice.end.clone().min(end.clone());
    }
    slices.retain(|it| it.start < it.end);
    partition.clip_slices(&slices);
}

/// What `rows_per_partition` leaves: all up to the last live row that it allows.
fn cut_partition(partition: &mut Partition, command: &Command, start: &Bytes, end: &Bytes) {
    let max = command.limits.rows_per_partition;
    let filter = command.filter.as_ref();
    let passes = |at: &Clustering, row: &Row| {
        filter.is_none_or(|it| {
            it.admits(&partition.key, &partition.static_row, NOW) && it.passes(at, row, NOW)
        })
    };
    let live = partition.rows.iter().filter(|(at, row)| row.is_live(NOW) && passes(at, row));
    let Ok(last) = usize::try_from(max - 1) else { return };
    let cut = if command.reversed { live.rev().nth(last) } else { live.clone().nth(last) };
    let Some((Clustering(at), _)) = cut.cloned() else { return };
    if command.reversed {
        clip(partition, command, &at, end);
    } else {
        clip(partition, command, start, &Bytes::from([&at, [0].as_slice()].concat()));
    }
}
