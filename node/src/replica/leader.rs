//! This node as the leader of increments: reads its shares, adds, applies, and waits for the disk.
//!
//! ```text
//!  a turn of the partition ─► read own shares ─► add, stamp ─► memtable ─► turn over ─► durable ─► answer
//! ```
//!
//! From reading to having written nobody else adds to the partition, or one of two increments would be
//! lost. Waiting for the disk comes behind the turn, so that one fdatasync serves all who wait for it,
//! also where they all add to one counter.

use bytes::Bytes;
use coordinator::{replica::Error, trace::Work};
use model::{ColumnId, Mutation, TableId, Token, counter};
use tokio::sync::{Mutex, MutexGuard, Semaphore, SemaphorePermit};

use super::local::{Cost, Local, error, refused, rows_of};

/// Partitions that can be added to at once. Those whose tokens meet in one of them wait for each other.
const STRIPES: usize = 1024;

/// Increments of one stripe that may wait. At 50 µs for each, those behind them would wait longer than
/// their clients do.
const WAITING_MAX: usize = 4096;

/// Who adds to which partition: one increment at a time, in the order in which they came.
pub(crate) struct Turns {
    stripes: Vec<Stripe>,
}

struct Stripe {
    turn: Mutex<()>,
    room: Semaphore,
}

impl Default for Turns {
    fn default() -> Turns {
        let stripe = |_| Stripe { turn: Mutex::new(()), room: Semaphore::new(WAITING_MAX) };
        Turns { stripes: (0..STRIPES).map(stripe).collect() }
    }
}

impl Turns {
    /// Resolves once nobody else adds to this partition, until what is returned is dropped.
    async fn wait(&self, token: Token) -> Result<(SemaphorePermit<'_>, MutexGuard<'_, ()>), Error> {
        let at = token.0.unsigned_abs() % self.stripes.len() as u64;
        let Stripe { turn, room } = &self.stripes[at as usize];
        let room = room.try_acquire().map_err(|_| {
            Error::Overloaded(format!("{WAITING_MAX} increments wait for one partition"))
        })?;
        Ok((room, turn.lock().await))
    }
}

impl Local {
    /// Adds to this node's shares. Resolves once they are durable.
    pub(super) async fn lead(&self, increments: Bytes, cost: Option<Cost>) -> Result<Bytes, Error> {
        let failed = |why: &dyn std::fmt::Display| Error::Failed(why.to_string());
        let increments = Mutation::decode(increments).map_err(|it| failed(&it))?;
        if !counter::are_increments(&increments.partition) {
            return Err(failed(&"what was to be led are no increments"));
        }
        let turn = self.turns.wait(increments.partition.key.token).await?;
        let dropped = self.dropped_columns(increments.table);
        let now = self.timestamps.next();
        let command = counter::command(&increments, dropped, now);
        let known = self.engine.read_with(&command, &*self.blocking).await.map_err(refused)?;
        let shares = counter::lead(increments, known.partitions.first(), self.host, now);
        let written = shares.encode();
        let ticket = self.engine.apply(written.clone()).map_err(refused)?;
        drop(turn);
        ticket.wait().await.map_err(error)?;
        if let Some(cost) = cost {
            let (rows, bytes) = (rows_of(&shares), written.len() as u64);
            let (tombstones, sstables) = (known.tombstones, known.sstables);
            cost.is(Work { rows, bytes, tombstones, sstables, ..Work::default() });
        }
        Ok(written)
    }

    /// Columns that the table had once.
    fn dropped_columns(&self, table: TableId) -> Vec<ColumnId> {
        let metadata = self.metadata.borrow();
        metadata.schema.table_by_id(table).map_or(Vec::new(), |it| it.dropped.clone())
    }
}

#[cfg(test)]
mod tests;
