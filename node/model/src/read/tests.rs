//! Commands and answers: encodings, and digests.

use super::*;
use crate::{
    Clustering, Liveness, Row, documented, key,
    key::Order,
    partial::{self, Number},
    schema::NativeType,
    worlds,
};
use proptest::{collection::vec, option, prelude::*};
use uuid::Uuid;

fn key() -> impl Strategy<Value = PartitionKey> {
    vec(any::<u8>(), 1..4).prop_map(|bytes| PartitionKey::new(bytes.into()))
}

fn position() -> impl Strategy<Value = Position> {
    (key(), option::of(worlds::clustering()))
        .prop_map(|(key, clustering)| Position { key, clustering: clustering.map(|it| it.0) })
}

fn answer() -> impl Strategy<Value = Answer> {
    let partition = (key(), worlds::partition());
    let counters = (any::<[u64; 3]>(), any::<u32>(), any::<Option<u128>>());
    let partial = option::of(partial::tests::partial().prop_map(Box::new));
    (vec(partition, 0..4), option::of(position()), counters, partial).prop_map(
        |(
            all,
            stopped_at,
            ([tombstones, live_rows, scanned], sstables, scanned_digest),
            partial,
        )| {
            let mut partitions: Vec<Partition> =
                all.into_iter().map(|(key, it)| Partition { key, ..it }).collect();
            partitions.sort_by(|a, b| a.key.cmp(&b.key));
            partitions.dedup_by(|a, b| a.key == b.key);
            Answer {
                partitions,
                stopped_at,
                tombstones,
                live_rows,
                sstables,
                scanned,
                scanned_digest,
                partial,
            }
        },
    )
}

fn target() -> impl Strategy<Value = Target> {
    let ranged = (any::<i64>(), any::<i64>(), option::of(key()))
        .prop_filter("a range that is not empty", |(a, b, _)| a != b)
        .prop_map(|(a, b, after)| {
            let tokens = TokenRange { start: Token(a.min(b)), end: Token(a.max(b)) };
            Target::Range { tokens, after }
        });
    prop_oneof![key().prop_map(Target::One), ranged]
}

fn slices() -> impl Strategy<Value = Vec<Slice>> {
    prop::collection::btree_set(any::<u8>(), 0..8).prop_map(|ends| {
        let ends: Vec<u8> = ends.into_iter().collect();
        let bytes = |it: u8| Bytes::copy_from_slice(&[it]);
        let (pairs, _) = ends.as_chunks::<2>();
        pairs.iter().map(|[a, b]| Slice { start: bytes(*a), end: bytes(*b) }).collect()
    })
}

fn command() -> impl Strategy<Value = Command> {
    let limits =
        any::<[u64; 5]>().prop_map(|[rows, rows_per_partition, bytes, scanned, tombstones]| {
            Limits { rows, rows_per_partition, bytes, scanned, tombstones }
        });
    let dropped = proptest::collection::btree_set(any::<u32>().prop_map(ColumnId), 0..3)
        .prop_map(|it| it.into_iter().collect::<Vec<_>>());
    // One of both, or none.
    let meant = prop_oneof![
        Just((None, None)),
        filter::tests::filter().prop_map(|it| (Some(it), None)),
        partial::tests::asked().prop_map(|it| (None, Some(it))),
    ];
    let rest = (any::<bool>(), option::of(position()), limits, any::<i64>(), dropped, meant);
    (any::<u128>(), target(), slices(), rest).prop_map(
        |(id, target, slices, (reversed, resume, limits, now, dropped, (filter, partial)))| {
            Command {
                table: TableId(Uuid::from_u128(id)),
                target,
                slices,
                reversed,
                resume,
                limits,
                now,
                dropped,
                filter,
                partial,
            }
        },
    )
}

/// A partition cut at these clusterings, in reading direction.
pub(super) fn pieces(partition: &Partition, cuts: &[u8], reversed: bool) -> Vec<Partition> {
    let bounds = cuts.iter().map(|it| vec![*it]).chain([vec![0xFF]]);
    let mut start = Vec::new();
    let piece = |end: Vec<u8>| {
        let mut piece = partition.clone();
        piece.clip(&start, &end);
        start = end;
        piece
    };
    let mut pieces: Vec<Partition> = bounds.map(piece).collect();
    if reversed {
        pieces.reverse();
    }
    pieces
}

