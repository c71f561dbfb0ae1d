//! Lists that are changed by what they have: which cells that writes, once they were read.

use std::collections::BTreeMap;

use bytes::Bytes;
use cql_lite::{ast::Spanned, code::Code};
use model::{Cell, Clustering, Element, Elements, Partition, PartitionKey, Row, TableId};

use super::elements::Writer;
use crate::{
    Bound, Error,
    plan::{
        CellColumn,
        term::{Operand, split},
        write::{ListAction, ListChange, Write},
    },
    store::Page,
};

/// What was read of the rows whose lists are changed.
#[derive(Default)]
pub(crate) struct Lists(BTreeMap<(TableId, PartitionKey), Vec<Page>>);

impl Lists {
    /// One more page about this partition.
    pub(crate) fn add(&mut self, table: TableId, key: PartitionKey, page: Page) {
        self.0.entry((table, key)).or_default().push(page);
    }

    /// What a row has of a column, or the statics where there is no clustering key.
    fn elements(
        &self,
        table: TableId,
        key: &PartitionKey,
        clustering: Option<&Clustering>,
        column: CellColumn,
    ) -> Option<&Elements> {
        let pages = self.0.get(&(table, key.clone()))?;
        let mut partitions = pages.iter().flat_map(|it| &it.partitions);
        partitions.find_map(|partition| {
            let row = match clustering {
                Some(clustering) => partition.row(clustering)?,
                None => &partition.static_row,
            };
            row.elements_of(column.id)
        })
    }

    /// Puts into `partition` what `write` makes of the lists of these rows and of the statics.
    pub(super) fn put(
        &self,
        write: &Write,
        clusterings: &[Clustering],
        writer: &Writer<'_, '_>,
        partition: &mut Partition,
    ) -> Result<(), Error> {
        let key = partition.key.clone();
        for change in &write.lists {
            let column = change.column;
            let make = |clustering| {
                let found = self.elements(write.table.id, &key, clustering, column);
                let mut row = Row::default();
                row.put_elements(column.id, elements(change, found, writer)?);
                Ok::<_, Error>(row)
            };
            if column.is_static {
                let row = make(None)?;
                partition.put_static(row);
                continue;
            }
            for clustering in clusterings {
                let row = make(Some(clustering))?;
                partition.put_row(clustering.clone(), row);
            }
        }
        Ok(())
    }
}

/// The cells that a change writes to a list that has these.
fn elements(
    change: &ListChange,
    found: Option<&Elements>,
    writer: &Writer<'_, '_>,
) -> Result<Elements, Error> {
    let bindings = writer.bindings;
    let list = found.map(|it| it.live(&change.cql_type, writer.when.now)).unwrap_or_default();
    let mut elements = Elements::default();
    let mut put = |path: &Bytes, cell: Option<Cell>| {
        cell.into_iter().for_each(|it| elements.put(path.clone(), it));
    };
    match &change.action {
        ListAction::Set(index, value) => {
            let path = path_at(index, &list, "set an element on", writer)?;
            put(path, writer.cell(bindings.evaluate(value)?));
        }
        ListAction::Delete(index) => {
            let path = path_at(index, &list, "delete an element from", writer)?;
            put(path, writer.cell(Bound::Null));
        }
        ListAction::Discard(values) => {
            let Bound::Value(values) = bindings.evaluate(values)? else { return Ok(elements) };
            let values = split(&change.cql_type, &values)?;
            let goes = |it: &&Element<'_>| values.iter().flatten().any(|value| value == it.value);
            for element in list.iter().filter(goes) {
                put(element.path, writer.cell(Bound::Null));
            }
        }
    }
    Ok(elements)
}

/// The path of the value at a place, counted from 0.
fn path_at<'l>(
    index: &Spanned<Operand>,
    list: &[Element<'l>],
    attempt: &str,
    writer: &Writer<'_, '_>,
) -> Result<&'l Bytes, Error> {
    let bytes = writer.bindings.required(index, "the list index")?;
    let refused = |message: String| Error::new(Code::BadValue, message).at(index.span);
    let Ok(at) = <[u8; 4]>::try_from(&bytes[..]).map(i32::from_be_bytes) else {
        return Err(refused("a list index is an int and not empty".to_owned()));
    };
    if list.is_empty() {
        return Err(refused(format!("attempted to {attempt} a list which is null")));
    }
    let found = usize::try_from(at).ok().and_then(|at| list.get(at));
    found.map(|it| it.path).ok_or_else(|| {
        refused(format!("list index {at} out of bound, list has size {}", list.len()))
    })
}
