//! The cluster as a coordinator must know it.

use std::{collections::BTreeMap, sync::Arc};

use futures_util::future::BoxFuture;
use model::{HostId, Keyspace, Schema, Table, TableId, Token, TokenRange};

use crate::plan::{Candidate, Candidates};

/// What this node knows of the cluster right now.
pub trait View: Send + Sync + 'static {
    /// This node.
    fn local(&self) -> HostId;

    /// Whether `host` is believed to be alive. This node is.
    fn is_alive(&self, host: HostId) -> bool;

    /// Schema and topology at one epoch. Cheap: called for every request.
    fn snapshot(&self) -> Arc<Snapshot>;

    /// Resolves once the snapshot has reached `epoch`. May take forever: callers have a deadline.
    fn catch_up(&self, epoch: u64) -> BoxFuture<'_, ()>;
}

/// Ranges of tokens in token order, none wrapping, together covering every key, each with its
/// replicas clockwise.
pub type Ranges = Vec<(TokenRange, Arc<[HostId]>)>;

/// Schema and topology at one epoch: made once for each epoch, shared by all requests.
#[derive(Debug)]
pub struct Snapshot {
    epoch: u64,
    schema: Arc<Schema>,
    places: BTreeMap<HostId, Place>,
    ranges: BTreeMap<String, Arc<Ranges>>,
    tables: BTreeMap<TableId, (Arc<Keyspace>, Arc<Table>)>,
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its data center.
    pub dc: Arc<str>,
    /// Its rack.
    pub rack: Arc<str>,
}

impl Snapshot {
    /// What the metadata log says at its epoch. Costs every range of every keyspace: made once.
    pub fn of(metadata: &cluster::Metadata) -> Snapshot {
        let place = |it: &cluster::ring::Place| Place {
            dc: it.dc.as_str().into(),
            rack: it.rack.as_str().into(),
        };
        let places = metadata.ring.places().iter().map(|(host, it)| (*host, place(it))).collect();
        let placements = metadata.placements.iter();
        let ranges = placements
            .map(|(keyspace, it)| (keyspace.clone(), Arc::new(it.scan_ranges())))
            .collect();
        Snapshot::new(metadata.epoch, Arc::clone(&metadata.schema), places, ranges)
    }

    /// The state of the cluster at `epoch`; `ranges` by keyspace name.
    pub fn new(
        epoch: u64,
        schema: Arc<Schema>,
        places: BTreeMap<HostId, Place>,
        ranges: BTreeMap<String, Arc<Ranges>>,
    ) -> Snapshot {
        let tables = schema.keyspaces.values().flat_map(|keyspace| {
            let tables = keyspace.tables.values();
            tables.map(|table| (table.id, (Arc::clone(keyspace), Arc::clone(table))))
        });
        let tables = tables.collect();
        Snapshot { epoch, schema, places, ranges, tables }
    }

    /// Which epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// All keyspaces.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// A table with its keyspace.
    pub fn table(&self, id: TableId) -> Option<&(Arc<Keyspace>, Arc<Table>)> {
        self.tables.get(&id)
    }

    /// Every node of the cluster with where it stands, in host order.
    pub fn places(&self) -> &BTreeMap<HostId, Place> {
        &self.places
    }

    /// All ranges of a keyspace.
    pub fn ranges(&self, keyspace: &str) -> &[(TokenRange, Arc<[HostId]>)] {
        self.ranges.get(keyspace).map_or(&[], |it| it.as_slice())
    }

    /// The replicas of `token`, clockwise.
    pub fn replicas(&self, keyspace: &str, token: Token) -> &[HostId] {
        let ranges = self.ranges(keyspace);
        let index = ranges.partition_point(|(range, _)| range.end < token);
        ranges.get(index).or_else(|| ranges.first()).map_or(&[], |(_, hosts)| hosts)
    }

    /// What plans are made from, for these replicas of `keyspace`. `None` while this node itself
    /// is not a member.
    pub(crate) fn candidates<'a>(
        &'a self,
        view: &dyn View,
        keyspace: &'a Keyspace,
        replicas: &[HostId],
    ) -> Option<Candidates<'a>> {
        let candidate = |host: &HostId| {
            let place = self.places.get(host)?;
            Some(Candidate { host: *host, place, alive: view.is_alive(*host) })
        };
        Some(Candidates {
            epoch: self.epoch,
            replication: &keyspace.replication,
            local: view.local(),
            local_place: self.places.get(&view.local())?,
            natural: replicas.iter().filter_map(candidate).collect(),
        })
    }
}
