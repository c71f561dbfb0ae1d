//! What this node tells of itself in `system_views`.

use coordinator::hints;
use engine::Engine;
use model::TableId;
use query::views::{Cache, Client, Compaction, Hints, Pool, Views};

use crate::{config::Settings, native::clients::Clients};

/// Flushes at once.
const FLUSHES: u64 = 1;

/// Where it is read off.
pub(crate) struct NodeViews {
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
    pub(crate) hints: hints::Hints,
    pub(crate) clients: Clients,
}

impl Views for NodeViews {
    fn settings(&self) -> Vec<(String, String)> {
        let setting =
            |(key, value): (&str, &crate::config::Value)| (key.into(), value.text.clone());
        self.settings.layers.iter().map(setting).collect()
    }

    fn clients(&self) -> Vec<Client> {
        self.clients.all()
    }

    fn caches(&self) -> Vec<Cache> {
        let stats = self.engine.stats();
        vec![Cache {
            name: "blocks",
            capacity_bytes: crate::open::cache_bytes(&self.settings),
            bytes: stats.cache_bytes,
            requests: stats.cache_hits + stats.cache_misses,
            hits: stats.cache_hits,
        }]
    }

    fn pools(&self) -> Vec<Pool> {
        let stats = self.engine.stats();
        let (in_hand, requests) = self.clients.requests();
        let connections = self.settings.cql_connections() as u64;
        let compactions = self.settings.compactions().get() as u64;
        let lane = |name, limit, pending, completed| Pool {
            name,
            active: None,
            limit,
            pending,
            completed,
        };
        vec![
            lane(
                "CompactionExecutor",
                compactions,
                Some(stats.compactions_pending),
                stats.compactions,
            ),
            lane("MemtableFlushWriter", FLUSHES, None, stats.flushes),
            Pool {
                name: "Native-Transport-Requests",
                active: Some(in_hand),
                limit: connections.saturating_mul(crate::native::REQUESTS_MAX as u64),
                pending: Some(0),
                completed: requests.saturating_sub(in_hand),
            },
        ]
    }

    fn hints(&self) -> Vec<Hints> {
        let view = |it: hints::Pending| Hints { host: it.host, oldest: it.oldest, bytes: it.bytes };
        self.hints.pending().into_iter().map(view).collect()
    }

    fn compactions(&self) -> Vec<Compaction> {
        let directory = self.settings.data_dir.display().to_string();
        let view = |it: engine::Task| Compaction {
            number: it.number,
            table: it.table,
            begun: it.begun,
            sstables: it.sstables,
            total_bytes: it.total_bytes,
            written_bytes: it.written_bytes,
            directory: directory.clone(),
        };
        self.engine.stats().tasks.into_iter().map(view).collect()
    }

    fn largest_partitions(&self) -> Vec<(TableId, u64)> {
        self.engine.largest_partitions()
    }
}
