//! Snapshots, restored and imported: what comes back, what is refused by name, and that nothing changes then.

use std::collections::BTreeSet;
use std::path::Path;

use model::PartitionKey;
use proptest::prelude::*;
use sys::disk::Faults;

use super::oracle::any_mutation;
use super::*;
use crate::snapshot::{self, Admission, Deleted, Foreign, Imported, Listed, Restored, Target};
use crate::{Described, DescribedColumn};

/// Takes everything in but these partitions.
struct Without(Vec<u64>);

impl Admission for Without {
    fn owns(&self, key: &PartitionKey) -> bool {
        !self.0.iter().any(|it| super::key(*it) == *key)
    }

    fn fault(&self, part: &Partition) -> Option<String> {
        let unknown = |row: &Row| row.cells.iter().any(|(id, _)| *id == ColumnId(77));
        let is_unknown = part.rows.iter().any(|(_, row)| unknown(row));
        is_unknown.then(|| "it has a column that the table has not".to_owned())
    }
}

pub(super) fn into(table: u128) -> Target {
    Target { table: shape(table).id, all_tokens: false, admission: Arc::new(Without(Vec::new())) }
}

pub(super) fn create(
    engine: &Engine,
    name: &str,
    tables: &[u128],
) -> Result<Vec<Listed>, snapshot::Error> {
    let tables: Vec<TableId> = tables.iter().map(|it| shape(*it).id).collect();
    wait(engine.create_snapshot(name, &tables, &Inline))
}

/// What the snapshot `name` has of a table.
pub(super) fn listed(engine: &Engine, name: &str, table: u128) -> Listed {
    let all = engine.snapshots().unwrap();
    let found = all.iter().find(|it| it.name == name && it.table == Some(shape(table).id));
    found.unwrap_or_else(|| panic!("{name} in {all:?}")).clone()
}

pub(super) fn restore(
    engine: &Engine,
    name: &str,
    table: u128,
) -> Result<Restored, snapshot::Error> {
    let all = engine.snapshots()?;
    let is_it = |it: &&Listed| it.name == name && it.table == Some(shape(table).id);
    let from = all.iter().find(is_it).unwrap_or_else(|| panic!("{name} in {all:?}")).clone();
    wait(engine.restore_snapshot(&from, None, &into(table), &Inline))
}

fn import(world: &World, engine: &Engine, path: &str) -> Result<Imported, snapshot::Error> {
    import_into(world, engine, path, &into(1))
}

fn import_into(
    world: &World,
    engine: &Engine,
    path: &str,
    target: &Target,
) -> Result<Imported, snapshot::Error> {
    let files = Foreign::find(&world.disk, &[PathBuf::from(path)])?;
    wait(engine.import(&files, target, &Inline))
}

/// Every file of a folder and its bytes.
fn files(disk: &MemoryDisk, dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let names = disk.list(dir).unwrap().into_iter();
    let read = |it: PathBuf| (it.clone(), sys::disk::read_all(disk, &it, 1 << 20).unwrap());
    names.map(|it| dir.join(it)).filter(|it| !disk.is_dir(it)).map(read).collect()
}

fn overwrite(disk: &MemoryDisk, path: &Path, bytes: &[u8]) {
    disk.create_dir_all(path.parent().unwrap()).unwrap();
    // Another file of the name: a link shares its bytes with the live one.
    if disk.exists(path) {
        disk.remove(path).unwrap();
    }
    disk.open(path, sys::Open::CreateNew).unwrap().write_at(bytes, 0).unwrap();
}

/// Three sstables of the first table, one of the second.
fn some_rows(engine: &Engine) {
    for round in 0..3 {
        for at in 0..20 {
            write(engine, &insert(1, at % 4, at, round + 1, &[b'a' + round as u8; 30])).unwrap();
        }
        write(engine, &delete_row(1, 2, 6, round + 1)).unwrap();
        flush(engine).unwrap();
    }
    write(engine, &insert(2, 1, 1, 1, b"of another table")).unwrap();
}

