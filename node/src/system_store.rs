//! The system log of a node: what the cluster layer must not forget.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use cluster::Record;
use sys::{Blocking, Disk, SystemLog, run_fn, system_log};

/// The log is rewritten when it has grown past this, bytes.
const REWRITE_BYTES: u64 = 16 << 20;

/// Hard limit of the log, bytes: a snapshot of the largest schema fits many times.
const LOG_BYTES_MAX: u64 = 256 << 20;

/// How often it looks whether a full disk has room.
const ROOM_CHECK: Duration = Duration::from_millis(500);

/// The log and who may write it.
pub(crate) struct SystemStore {
    log: Arc<Mutex<SystemLog>>,
    blocking: Arc<dyn Blocking>,
}

impl SystemStore {
    /// Opens or creates the log in `dir`; what it holds, in order. Blocks.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        blocking: Arc<dyn Blocking>,
    ) -> Result<(SystemStore, Vec<Record>), system_log::Error> {
        let limits = system_log::Limits { log_bytes_max: LOG_BYTES_MAX };
        let (log, records) = SystemLog::open(disk, dir, "system", limits)?;
        if let Some(cut) = log.cut() {
            let (offset, bytes) = (cut.offset, cut.bytes);
            tracing::warn!(offset, bytes, "a torn tail of the system log was cut: never confirmed");
        }
        let mut recovered = Vec::with_capacity(records.len());
        for record in records {
            let decoded = Record::decode(record.kind, record.payload);
            recovered.push(decoded.map_err(|_| system_log::Error::Corrupt {
                file: dir.join("system.log"),
                offset: 0,
                what: "a record that no version of the cluster layer writes",
            })?);
        }
        Ok((SystemStore { log: Arc::new(Mutex::new(log)), blocking }, recovered))
    }

    /// Appends records, fsynced; on a full disk it waits until there is room. When the log has grown long, it is
    /// rewritten with what `checkpoint` says is enough.
    pub(crate) async fn persist(
        &self,
        records: &[Record],
        checkpoint: impl FnOnce() -> Vec<Record>,
    ) -> Result<(), String> {
        let records = Arc::new(encode(records));
        let mut waits = false;
        let size = loop {
            let (log, records) = (Arc::clone(&self.log), Arc::clone(&records));
            let append = move || {
                let mut log = lock(&log);
                log.append_batch(&slices(&records)).map(|()| log.size())
            };
            match run_fn(&*self.blocking, append).await {
                Ok(Err(error)) if is_full(&error) => {
                    // What was half written is taken back, so the same may be tried again.
                    if !waits {
                        tracing::error!(%error, "this node takes no part in the cluster until there is room");
                    }
                    waits = true;
                    tokio::time::sleep(ROOM_CHECK).await;
                }
                appended => break flatten(appended)?,
            }
        };
        if waits {
            tracing::info!("the system log has room: this node takes part in the cluster again");
        }
        if size < REWRITE_BYTES {
            return Ok(());
        }
        let all = encode(&checkpoint());
        let log = Arc::clone(&self.log);
        match run_fn(&*self.blocking, move || lock(&log).rewrite(&slices(&all))).await {
            Ok(Err(error)) if is_full(&error) => {
                tracing::warn!(%error, "the system log stays long until there is room");
                Ok(())
            }
            rewritten => flatten(rewritten),
        }
    }
}

/// Whether nothing was written for want of room.
fn is_full(error: &system_log::Error) -> bool {
    match error {
        system_log::Error::Io { source, .. } => source.kind() == std::io::ErrorKind::StorageFull,
        system_log::Error::Corrupt { .. }
        | system_log::Error::Version { .. }
        | system_log::Error::TooLarge { .. }
        | system_log::Error::Full { .. }
        | system_log::Error::Poisoned { .. } => false,
    }
}

fn encode(records: &[Record]) -> Vec<(u8, Bytes)> {
    records.iter().map(|it| (it.kind(), it.encode())).collect()
}

fn slices(records: &[(u8, Bytes)]) -> Vec<(u8, &[u8])> {
    records.iter().map(|(kind, it)| (*kind, &it[..])).collect()
}

fn flatten<T>(outcome: Result<Result<T, system_log::Error>, sys::Stopped>) -> Result<T, String> {
    match outcome {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(stopped) => Err(stopped.to_string()),
    }
}

fn lock(log: &Mutex<SystemLog>) -> std::sync::MutexGuard<'_, SystemLog> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use sys::{Faults, Inline, MemoryDisk};

    use super::*;

    fn open(disk: &MemoryDisk) -> (SystemStore, Vec<Record>) {
        let opened =
            SystemStore::open(Arc::new(disk.clone()), Path::new("/system"), Arc::new(Inline));
        opened.expect("a log")
    }

    #[tokio::test(start_paused = true)]
    async fn on_a_full_disk_what_must_not_be_forgotten_waits_for_room() {
        let disk = MemoryDisk::new();
        let (store, _) = open(&disk);
        store.persist(&[Record::Generation(1)], Vec::new).await.expect("room");
        let capacity = Some(disk.used_bytes());
        disk.set_faults(Faults { capacity, ..Faults::default() });
        let second = [Record::Generation(2)];
        let mut waiting = Box::pin(store.persist(&second, Vec::new));
        let minute = Duration::from_secs(60);
        assert!(tokio::time::timeout(minute, &mut waiting).await.is_err(), "there is no room");
        disk.set_faults(Faults::default());
        waiting.await.expect("room again");
        drop(store);
        disk.crash_all_lost();
        assert_eq!(open(&disk).1, [Record::Generation(1), Record::Generation(2)]);
    }
}
