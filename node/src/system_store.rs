//! The system log of a node: what the cluster layer must not forget.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use cluster::Record;
use sys::{Blocking, Disk, SystemLog, run_fn, system_log};

/// The log is rewritten when it has grown past this, bytes.
const REWRITE_BYTES: u64 = 16 << 20;

/// Hard limit of the log, bytes: a snapshot of the largest schema fits many times.
const LOG_BYTES_MAX: u64 = 256 << 20;

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

    /// Appends records, fsynced. When the log has grown long, it is rewritten with what
    /// `checkpoint` says is enough.
    pub(crate) async fn persist(
        &self,
        records: &[Record],
        checkpoint: impl FnOnce() -> Vec<Record>,
    ) -> Result<(), String> {
        let records = encode(records);
        let log = Arc::clone(&self.log);
        let appended = run_fn(&*self.blocking, move || {
            let mut log = lock(&log);
            log.append_batch(&slices(&records)).map(|()| log.size())
        });
        if flatten(appended.await)? < REWRITE_BYTES {
            return Ok(());
        }
        let all = encode(&checkpoint());
        let log = Arc::clone(&self.log);
        let rewritten = run_fn(&*self.blocking, move || lock(&log).rewrite(&slices(&all)));
        flatten(rewritten.await)
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