#[test]
fn a_table_becomes_what_it_was_and_what_it_had_become_is_kept() {
    let world = World::new();
    let engine = world.engine();
    some_rows(&engine);
    write(&engine, &insert(1, 1, 1, 9, b"in memory only")).unwrap();
    let before = rows(&engine, &all_of(1));
    let made = create(&engine, "nightly-1", &[1, 2]).unwrap();
    assert_eq!(made.iter().map(|it| it.files).collect::<Vec<_>>(), [4, 1]);
    assert_eq!(engine.snapshots().unwrap(), made);

    write(&engine, &insert(1, 1, 1, 10, b"later")).unwrap();
    write(&engine, &insert(1, 7, 7, 10, b"a later row")).unwrap();
    compact(&engine).unwrap();
    write(&engine, &delete_row(1, 0, 0, 11)).unwrap();
    let later = rows(&engine, &all_of(1));
    assert_ne!(later, before);

    let restored = restore(&engine, "nightly-1", 1).unwrap();
    assert_eq!((restored.files, restored.linked), (4, 4), "none is written again");
    assert_eq!(rows(&engine, &all_of(1)), before);
    assert_eq!(rows(&engine, &all_of(2)).len(), 1);
    // And back to what was there, memory and all.
    let kept = restored.kept.unwrap();
    assert!(kept.starts_with("replaced-"), "{kept}");
    restore(&engine, &kept, 1).unwrap();
    assert_eq!(rows(&engine, &all_of(1)), later);
    restore(&engine, "nightly-1", 1).unwrap();
    drop(engine);
    world.disk.crash_all_lost();
    let engine = world.engine();
    assert_eq!(rows(&engine, &all_of(1)), before);
    // A table that holds what the snapshot has now: its sstables stay.
    write(&engine, &delete_row(1, 1, 1, 20)).unwrap();
    assert_eq!(restore(&engine, "nightly-1", 1).unwrap().linked, 4);
    assert_eq!(rows(&engine, &all_of(1)), before);
    // Unless one of them has rotted, and the snapshot is a copy: that is written again.
    let (path, bytes) = files(&world.disk, &listed(&engine, "nightly-1", 1).folder)[0].clone();
    overwrite(&world.disk, &path, &bytes);
    let live = &engine.inner.table(shape(1).id).unwrap().version().sstables[0].path.clone();
    let file = world.disk.open(live, sys::Open::Write).unwrap();
    file.write_at(&[bytes[100] ^ 1], 100).unwrap();
    assert_eq!(restore(&engine, "nightly-1", 1).unwrap().linked, 3);
    assert_eq!(rows(&engine, &all_of(1)), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is written, flushed and merged before and after.
    #[test]
    fn what_was_restored_reads_as_what_was_snapshot(
        before in prop::collection::vec((any_mutation(), 0..4_u8), 1..12),
        after in prop::collection::vec((any_mutation(), 0..4_u8), 0..12),
    ) {
        let world = World::new();
        let engine = world.engine();
        let run = |steps: &[(Mutation, u8)]| {
            for (mutation, then) in steps {
                write(&engine, mutation).unwrap();
                match then {
                    0 => flush(&engine).unwrap(),
                    1 => compact(&engine).unwrap(),
                    _ => {}
                }
            }
        };
        run(&before);
        let expected = read(&engine, &all_of(1)).unwrap().partitions;
        create(&engine, "s", &[1]).unwrap();
        run(&after);
        restore(&engine, "s", 1).unwrap();
        prop_assert_eq!(&read(&engine, &all_of(1)).unwrap().partitions, &expected);
        compact(&engine).unwrap();
        prop_assert_eq!(&read(&engine, &all_of(1)).unwrap().partitions, &expected);
        drop(engine);
        let engine = world.engine();
        prop_assert_eq!(&read(&engine, &all_of(1)).unwrap().partitions, &expected);
        // By way of an import into a table that has nothing, too.
        let files = Foreign::find(&world.disk, &[listed(&engine, "s", 1).folder]).unwrap();
        engine.truncate(shape(1).id).unwrap();
        wait(engine.import(&files, &into(1), &Inline)).unwrap();
        prop_assert_eq!(&read(&engine, &all_of(1)).unwrap().partitions, &expected);
    }
}

#[test]
fn what_truncate_and_drop_kept_comes_back() {
    let world = World::new();
    let engine = world.engine();
    some_rows(&engine);
    write(&engine, &insert(1, 1, 1, 9, b"in memory only")).unwrap();
    let before = rows(&engine, &all_of(1));
    engine.truncate(shape(1).id).unwrap();
    let name = engine.snapshots().unwrap()[0].name.clone();
    assert!(name.starts_with("truncated-"), "{name}");
    restore(&engine, &name, 1).unwrap();
    assert_eq!(rows(&engine, &all_of(1)), before);

    engine.drop_table(shape(1).id).unwrap();
    let all = engine.snapshots().unwrap();
    let dropped = all.iter().find(|it| it.name.starts_with("dropped-")).unwrap().clone();
    // Created again it is another table, and its columns have other numbers.
    engine.create_table(shape(3)).unwrap();
    let columns = BTreeMap::from([(ColumnId(1), ColumnId(4))]);
    let restored =
        wait(engine.restore_snapshot(&dropped, Some(columns), &into(3), &Inline)).unwrap();
    assert_eq!((restored.linked, restored.kept), (0, None));
    let answer = read(&engine, &all_of(3)).unwrap();
    let mut found = 0;
    for row in answer.partitions.iter().flat_map(|it| it.rows.iter()).map(|(_, row)| row) {
        assert!(row.cell(ColumnId(1)).is_none());
        found += usize::from(row.cell(ColumnId(4)).is_some());
    }
    assert_eq!(found, before.len());
    // A column of which the snapshot's description says nothing is no column of that table.
    let other = BTreeMap::from([(ColumnId(2), ColumnId(1))]);
    let refused = wait(engine.restore_snapshot(&dropped, Some(other), &into(3), &Inline));
    assert!(refused.unwrap_err().to_string().contains("a column 1 that its snapshot"));
}

#[test]
fn a_name_is_refused_that_is_no_name_or_taken() {
    let world = World::new();
    let engine = world.engine();
    for name in ["", ".", "..", "a/b", "a b", "a.unfinished", "é", &"x".repeat(65)] {
        let error = create(&engine, name, &[1]).unwrap_err();
        assert!(matches!(error, snapshot::Error::Name { .. }), "{name}: {error}");
        let error = engine.delete_snapshot(name, None).unwrap_err();
        assert!(matches!(error, snapshot::Error::Name { .. }), "{name}: {error}");
    }
    create(&engine, &"x".repeat(64), &[1]).unwrap();
    let error = create(&engine, &"x".repeat(64), &[2]).unwrap_err().to_string();
    assert!(error.contains("helenus snapshot delete"), "{error}");
    let error = create(&engine, "y", &[9]).unwrap_err().to_string();
    assert!(error.contains("unknown table"), "{error}");
    let error = engine.delete_snapshot("y", None).unwrap_err().to_string();
    assert!(error.contains("no snapshot `y`") && error.contains("snapshot list"), "{error}");
    assert_eq!(engine.snapshots().unwrap().len(), 1);
}

#[test]
fn a_snapshot_is_removed_whole_or_table_by_table_and_on_a_full_disk_too() {
    let world = World::new();
    let engine = world.engine();
    some_rows(&engine);
    for name in ["a", "b"] {
        create(&engine, name, &[1, 2]).unwrap();
    }
    let capacity = Some(world.disk.used_bytes());
    world.disk.set_faults(Faults { capacity, ..Faults::default() });
    let error = engine.delete_snapshot("a", Some(shape(9).id)).unwrap_err().to_string();
    assert!(error.contains("of table"), "{error}");
    let one = engine.delete_snapshot("a", Some(shape(1).id)).unwrap();
    assert_eq!(one, Deleted { tables: 1, files: 3 });
    assert_eq!(engine.snapshots().unwrap().len(), 3);
    assert_eq!(engine.delete_snapshot("a", Some(shape(2).id)).unwrap().tables, 1);
    assert_eq!(engine.delete_snapshot("b", None).unwrap(), Deleted { tables: 2, files: 4 });
    assert_eq!(engine.snapshots().unwrap(), []);
    assert_eq!(world.disk.list(Path::new("/data/snapshots")).unwrap(), Vec::<String>::new());
    assert_eq!(rows(&engine, &all_of(1)).len(), 20 - 1, "the table has its own names");
}

#[test]
fn a_flipped_bit_in_any_byte_of_a_snapshot_is_named_before_anything_changes() {
    let world = World::new();
    let engine = world.engine();
    engine.create_table(described(1, "k", "t")).unwrap();
    for at in 0..12 {
        write(&engine, &insert(1, at % 3, at, 1, b"some value")).unwrap();
    }
    create(&engine, "s", &[1]).unwrap();
    let from = listed(&engine, "s", 1);
    write(&engine, &insert(1, 1, 50, 1, b"later")).unwrap();
    let before = rows(&engine, &all_of(1));
    let pristine = files(&world.disk, &from.folder);
    assert_eq!(pristine.len(), 2, "an sstable and the manifest");
    let refused = |what: &str, path: &Path| {
        let result = wait(engine.restore_snapshot(&from, None, &into(1), &Inline));
        let error = result.err().unwrap_or_else(|| panic!("{what} went unnoticed")).to_string();
        assert!(error.contains(path.to_str().unwrap()), "{what} is not named: {error}");
        let told = error.contains("nothing was changed") || error.contains("start the newer");
        assert!(told, "{what}: {error}");
        assert_eq!(rows(&engine, &all_of(1)), before, "{what}");
    };
    for (path, bytes) in &pristine {
        for byte in 0..bytes.len() {
            let mut rotten = bytes.clone();
            rotten[byte] ^= 1 << (byte % 8);
            overwrite(&world.disk, path, &rotten);
            refused(&format!("byte {byte} of {}", path.display()), path);
        }
        for length in [0, 5, 20, bytes.len() - 1] {
            overwrite(&world.disk, path, &bytes[..length]);
            refused(&format!("{} cut to {length}", path.display()), path);
        }
        overwrite(&world.disk, path, &[bytes, &b"x"[..]].concat());
        refused("a byte more", path);
        overwrite(&world.disk, path, bytes);
    }
    let sstable = &pristine.iter().find(|it| it.0.extension().unwrap() == "sst").unwrap();
    world.disk.remove(&sstable.0).unwrap();
    refused("a missing file", &sstable.0);
    // Another whole sstable under its name: it is not the one of the snapshot.
    let other = World::new();
    let there = other.engine();
    for at in 0..12 {
        write(&there, &insert(1, at % 3, at, 2, b"some value")).unwrap();
    }
    create(&there, "s", &[1]).unwrap();
    let foreign = files(&other.disk, &from.folder);
    assert_eq!(foreign[0].0, sstable.0);
    overwrite(&world.disk, &sstable.0, &foreign[0].1);
    refused("another file", &sstable.0);
    overwrite(&world.disk, &sstable.0, &sstable.1);
    wait(engine.restore_snapshot(&from, None, &into(1), &Inline)).unwrap();
    assert_eq!(rows(&engine, &all_of(1)).len(), 12);
    // What is damaged is listed, with what is wrong, and can be removed.
    let manifest = &pristine.iter().find(|it| it.0 != sstable.0).unwrap().0;
    overwrite(&world.disk, manifest, b"no");
    let it = listed(&engine, "s", 1);
    assert!(it.fault.clone().unwrap().contains("snapshot.manifest"), "{it:?}");
    assert_eq!(engine.delete_snapshot("s", None).unwrap().files, 1);
}

fn described(table: u128, keyspace: &str, name: &str) -> TableShape {
    let column = |id: u32, name: &str, part: &str| DescribedColumn {
        id: ColumnId(id),
        name: name.to_owned(),
        cql_type: "text".to_owned(),
        part: part.to_owned(),
    };
    let described = Described {
        keyspace: keyspace.to_owned(),
        table: name.to_owned(),
        columns: vec![column(0, "id", "partition key"), column(1, "v", "regular")],
        statement: "CREATE TABLE …".to_owned(),
    };
    TableShape { described: Some(Arc::new(described)), ..shape(table) }
}

#[test]
fn a_snapshot_tells_what_the_table_was_called_after_it_is_gone() {
    let mut world = World::new();
    world.tables[0] = described(1, "k", "t");
    let engine = world.engine();
    some_rows(&engine);
    drop(engine);
    // Nobody tells it again: the node was away when the table was dropped.
    world.tables.remove(0);
    let engine = world.engine();
    engine.drop_table(shape(1).id).unwrap();
    let all = engine.snapshots().unwrap();
    assert_eq!(all[0].described.as_ref().unwrap().name(), "k.t");
    assert_eq!(all[0].created, Some(NOW * 1_000_000));
    let altered = TableShape { dropped: vec![ColumnId(3)], ..described(2, "k", "u") };
    engine.create_table(altered).unwrap();
    create(&engine, "s", &[2]).unwrap();
    let it = listed(&engine, "s", 2);
    assert_eq!((it.dropped, it.described.unwrap().name()), (vec![ColumnId(3)], "k.u".into()));
}

#[test]
fn numbers_are_not_given_again_while_a_snapshot_has_them() {
    let world = World::new();
    let engine = world.engine();
    some_rows(&engine);
    let before = rows(&engine, &all_of(1));
    engine.truncate(shape(1).id).unwrap();
    drop(engine);
    let engine = world.engine();
    for at in 0..3 {
        write(&engine, &insert(2, at, at, 5, b"other bytes under a number of its own")).unwrap();
        flush(&engine).unwrap();
        assert_eq!(rows(&engine, &all_of(2)).len(), 1 + at as usize + usize::from(at == 0));
    }
    let name = engine.snapshots().unwrap()[0].name.clone();
    assert_eq!(restore(&engine, &name, 1).unwrap().linked, 3);
    assert_eq!(rows(&engine, &all_of(1)), before);
}

/// A snapshot that was kept elsewhere while its numbers were given to others here.
#[test]
fn blocks_of_another_sstable_of_the_same_number_are_never_served() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 1, b"first")).unwrap();
    create(&engine, "s", &[1]).unwrap();
    let from = listed(&engine, "s", 1);
    let elsewhere = files(&world.disk, &from.folder);
    engine.delete_snapshot("s", None).unwrap();
    engine.truncate(shape(1).id).unwrap();
    let truncated = engine.snapshots().unwrap()[0].name.clone();
    engine.delete_snapshot(&truncated, None).unwrap();
    drop(engine);

    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 1, b"other")).unwrap();
    flush(&engine).unwrap();
    // Its block is in the cache now, under the number that the snapshot has too.
    assert_eq!(rows(&engine, &one(1, 1))[0].2, b"other");
    engine.truncate(shape(1).id).unwrap();
    elsewhere.iter().for_each(|(path, bytes)| overwrite(&world.disk, path, bytes));
    assert_eq!(restore(&engine, "s", 1).unwrap().linked, 1);
    assert_eq!(rows(&engine, &one(1, 1))[0].2, b"first");
}

