//! The one system log of a node, shared by the cluster layer and the timestamp reservation.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

use bytes::Bytes;
use cluster::Record;
use coordinator::clock::Reservation;
use futures_util::{FutureExt, future::BoxFuture};
use sys::{Blocking, Disk, SystemLog, run_fn, system_log};

/// The kind of the reservation's records; the cluster layer has `cluster::record::KINDS`.
const KIND_RESERVED: u8 = 16;

/// The log is rewritten when it has grown past this, bytes.
const REWRITE_BYTES: u64 = 16 << 20;

/// Hard limit of the log, bytes: a snapshot of the largest schema fits many times.
const LOG_BYTES_MAX: u64 = 256 << 20;

/// What was found in the log.
pub(crate) struct Recovered {
    /// The cluster layer's records, in order.
    pub(crate) cluster: Vec<Record>,
    /// Timestamps up to this may have been issued; `i64::MIN` if none.
    pub(crate) reserved: i64,
}

/// The log and who may write it.
pub(crate) struct SystemStore {
    log: Arc<Mutex<SystemLog>>,
    reserved: AtomicI64,
    blocking: Arc<dyn Blocking>,
}

impl SystemStore {
    /// Opens or creates the log in `dir`. Blocks.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        blocking: Arc<dyn Blocking>,
    ) -> Result<(SystemStore, Recovered), system_log::Error> {
        let limits = system_log::Limits { log_bytes_max: LOG_BYTES_MAX };
        let (log, records) = SystemLog::open(disk, dir, "system", limits)?;
        if let Some(cut) = log.cut() {
            let (offset, bytes) = (cut.offset, cut.bytes);
            tracing::warn!(offset, bytes, "a torn tail of the system log was cut: never confirmed");
        }
        let mut recovered = Recovered { cluster: Vec::new(), reserved: i64::MIN };
        for record in records {
            if record.kind == KIND_RESERVED {
                let until = <[u8; 8]>::try_from(record.payload.as_ref()).map(i64::from_be_bytes);
                recovered.reserved = recovered.reserved.max(until.unwrap_or(i64::MIN));
            } else {
                let decoded = Record::decode(record.kind, record.payload);
                recovered.cluster.push(decoded.map_err(|_| system_log::Error::Corrupt {
                    file: dir.join("system.log"),
                    offset: 0,
                    what: "a record of the cluster layer that no version of it writes",
                })?);
            }
        }
        let reserved = AtomicI64::new(recovered.reserved);
        Ok((SystemStore { log: Arc::new(Mutex::new(log)), reserved, blocking }, recovered))
    }

    /// Appends the cluster layer's records, fsynced. When the log has grown long, it is rewritten
    /// with what `checkpoint` says is enough.
    pub(crate) async fn persist(
        &self,
        records: &[Record],
        checkpoint: impl FnOnce() -> Vec<Record>,
    ) -> Result<(), String> {
        let records = encode(records);
        let grown = self.append(records).await?;
        if grown < REWRITE_BYTES {
            return Ok(());
        }
        let mut all = encode(&checkpoint());
        let reserved = self.reserved.load(Ordering::Acquire);
        all.push((KIND_RESERVED, Bytes::copy_from_slice(&reserved.to_be_bytes())));
        let log = Arc::clone(&self.log);
        let rewritten = run_fn(&*self.blocking, move || {
            let slices: Vec<(u8, &[u8])> = all.iter().map(|(kind, it)| (*kind, &it[..])).collect();
            lock(&log).rewrite(&slices)
        });
        flatten(rewritten.await)
    }

    async fn append(&self, records: Vec<(u8, Bytes)>) -> Result<u64, String> {
        let log = Arc::clone(&self.log);
        let appended = run_fn(&*self.blocking, move || {
            let slices: Vec<(u8, &[u8])> =
                records.iter().map(|(kind, it)| (*kind, &it[..])).collect();
            let mut log = lock(&log);
            log.append_batch(&slices).map(|()| log.size())
        });
        flatten(appended.await)
    }
}

impl Reservation for SystemStore {
    fn reserve(&self, until: i64) -> BoxFuture<'_, Result<(), String>> {
        async move {
            self.reserved.fetch_max(until, Ordering::AcqRel);
            let record = (KIND_RESERVED, Bytes::copy_from_slice(&until.to_be_bytes()));
            self.append(vec![record]).await.map(drop)
        }
        .boxed()
    }
}

fn encode(records: &[Record]) -> Vec<(u8, Bytes)> {
    records.iter().map(|it| (it.kind(), it.encode())).collect()
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
