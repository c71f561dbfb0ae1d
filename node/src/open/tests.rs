//! One flipped bit in what a node must not forget: found, named, and never believed. The engine's own files have
//! a test like this one beside the engine.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cluster::{Cluster, Record};
use coordinator::hints::{Hint, Pending};
use model::{HostId, TableId};
use sys::{Disk, Inline, ManualClock, MemoryDisk, MemoryFacts, Rng, SharedRng, TcpNet};

use super::*;
use crate::config::{Layers, Origin};

/// 2024-01-15, microseconds.
const NOW: i64 = 1_705_276_800_000_000;

/// A record and a mark of a system log: docs/formats/system-log.md.
const MARK_BYTES: usize = 21;

fn settings() -> Settings {
    let mut layers = Layers::default();
    layers.set("data_dir", "/node".into(), Origin::Default).expect("a setting");
    Settings::new(layers, 64 << 20).expect("settings that fit")
}

fn seams(disk: &MemoryDisk) -> Seams {
    Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        rng: SharedRng::new(Rng::from_seed(1)),
        disk: Arc::new(disk.clone()),
        net: Arc::new(TcpNet),
        blocking: Arc::new(Inline),
        jobs: Arc::new(Inline),
        facts: Arc::new(|_| Ok(Arc::new(MemoryFacts::default()))),
    }
}

/// What opening finds.
#[derive(Debug, PartialEq)]
struct Found {
    records: Vec<Record>,
    pending: Vec<Pending>,
    reserved: i64,
}

async fn find(disk: &MemoryDisk) -> Result<Found, StartError> {
    let (settings, seams) = (settings(), seams(disk));
    let (_, records) = store(&settings, &seams).await?;
    let pending = hints(&settings, &seams).await?.pending();
    let dir = settings.data_dir.join("system");
    let (_, reserved) = LogReservation::open(Arc::clone(&seams.disk), Arc::new(Inline), &dir)?;
    Ok(Found { records, pending, reserved })
}

/// A node that founded a cluster alone, stamped writes and keeps hints for another.
async fn small_node() -> MemoryDisk {
    let disk = MemoryDisk::new();
    let (settings, seams) = (settings(), seams(&disk));
    let (store, recovered) = store(&settings, &seams).await.expect("a new log");
    let local = cluster::Local {
        cluster_name: "rot".into(),
        peer_addr: "n1:7000".into(),
        cql_addr: "n1:9042".into(),
        client_addr: "n1:9044".into(),
        dc: "dc1".into(),
        rack: "rack1".into(),
        num_tokens: 4,
        seeds: Vec::new(),
    };
    let mut rng = Rng::from_seed(7);
    let options = cluster::Options::production();
    let (mut cluster, mut effects) =
        Cluster::new(local, options, recovered, NOW, &mut rng).expect("a new node");
    let mut mono = Duration::ZERO;
    while !cluster.snapshot().is_founded() {
        store.persist(&effects.persist, Vec::new).await.expect("a disk");
        mono += cluster::TICK_MAX;
        effects = cluster.tick(cluster::Now { mono, wall_micros: NOW }, &mut rng);
    }
    store.persist(&effects.persist, Vec::new).await.expect("a disk");
    let hints = hints(&settings, &seams).await.expect("no hints yet");
    for at in 0..3 {
        let table = TableId(uuid::Uuid::from_u128(5));
        let hint = Hint { table, gc_grace: 9, mutation: vec![at; 20].into() };
        let host = HostId(uuid::Uuid::from_u128(9));
        assert!(hints.store_durably(host, hint).await);
    }
    timestamps(&settings, &seams).await.expect("a first window");
    disk
}

/// Every file of the system log, the timestamps and the hints, with what it holds.
fn files(disk: &MemoryDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let dirs = ["/node/system", "/node/hints"].map(Path::new);
    let names = dirs
        .iter()
        .flat_map(|dir| disk.list(dir).expect("a folder").into_iter().map(|name| dir.join(name)));
    let read = |path: PathBuf| {
        let bytes = sys::disk::read_all(disk, &path, 1 << 20).expect("a file");
        (path, bytes)
    };
    names.map(read).collect()
}

fn disk_of(files: &[(PathBuf, Vec<u8>)]) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for (path, bytes) in files {
        disk.create_dir_all(path.parent().expect("a folder")).expect("a disk");
        let file = disk.open(path, sys::Open::Write).expect("a disk");
        file.write_at(bytes, 0).expect("a disk");
    }
    disk
}

#[tokio::test]
async fn a_flipped_bit_in_any_byte_of_the_system_log_the_timestamps_and_the_hints_is_named() {
    let pristine = files(&small_node().await);
    let names: Vec<_> = pristine.iter().filter_map(|(path, _)| path.file_name()).collect();
    assert_eq!(names.len(), 3, "{names:?}");
    let expected = find(&disk_of(&pristine)).await.expect("it opens");
    assert!(expected.records.len() >= 4, "{expected:?}");
    assert_eq!((expected.pending[0].count, expected.reserved > NOW), (3, true));
    for (at, (path, bytes)) in pristine.iter().enumerate() {
        for byte in 0..bytes.len() {
            let mut rotten = pristine.clone();
            rotten[at].1[byte] ^= 1 << (byte % 8);
            let context = format!("byte {byte} of {}", path.display());
            let found = find(&disk_of(&rotten)).await;
            // The mark vouches for the records before it, which have checksums of their own; of itself it says nothing.
            if bytes.len() - MARK_BYTES <= byte {
                assert_eq!(found.expect(&context), expected, "{context}");
                continue;
            }
            let Err(error) = found else { panic!("{context} was not noticed") };
            let text = error.to_string();
            assert_eq!(error.code(), cql_lite::code::Code::CorruptFile, "{context}: {text}");
            assert!(text.contains(&path.display().to_string()), "{context}: {text}");
            assert!(text.contains("restore the file from a backup"), "{context}: {text}");
        }
    }
}