#[test]
fn files_of_another_node_are_merged_by_their_timestamps() {
    let other = World::new();
    let there = other.engine();
    write(&there, &insert(1, 1, 1, 5, b"newer there")).unwrap();
    write(&there, &insert(1, 1, 2, 1, b"older there")).unwrap();
    write(&there, &delete_row(1, 1, 3, 9)).unwrap();
    flush(&there).unwrap();
    write(&there, &insert(1, 2, 1, 1, b"there only")).unwrap();
    create(&there, "s", &[1]).unwrap();

    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 2, b"older here")).unwrap();
    write(&engine, &insert(1, 1, 2, 2, b"newer here")).unwrap();
    write(&engine, &insert(1, 1, 3, 2, b"deleted there")).unwrap();
    flush(&engine).unwrap();
    for (path, bytes) in files(&other.disk, &listed(&there, "s", 1).folder) {
        let name = path.file_name().unwrap();
        overwrite(&world.disk, &Path::new("/from").join(name), &bytes);
    }
    let imported = import(&world, &engine, "/from").unwrap();
    assert_eq!((imported.files, imported.partitions, imported.rows), (2, 2, 4));
    let expected = vec![
        (1, 1, b"newer there".to_vec()),
        (1, 2, b"newer here".to_vec()),
        (2, 1, b"there only".to_vec()),
    ];
    assert_eq!(rows(&engine, &all_of(1)), expected);
    // Once more changes nothing, and a start and a merge neither.
    import(&world, &engine, "/from").unwrap();
    compact(&engine).unwrap();
    assert_eq!(world.disk.list(Path::new("/from")).unwrap().len(), 3, "they stay where they are");
    drop(engine);
    world.disk.crash_all_lost();
    assert_eq!(rows(&world.engine(), &all_of(1)), expected);
}