const DOCUMENT: &str = include_str!("../../../../docs/formats/read.md");

const DOCUMENTED_TABLE: TableId =
    TableId(Uuid::from_u128(0x1234_5678_9abc_4def_8123_4567_89ab_cdef));

const DOCUMENTED_LIMITS: Limits = Limits {
    rows: 50,
    rows_per_partition: 10,
    bytes: 1 << 20,
    scanned: 16 << 20,
    tombstones: 10_000,
};

fn key_k() -> PartitionKey {
    PartitionKey::new(Bytes::from_static(b"k"))
}

fn hex(bytes: &Bytes) -> String {
    format!("{:02x?}", &bytes[..])
}

#[test]
fn the_documented_command_is_the_one_written() {
    let bytes = Bytes::from(documented::bytes(DOCUMENT, "command"));
    let clustering = |it: &[u8]| Bytes::copy_from_slice(it);
    let command = Command {
        table: DOCUMENTED_TABLE,
        target: Target::Range {
            tokens: TokenRange { start: Token::MIN, end: Token(5) },
            after: Some(key_k()),
        },
        slices: vec![Slice { start: clustering(&[0x80, 1]), end: key::after(b"") }],
        reversed: true,
        resume: Some(Position { key: key_k(), clustering: Some(clustering(&[0x80, 7])) }),
        limits: DOCUMENTED_LIMITS,
        now: 1_705_320_000,
        dropped: Vec::new(),
        filter: Some(Filter {
            partition_columns: 1,
            clustering: vec![(NativeType::Int.into(), Order::Desc)],
            conditions: vec![Condition {
                columns: vec![(Place::Regular(ColumnId(3)), NativeType::Int.into())],
                test: Test::Compare(Operator::Gt),
                any_of: vec![vec![Bytes::from_static(&[0, 0, 0, 7])]],
            }],
            compared: true,
        }),
        partial: None,
    };
    assert_eq!(hex(&bytes), hex(&command.encode()));
    assert_eq!(Command::decode(bytes), Ok(command));
}

#[test]
fn the_documented_command_for_a_partial_is_the_one_written() {
    let bytes = Bytes::from(documented::bytes(DOCUMENT, "command-partial"));
    let command = Command {
        table: DOCUMENTED_TABLE,
        target: Target::One(key_k()),
        slices: vec![Slice { start: Bytes::from_static(&[0x80, 1]), end: key::after(b"") }],
        reversed: false,
        resume: None,
        limits: DOCUMENTED_LIMITS,
        now: 1_705_320_000,
        dropped: Vec::new(),
        filter: None,
        partial: Some(Asked {
            columns: vec![(ColumnId(3), Number::I32), (ColumnId(4), Number::F64)],
            compared: true,
        }),
    };
    assert_eq!(hex(&bytes), hex(&command.encode()));
    assert_eq!(Command::decode(bytes.clone()), Ok(command));
    let mut both = bytes.to_vec();
    both[17] |= 0x10;
    assert_eq!(Command::decode(both.into()).map_err(|it| it.what), Err("command flags"));
}

#[test]
fn the_documented_partial_is_the_one_written() {
    let bytes = Bytes::from(documented::bytes(DOCUMENT, "answer-partial"));
    let asked = Asked {
        columns: vec![(ColumnId(3), Number::I32), (ColumnId(4), Number::F64)],
        compared: true,
    };
    let mut partial = Partial::new(&asked);
    partial.rows = 3;
    for value in [7, -2] {
        partial.columns[0].add(&i32::to_be_bytes(value));
    }
    partial.columns[0].add(&[]);
    partial.columns[1].add(&1.5_f64.to_be_bytes());
    let answer = Answer {
        partitions: Vec::new(),
        stopped_at: None,
        tombstones: 0,
        live_rows: 3,
        sstables: 1,
        scanned: 64,
        scanned_digest: Some(5),
        partial: Some(Box::new(partial)),
    };
    assert_eq!(hex(&bytes), hex(&answer.encode()));
    assert_eq!(Answer::decode(bytes), Ok(answer));
}

