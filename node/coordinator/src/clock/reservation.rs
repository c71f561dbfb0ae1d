//! The reservation of timestamps in a system log.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::future::BoxFuture;
use sys::{
    Blocking, Disk, SystemLog,
    system_log::{self, Limits},
};
use tokio::sync::Mutex as AsyncMutex;

use super::{NotReserved, Reservation};

/// A record is 16 bytes or so: rewritten about every hour.
const LOG_BYTES_MAX: u64 = 256 * 1024;

/// The only kind of record: `i64`, big-endian, microseconds.
const RESERVED: u8 = 1;

/// Remembers the reservation in a log of its own: docs/formats/hints.md.
pub struct LogReservation {
    blocking: Arc<dyn Blocking>,
    log: Arc<Mutex<SystemLog>>,
    /// One reservation at a time.
    turn: AsyncMutex<()>,
}

impl LogReservation {
    /// Opens or creates the log in the folder `dir`, and answers what it remembers (`i64::MIN` if
    /// nothing). Blocks on the disk: called once, at start.
    ///
    /// # Errors
    /// When the disk fails or the log is corrupt.
    pub fn open(
        disk: Arc<dyn Disk>,
        blocking: Arc<dyn Blocking>,
        dir: &Path,
    ) -> Result<(LogReservation, i64), system_log::Error> {
        let limits = Limits { log_bytes_max: LOG_BYTES_MAX };
        let (log, records) = SystemLog::open(disk, dir, "timestamps", limits)?;
        let read = |payload: &[u8]| payload.try_into().map(i64::from_be_bytes);
        // The last one counts: who stops in order gives back what was not issued.
        let last = records.iter().rfind(|it| it.kind == RESERVED);
        let reserved = last.map_or(Ok(i64::MIN), |it| read(&it.payload)).map_err(|_| {
            system_log::Error::Corrupt {
                file: dir.join("timestamps.log"),
                offset: 0,
                what: "a reservation is not 8 bytes long",
            }
        })?;
        let log = Arc::new(Mutex::new(log));
        Ok((LogReservation { blocking, log, turn: AsyncMutex::new(()) }, reserved))
    }
}

impl Reservation for LogReservation {
    fn reserve(&self, until: i64) -> BoxFuture<'_, Result<(), NotReserved>> {
        Box::pin(async move {
            let _turn = self.turn.lock().await;
            let log = Arc::clone(&self.log);
            let write = move || {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                let record: (u8, &[u8]) = (RESERVED, &until.to_be_bytes());
                match log.append_batch(&[record]) {
                    Err(system_log::Error::Full { .. }) => log.rewrite(&[record]),
                    answer => answer,
                }
            };
            let written = sys::run_fn(&*self.blocking, write).await;
            let written = written.map_err(|stopped| NotReserved(stopped.to_string()))?;
            written.map_err(|error| NotReserved(error.to_string()))
        })
    }
}