#[test]
fn sstables_of_every_version_are_imported() {
    let fixtures: [&[u8]; 3] = [
        include_bytes!("../sstable/fixtures/version-1.sst"),
        include_bytes!("../sstable/fixtures/version-2.sst"),
        include_bytes!("../sstable/fixtures/version-3.sst"),
    ];
    let mut answers = BTreeSet::new();
    for (at, bytes) in fixtures.into_iter().enumerate() {
        let world = World::new();
        let engine = world.engine();
        // Its name says nothing: the header does.
        overwrite(&world.disk, Path::new("/old"), bytes);
        let imported = import(&world, &engine, "/old").unwrap();
        assert_eq!((imported.partitions, imported.rows), (33, 336), "version {}", at + 1);
        answers.insert(format!("{:?}", read(&engine, &all_of(1)).unwrap().partitions));
        let live = &engine.inner.table(shape(1).id).unwrap().version().sstables;
        let found = crate::offline::Sstable::open(&world.disk, &live[0].path).unwrap();
        assert_eq!(found.version(), Some(crate::sstable::format::VERSION));
        assert!(found.read(&mut |_| {}).is_whole());
    }
    assert_eq!(answers.len(), 1, "all three hold the same");
}

#[test]
fn what_does_not_belong_here_is_refused_and_counted() {
    let world = World::new();
    let engine = world.engine();
    some_rows(&engine);
    create(&engine, "s", &[1]).unwrap();
    let from = listed(&engine, "s", 1).folder;
    let from = from.to_str().unwrap();
    engine.truncate(shape(1).id).unwrap();
    let admission: Arc<dyn Admission> = Arc::new(Without(vec![1, 3]));
    let target = Target { table: shape(1).id, all_tokens: false, admission };
    let error = import_into(&world, &engine, from, &target).unwrap_err().to_string();
    assert!(error.contains("6 of 12 partitions") && error.contains("--all-tokens"), "{error}");
    assert_eq!(rows(&engine, &all_of(1)), vec![]);
    let target = Target { all_tokens: true, ..target };
    assert_eq!(import_into(&world, &engine, from, &target).unwrap().strange, 6);
    assert_eq!(rows(&engine, &all_of(1)).len(), 19);

    // A column that the table has not; a folder with nothing in it; a file that is none of ours.
    let mut strange = insert(2, 1, 1, 1, b"v");
    strange.partition.rows.iter_mut().for_each(|(_, row)| row.cells[0].0 = ColumnId(77));
    write(&engine, &strange).unwrap();
    create(&engine, "t", &[2]).unwrap();
    let from = listed(&engine, "t", 2).folder;
    let error = import(&world, &engine, from.to_str().unwrap()).unwrap_err().to_string();
    assert!(error.contains("a column that the table has not"), "{error}");
    world.disk.create_dir_all(Path::new("/empty")).unwrap();
    let error = import(&world, &engine, "/empty").unwrap_err().to_string();
    assert!(error.contains("no sstable (*.sst) in /empty"), "{error}");
    let error = import(&world, &engine, "/nowhere").unwrap_err().to_string();
    assert!(error.starts_with("there is no sstable (*.sst) in /nowhere"), "{error}");
    overwrite(&world.disk, Path::new("/000000000001.sst"), b"not an sstable");
    let error = import(&world, &engine, "/000000000001.sst").unwrap_err().to_string();
    assert!(error.contains("/000000000001.sst") && error.contains("header"), "{error}");
}

