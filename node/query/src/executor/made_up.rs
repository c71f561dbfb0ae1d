//! Reads of tables that are made up, and what they are made of that is given to an executor.

use std::{sync::Arc, time::Duration};

use model::{
    Slice, Table, TokenRange,
    read::{Command, Limits, Target},
};

use super::{Executor, Run};
use crate::{
    Store,
    scan::Partitions,
    sessions::Sessions,
    system_tables::{self, Snapshot, Sources},
    views::Views,
};

/// How long other nodes may take to tell what they know: a read does without those that take longer.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(1);

/// What each of them may tell at most.
const OTHERS_ROWS: u64 = 5_000;
const OTHERS_BYTES: u64 = 1 << 20;

impl Executor {
    /// The same, showing these sessions.
    #[must_use]
    pub fn with_sessions(mut self, sessions: Sessions) -> Executor {
        self.sessions = sessions;
        self
    }

    /// The same, showing what `views` tell of the node.
    #[must_use]
    pub fn with_views(mut self, views: Arc<dyn Views>) -> Executor {
        self.views = Some(views);
        self
    }

    /// The text of a prepared statement that is known here.
    pub fn prepared_text(&self, id: crate::PreparedId) -> Option<Arc<str>> {
        self.prepared.get(id).map(|it| Arc::clone(&it.text))
    }
}

impl Run<'_> {
    /// The rows of a table that is made up, as far as `target` may need them.
    pub(super) async fn made_up(&self, table: &Arc<Table>, target: &Partitions) -> Arc<dyn Store> {
        let Executor { catalog, prepared, sessions, views, .. } = self.executor;
        let (catalog, views) = (&**catalog, views.as_deref());
        let own = Snapshot::of(table, &Sources { catalog, prepared, sessions, views });
        if !system_tables::is_of_all_nodes(table) {
            return Arc::new(own);
        }
        let target = match target {
            Partitions::Keys(keys) => match keys.as_slice() {
                [key] => Target::One(key.clone()),
                _ => everything(),
            },
            Partitions::Range(_) => everything(),
        };
        let command = Command {
            table: table.id,
            target,
            slices: vec![Slice::all()],
            reversed: false,
            resume: None,
            limits: Limits {
                rows: OTHERS_ROWS,
                rows_per_partition: u64::MAX,
                bytes: OTHERS_BYTES,
                scanned: u64::MAX,
                tombstones: u64::MAX,
            },
            now: self.seconds(),
            dropped: Vec::new(),
            filter: None,
            partial: None,
        };
        let timeout = self.timeout.min(OTHERS_TIMEOUT);
        Arc::new(own.and(catalog.ask_others(command, timeout).await))
    }
}

fn everything() -> Target {
    Target::Range { tokens: TokenRange::ALL, after: None }
}