#[test]
fn the_documented_answer_is_the_one_written() {
    let bytes = Bytes::from(documented::bytes(DOCUMENT, "answer"));
    let clustering = Bytes::from_static(&[0x80, 1]);
    let mut partition = Partition::empty(key_k());
    let liveness = Some(Liveness { timestamp: 5, expiry: None });
    partition.put_row(Clustering(clustering.clone()), Row { liveness, ..Row::default() });
    let answer = Answer {
        partitions: vec![partition],
        stopped_at: Some(Position { key: key_k(), clustering: Some(clustering) }),
        tombstones: 3,
        live_rows: 1,
        sstables: 2,
        scanned: 64,
        scanned_digest: None,
        partial: None,
    };
    assert_eq!(hex(&bytes), hex(&answer.encode()));
    // Peers of all versions compare digests: this one changes with the version byte only.
    let told = [&[3][..], &bytes[2..17]].concat();
    assert_eq!(answer.digest(), xxhash_rust::xxh3::xxh3_128(&told));
    assert_eq!(Answer::decode(bytes), Ok(answer));
}

#[test]
fn a_range_that_wraps_is_refused() {
    let tokens = TokenRange { start: Token(1), end: Token(2) };
    let target = Target::Range { tokens, after: None };
    let limits = Limits { rows: 1, rows_per_partition: 1, bytes: 1, scanned: 1, tombstones: 1 };
    let table = TableId(Uuid::nil());
    let (slices, resume) = (vec![Slice::all()], None);
    let command = Command {
        table,
        target,
        slices,
        reversed: false,
        resume,
        limits,
        now: 0,
        dropped: Vec::new(),
        filter: None,
        partial: None,
    };
    let mut bytes = command.encode().to_vec();
    assert_eq!(Command::decode(bytes.clone().into()), Ok(command));
    bytes[25] = 0xFF;
    assert_eq!(
        Command::decode(bytes.into()).map_err(|it| it.what),
        Err("token range, which wraps")
    );
}

proptest! {
    #[test]
    fn answers_are_decoded_as_they_were(answer in answer()) {
        prop_assert_eq!(Answer::decode(answer.encode()), Ok(answer));
    }

    #[test]
    fn commands_are_decoded_as_they_were(command in command()) {
        prop_assert_eq!(Command::decode(command.encode()), Ok(command));
    }

    #[test]
    fn cut_encodings_are_refused(
        answer in answer(), command in command(), cut in any::<prop::sample::Index>()
    ) {
        let bytes = answer.encode();
        prop_assert!(Answer::decode(bytes.slice(..cut.index(bytes.len()))).is_err());
        let bytes = command.encode();
        prop_assert!(Command::decode(bytes.slice(..cut.index(bytes.len()))).is_err());
    }

    #[test]
    fn changed_encodings_are_survived(
        answer in answer(), command in command(),
        at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut bytes = answer.encode().to_vec();
        bytes[at.index(answer.encode().len())] = byte;
        if let Ok(other) = Answer::decode(bytes.into()) {
            prop_assert_eq!(Answer::decode(other.encode()), Ok(other));
        }
        let mut bytes = command.encode().to_vec();
        bytes[at.index(command.encode().len())] = byte;
        if let Ok(other) = Command::decode(bytes.into()) {
            prop_assert_eq!(Command::decode(other.encode()), Ok(other));
        }
    }

    /// Equal content has equal digests, whatever it took to collect it; other content has others.
    #[test]
    fn digests_are_of_content_alone(a in answer(), b in answer()) {
        let of_itself = |it| Answer { scanned_digest: None, ..it };
        let (a, b) = (of_itself(a), of_itself(b));
        let idle =
            Answer { tombstones: 0, live_rows: 0, sstables: 0, scanned: 0, ..a.clone() };
        prop_assert_eq!(a.digest(), idle.digest());
        let told = |it: &Answer| -> Vec<Partition> {
            it.partitions.iter().filter(|it| !it.is_empty()).cloned().collect()
        };
        let is_same = told(&a) == told(&b) && a.stopped_at == b.stopped_at;
        prop_assert_eq!(a.digest() == b.digest(), is_same);
    }
}
