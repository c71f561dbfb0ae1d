//! The sstables that a merge writes, one behind the other. None is live before all are whole.

use std::collections::VecDeque;
use std::sync::Arc;

use model::{PartitionKey, Token};

use crate::Error;
use crate::flush::Output;
use crate::inner::Inner;
use crate::sstable::{Sstable, Writer};
use crate::table::Table;

/// What is written, and what is left to write.
pub(super) struct Outputs {
    /// With which tokens the next ones begin.
    cuts: VecDeque<Token>,
    whole: Vec<Arc<Sstable>>,
    /// `None` at the end.
    open: Option<Output>,
}

impl Outputs {
    /// Begins the first one.
    pub(super) fn create(inner: &Inner, table: &Table, cuts: Vec<Token>) -> Result<Outputs, Error> {
        let open = Some(Output::create(inner, table)?);
        Ok(Outputs { cuts: cuts.into(), whole: Vec::new(), open })
    }

    /// Of all of them, so far.
    pub(super) fn bytes(&self) -> u64 {
        let whole: u64 = self.whole.iter().map(|it| it.bytes).sum();
        whole + self.open.as_ref().map_or(0, |it| it.writer.bytes())
    }

    /// What the next partition goes into.
    pub(super) fn writer(&mut self) -> Option<&mut Writer> {
        self.open.as_mut().map(|it| &mut it.writer)
    }

    /// Whether the partition lies behind the end of the one that is being written.
    pub(super) fn end_before(&self, key: &PartitionKey) -> bool {
        self.cuts.front().is_some_and(|cut| *cut <= key.token)
    }

    /// Ends the one that is being written, and begins the one that `key` goes into.
    pub(super) fn turn(
        &mut self,
        inner: &Inner,
        table: &Table,
        key: &PartitionKey,
    ) -> Result<(), Error> {
        self.end(inner, table)?;
        while self.end_before(key) {
            self.cuts.pop_front();
        }
        self.open = Some(Output::create(inner, table)?);
        Ok(())
    }

    /// Makes the last one durable.
    pub(super) fn end(&mut self, inner: &Inner, table: &Table) -> Result<(), Error> {
        let Some(output) = self.open.take() else { return Ok(()) };
        let path = output.path.clone();
        let whole = output.finish(inner, table).inspect_err(|_| inner.remove_unused(&path))?;
        self.whole.extend(whole);
        Ok(())
    }

    /// Those that are whole.
    pub(super) fn whole(&self) -> &[Arc<Sstable>] {
        &self.whole
    }

    /// Hands them over: they stay, also where the edit that makes them live fails, for it may have happened.
    pub(super) fn keep(self) -> Vec<Arc<Sstable>> {
        self.whole
    }

    /// Removes them.
    pub(super) fn give_up(self, inner: &Inner) {
        self.open.iter().for_each(|it| inner.remove_unused(&it.path));
        self.whole.iter().for_each(|it| inner.remove_unused(&it.path));
    }
}
