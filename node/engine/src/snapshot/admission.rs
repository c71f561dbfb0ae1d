//! What may become part of a table, and under which numbers its columns go.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{ColumnId, Partition, PartitionKey, Row, TableId};

use crate::sstable::block::Fragment;

/// Judges what files hold, before any of it is taken in.
pub trait Admission: Send + Sync {
    /// Whether this node is asked for the partition.
    fn owns(&self, key: &PartitionKey) -> bool;

    /// Why this cannot be of the table, if it cannot. A part of a partition, with the column numbers of the table.
    fn fault(&self, part: &Partition) -> Option<String>;
}

/// A table that files are taken into.
#[derive(Clone)]
pub struct Target {
    /// Which.
    pub table: TableId,
    /// Takes partitions of other nodes too.
    pub all_tokens: bool,
    /// What belongs there.
    pub admission: Arc<dyn Admission>,
}

/// The numbers of a file's columns in the table that it is taken into.
#[derive(Clone, Debug)]
pub(crate) enum Columns {
    /// The same.
    Same,
    /// Others; a column that is not named is gone.
    Mapped(BTreeMap<ColumnId, ColumnId>),
}

impl Columns {
    /// A fragment as it is in the table.
    pub(crate) fn apply(&self, mut it: Fragment) -> Fragment {
        it.part = self.of(it.part);
        it
    }

    /// A part of a partition as it is in the table.
    pub(crate) fn of(&self, mut part: Partition) -> Partition {
        let Columns::Mapped(map) = self else { return part };
        rename(&mut part.static_row, map);
        let mut rows = std::mem::take(&mut part.rows).into_each();
        rows.iter_mut().for_each(|(_, row)| rename(row, map));
        rows.retain(|(_, row)| !row.is_empty());
        part.rows = rows.into();
        part
    }
}

/// Numbers ascend in a row, and other numbers may do so in another order.
fn rename(row: &mut Row, map: &BTreeMap<ColumnId, ColumnId>) {
    let cells = std::mem::take(&mut row.cells).into_iter();
    row.cells = cells.filter_map(|(id, it)| Some((*map.get(&id)?, it))).collect();
    row.cells.sort_by_key(|(id, _)| *id);
    let elements = std::mem::take(&mut row.elements).into_iter();
    row.elements = elements.filter_map(|(id, it)| Some((*map.get(&id)?, it))).collect();
    row.elements.sort_by_key(|(id, _)| *id);
}
