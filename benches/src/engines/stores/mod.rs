//! The engines that are measured, each behind [`Store`](super::store::Store).

pub(super) mod helenus;

#[cfg(feature = "fjall")]
pub(super) mod fjall;
#[cfg(feature = "rocksdb")]
pub(super) mod rocksdb;

/// What the peers, to which keys and values are bytes, make of rows.
#[cfg(feature = "fjall")]
mod row {
    use crate::engines::store::{Ask, Found, What};
    use crate::engines::workload::Change;

    /// Partition and time: rows lie in the order of their times.
    pub(super) type Key = [u8; 24];

    /// A key, and the bytes of its value if it is not to be deleted.
    pub(super) type Put = (Key, Option<Vec<u8>>);

    pub(super) fn key(partition: &[u8; 16], time: i64) -> Key {
        let mut key = [0; 24];
        key[..16].copy_from_slice(partition);
        key[16..].copy_from_slice(&time.to_be_bytes());
        key
    }

    /// The write timestamp stands before the value: these engines keep none that a client has chosen.
    pub(super) fn put(change: &Change) -> Put {
        let value = change.value.as_ref().map(|value| {
            let mut bytes = Vec::with_capacity(8 + value.len());
            bytes.extend_from_slice(&change.written.to_le_bytes());
            bytes.extend_from_slice(value);
            bytes
        });
        (key(&change.partition, change.time), value)
    }

    /// Where a read begins and, exclusively, ends.
    pub(super) fn bounds(ask: &Ask) -> (Key, Key) {
        let bound = |time| key(&ask.partition, time);
        match ask.what {
            What::Row(time) => (bound(time), bound(time + 1)),
            What::Range(from, to) => (bound(from), bound(to)),
            What::Last(_) | What::All => (bound(0), bound(i64::MAX)),
        }
    }

    /// Adds a row that was found. One that is not ours counts without its bytes, and so is noticed.
    pub(super) fn found(found: &mut Found, key: &[u8], value: &[u8]) {
        let time = key.get(16..).and_then(|it| it.try_into().ok()).map_or(0, i64::from_be_bytes);
        let (written, value) = value.split_first_chunk().unwrap_or((&[0; 8], value));
        found.row(time, i64::from_le_bytes(*written), value);
    }

    /// The value behind its write timestamp.
    pub(super) fn value(bytes: &[u8]) -> &[u8] {
        bytes.get(8..).unwrap_or_default()
    }
}
