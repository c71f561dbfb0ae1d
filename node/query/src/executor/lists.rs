//! Lists that writes change by what they have: read first, at the consistency level of the write.
//!
//! Not isolated: what others write between the read and the write is not seen.

use std::sync::Arc;

use cql_lite::code::Code;
use futures_util::future::try_join_all;
use model::{
    PartitionKey,
    read::{Command, Limits, Target},
};

use super::{
    Options, Run,
    level::{Use, check_level},
};
use crate::{
    Error, Reply,
    apply::{self, Lists},
    bind::Bindings,
    guardrail::Guardrail,
    plan::{Plan, write::Write},
    resolve,
    store::Page,
};

/// Partitions that are read at once.
const AT_ONCE: usize = 8;

impl Run<'_> {
    /// Executes a write that changes lists by what they have.
    pub(super) async fn write_after_reading(
        &self,
        write: &Write,
        plan: &Plan,
    ) -> Result<Reply, Error> {
        check_level(self.request.consistency, Use::of([write]))?;
        let bindings = self.bindings(plan)?;
        let (lists, told) = self.lists([(write, &bindings)]).await?;
        self.write_with(write, &bindings, &lists, told)?.reply().await
    }

    /// What the lists have that `writes` change by it, and a warning where they are many. Writes that
    /// change none so cost nothing.
    pub(super) async fn lists<'w>(
        &self,
        writes: impl IntoIterator<Item = (&'w Write, &'w Bindings<'w>)>,
    ) -> Result<(Lists, Option<String>), Error> {
        let mut commands = Vec::new();
        let mut rows = 0;
        for (write, bindings) in writes {
            if !write.lists.is_empty() {
                rows += self.commands(write, bindings, &mut commands)?;
            }
        }
        if commands.is_empty() {
            return Ok((Lists::default(), None));
        }
        check_level(self.request.consistency, Use::Read).map_err(|error| {
            error.hint("a list is read before this write: the level is for both")
        })?;
        let guard = &self.executor.options.guard;
        let warning = guard.check(Guardrail::ListReads, rows)?;
        // Seldom, and not worth its room in every write.
        Box::pin(self.read_all(commands)).await.map(|lists| (lists, warning))
    }

    /// What is to be read for a write, and how many rows that is.
    fn commands(
        &self,
        write: &Write,
        bindings: &Bindings<'_>,
        commands: &mut Vec<(PartitionKey, Command)>,
    ) -> Result<u64, Error> {
        let table = &write.table;
        let keys = resolve::keys(table, &write.keys, bindings)?;
        let rows = apply::named_rows(write, bindings)?.len().max(1);
        // Statics come with any slices, and with none.
        let slices = match write.rows.is_exact(table) {
            true => resolve::slices(table, &write.rows, bindings)?,
            false => Vec::new(),
        };
        let Options { page_bytes_max, page_tombstones_max, .. } = &self.executor.options;
        let limits = Limits {
            bytes: *page_bytes_max.max(&1),
            tombstones: *page_tombstones_max.max(&1),
            ..Limits::NONE
        };
        let named = (keys.len() * rows) as u64;
        commands.extend(keys.into_iter().map(|key| {
            let command = Command {
                table: table.id,
                target: Target::One(key.clone()),
                slices: slices.clone(),
                reversed: false,
                resume: None,
                limits,
                now: self.seconds(),
                dropped: table.dropped.clone(),
                filter: None,
                partial: None,
            };
            (key, command)
        }));
        Ok(named)
    }

    async fn read_all(&self, commands: Vec<(PartitionKey, Command)>) -> Result<Lists, Error> {
        let mut lists = Lists::default();
        for some in commands.chunks(AT_ONCE) {
            let pages = some.iter().map(|(_, command)| self.read_one(command.clone()));
            for ((key, command), pages) in some.iter().zip(try_join_all(pages).await?) {
                pages.into_iter().for_each(|it| lists.add(command.table, key.clone(), it));
            }
        }
        Ok(lists)
    }

    /// All pages about the rows of one partition.
    async fn read_one(&self, mut command: Command) -> Result<Vec<Page>, Error> {
        let mut pages = Vec::new();
        loop {
            let options = self.options(self.time_left(Code::ReadTimeout)?);
            let read = self.executor.store.read(Arc::new(command.clone()), options);
            let page = read.await.map_err(Error::of_read)?;
            // A position without a clustering key is the end of the partition.
            command.resume = page.next.clone().filter(|it| it.clustering.is_some());
            pages.push(page);
            if command.resume.is_none() {
                return Ok(pages);
            }
        }
    }
}
