//! Opens what is on disk: the directory, the system log, the engine, hints, timestamps.

use std::sync::Arc;

use cluster::Metadata;
use coordinator::{
    clock::{LogReservation, Timestamps},
    hints,
};
use engine::Engine;
use sys::{FactStore, Lock, run_fn};

use crate::{
    cluster_driver,
    config::{CommitlogSync, HINTS_PER_MEMORY, Settings},
    start::{Seams, StartError},
    system_store::SystemStore,
};

/// Makes the data directory and takes it for this process.
pub(crate) async fn directory(
    settings: &Settings,
    seams: &Seams,
) -> Result<Box<dyn Lock>, StartError> {
    let (disk, dir) = (Arc::clone(&seams.disk), settings.data_dir.clone());
    let locked = run_fn(&*seams.blocking, move || {
        disk.create_dir_all(&dir)?;
        disk.lock(&dir.join("LOCK"))
    });
    let dir = settings.data_dir.display().to_string();
    locked.await?.map_err(|source| {
        if source.kind() == std::io::ErrorKind::WouldBlock {
            StartError::Locked(dir)
        } else {
            StartError::Directory { dir, source }
        }
    })
}

/// Opens the system log; what it holds, in order.
pub(crate) async fn store(
    settings: &Settings,
    seams: &Seams,
) -> Result<(SystemStore, Vec<cluster::Record>), StartError> {
    let (disk, dir) = (Arc::clone(&seams.disk), settings.data_dir.join("system"));
    let blocking = Arc::clone(&seams.blocking);
    let opened = run_fn(&*seams.blocking, move || SystemStore::open(disk, &dir, blocking));
    Ok(opened.await??)
}

/// Opens the reservation of write timestamps, and reserves a first window.
pub(crate) async fn timestamps(
    settings: &Settings,
    seams: &Seams,
) -> Result<Arc<Timestamps>, StartError> {
    let (disk, dir) = (Arc::clone(&seams.disk), settings.data_dir.join("system"));
    let blocking = Arc::clone(&seams.blocking);
    let opened = run_fn(&*seams.blocking, move || LogReservation::open(disk, blocking, &dir));
    let (reservation, reserved) = opened.await??;
    let timestamps = Timestamps::open(Arc::clone(&seams.clock), Arc::new(reservation), reserved);
    Ok(Arc::new(timestamps.await?))
}

/// Opens the engine on the tables of `metadata`, replaying its log.
pub(crate) async fn engine(
    settings: &Settings,
    seams: &Seams,
    metadata: &Metadata,
) -> Result<Engine, StartError> {
    let options = engine::Options {
        data_dir: settings.data_dir.join("data"),
        commitlog_sync: match settings.commitlog_sync {
            CommitlogSync::Group => engine::CommitlogSync::Group,
            CommitlogSync::Batch => engine::CommitlogSync::Batch,
            CommitlogSync::Periodic(period) => engine::CommitlogSync::Periodic(period),
        },
        segment_bytes: settings.commitlog_segment,
        commitlog_bytes_max: 1 << 30,
        archive_dir: settings.commitlog_archive.clone(),
        // Three eighths and a quarter: what is left is for requests and answers in flight, for what flushes and
        // compactions hold, and for what the allocator keeps between things.
        memtable_bytes: settings.memory / 8 * 3,
        cache_bytes: cache_bytes(settings),
        block_bytes: 16 << 10,
        disk_warn: settings.disk_warn,
        disk_reject: settings.disk_reject,
        automatic_snapshot_ttl: settings.automatic_snapshot_ttl,
        replay_threads: seams.blocking.threads(),
        compaction_bytes_per_second: settings.compaction_throughput,
        compactions_max: settings.compactions(),
    };
    let shapes = cluster_driver::shapes(metadata).into_values().collect();
    let (disk, clock) = (Arc::clone(&seams.disk), Arc::clone(&seams.clock));
    let opened = run_fn(&*seams.blocking, move || Engine::open(options, disk, clock, shapes));
    let (engine, recovery) = opened.await??;
    if let Some((file, offset, bytes)) = &recovery.torn {
        tracing::warn!(file = %file.display(), offset, bytes, "a torn tail of the commit log was cut: never acknowledged");
    }
    tracing::info!(
        clean = recovery.clean,
        segments = recovery.segments,
        replayed = recovery.replayed,
        "the data directory is open"
    );
    // Dropped while this node was away.
    for table in recovery.unlisted {
        let engine = engine.clone();
        run_fn(&*seams.blocking, move || engine.drop_table(table)).await??;
    }
    Ok(engine)
}

/// Opens the hints.
pub(crate) async fn hints(settings: &Settings, seams: &Seams) -> Result<hints::Hints, StartError> {
    let options = hints::Options {
        dir: settings.data_dir.join("hints"),
        host_bytes_max: settings.hint_bytes_max.min(settings.memory / HINTS_PER_MEMORY),
        host_count_max: 4_000_000,
        total_bytes_max: settings.memory / 4,
        window: settings.hint_window,
    };
    let (disk, clock) = (Arc::clone(&seams.disk), Arc::clone(&seams.clock));
    let blocking = Arc::clone(&seams.blocking);
    let opened =
        run_fn(&*seams.blocking, move || hints::Hints::open(disk, blocking, clock, options));
    Ok(opened.await??)
}

/// Opens the store of small facts: losing it costs time, never truth.
pub(crate) async fn facts(
    settings: &Settings,
    seams: &Seams,
) -> Result<Arc<dyn FactStore>, StartError> {
    let (open, dir) = (Arc::clone(&seams.facts), settings.data_dir.join("facts"));
    Ok(run_fn(&*seams.blocking, move || open(&dir)).await??)
}

#[cfg(test)]
mod tests;

/// What the cache of blocks may take, bytes.
pub(crate) fn cache_bytes(settings: &Settings) -> u64 {
    settings.memory / 4
}