#[test]
fn a_full_disk_is_told_and_nothing_changes() {
    let world = World::new();
    let engine = world.engine();
    some_rows(&engine);
    flush(&engine).unwrap();
    create(&engine, "s", &[1]).unwrap();
    write(&engine, &insert(1, 9, 9, 9, b"later, and in memory")).unwrap();
    let before = rows(&engine, &all_of(1));
    let on_disk = engine.snapshots().unwrap();
    let full = |free: u64| {
        let capacity = Some(world.disk.used_bytes() + free);
        world.disk.set_faults(Faults { capacity, ..Faults::default() });
    };
    let is_full = |error: snapshot::Error| {
        let engine_said = matches!(error, snapshot::Error::Engine(Error::DiskFull { .. }));
        assert!(engine_said, "{error}");
    };
    // However little room there is.
    for free in (0..600).step_by(75) {
        full(free);
        is_full(create(&engine, "t", &[1]).unwrap_err());
        let files = Foreign::find(&world.disk, &[on_disk[0].folder.clone()]).unwrap();
        is_full(wait(engine.import(&files, &into(1), &Inline)).unwrap_err());
        if free < 450 {
            is_full(restore(&engine, "s", 1).unwrap_err());
        }
        assert_eq!(engine.snapshots().unwrap(), on_disk);
        assert_eq!(rows(&engine, &all_of(1)), before);
    }
    world.disk.set_faults(Faults::default());
    // What an edit that failed may have made live stays until the next start, and no longer.
    drop(engine);
    let engine = world.engine();
    let live = &engine.inner.table(shape(1).id).unwrap().version().sstables;
    let table = PathBuf::from("/data/tables").join(shape(1).id.0.to_string());
    assert_eq!(world.disk.list(&table).unwrap().len(), live.len());
    assert_eq!(rows(&engine, &all_of(1)), before);
    create(&engine, "t", &[1]).unwrap();
    restore(&engine, "s", 1).unwrap();
    assert_eq!(rows(&engine, &all_of(1)).len(), before.len() - 1);
}

#[test]
fn automatic_snapshots_go_after_a_day_and_named_ones_stay() {
    let world = World::new();
    let engine = world.engine();
    write(&engine, &insert(1, 1, 1, 5, b"old")).unwrap();
    create(&engine, "named", &[1]).unwrap();
    engine.truncate(shape(1).id).unwrap();
    let names = || -> BTreeSet<String> {
        let cut = |it: Listed| it.name.split('-').next().unwrap().to_owned();
        engine.snapshots().unwrap().into_iter().map(cut).collect()
    };
    let both = BTreeSet::from(["named".to_owned(), "truncated".to_owned()]);
    assert_eq!((engine.expire_snapshots(), names()), (0, both.clone()));
    world.clock.set((NOW + 86_400) * 1_000_000);
    assert_eq!((engine.expire_snapshots(), names()), (0, both), "not a moment too soon");
    world.clock.set((NOW + 86_401) * 1_000_000);
    assert_eq!((engine.expire_snapshots(), names()), (1, BTreeSet::from(["named".to_owned()])));
    assert_eq!(restore(&engine, "named", 1).unwrap().rows, 1);
}
