//! The columns of a result: described once for each plan, and shared by all of its pages.

use std::{
    any::Any,
    fmt,
    ops::Deref,
    sync::{Arc, OnceLock},
};

use xxhash_rust::xxh3::xxh3_128;

use crate::ColumnSpec;

/// The columns of a result.
#[derive(Default)]
pub struct Columns {
    specs: Vec<ColumnSpec>,
    id: [u8; 16],
    told: OnceLock<Arc<dyn Any + Send + Sync>>,
}

impl Columns {
    /// These, in order.
    pub fn new(specs: Vec<ColumnSpec>) -> Columns {
        let id = id(&specs);
        Columns { specs, id, told: OnceLock::new() }
    }

    /// What they go by: another as soon as one of them is.
    pub fn id(&self) -> &[u8; 16] {
        &self.id
    }

    /// As a door tells of them, which `make` is asked for once. There is one door that wants this: to
    /// another one, with a `T` of its own, it is made each time.
    pub fn told<T: Send + Sync + 'static>(&self, make: impl Fn(&[ColumnSpec]) -> T) -> Arc<T> {
        let told = self.told.get_or_init(|| Arc::new(make(&self.specs)));
        Arc::clone(told).downcast().unwrap_or_else(|_| Arc::new(make(&self.specs)))
    }
}

impl Deref for Columns {
    type Target = [ColumnSpec];

    fn deref(&self) -> &[ColumnSpec] {
        &self.specs
    }
}

impl PartialEq for Columns {
    fn eq(&self, other: &Columns) -> bool {
        self.specs == other.specs
    }
}

impl Eq for Columns {}

impl fmt::Debug for Columns {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.specs.fmt(out)
    }
}

fn id(columns: &[ColumnSpec]) -> [u8; 16] {
    let mut bytes = Vec::new();
    for column in columns {
        let ColumnSpec { keyspace, table, name, cql_type } = column;
        let of = cql_type.in_full();
        // No name has a zero byte.
        for part in [keyspace, table, name, &of] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(0);
        }
    }
    xxh3_128(&bytes).to_be_bytes()
}
