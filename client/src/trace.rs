//! What was done for a request, step by step, where that was asked for.

use std::time::Duration;

use proto::client as wire;

use crate::topology::Topology;

/// What was done for a request that was [traced](crate::Request::traced).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Names the request in the logs of nodes.
    pub id: u64,
    /// From its arrival at the coordinator to its answer.
    pub took: Duration,
    /// In the order in which they happened; a coordinator keeps the first few hundred.
    pub steps: Vec<TraceStep>,
    /// Steps that came after those.
    pub left_out: u64,
    /// What each replica did, in each of its roles.
    pub shares: Vec<TraceShare>,
}

/// Something that happened to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceStep {
    /// Time since the request arrived at the coordinator.
    pub after: Duration,
    /// The address of the replica that it is about; empty for none.
    pub node: String,
    /// What happened: the same words for the same kind of step.
    pub step: String,
    /// The rest of it; empty where there is no more to say.
    pub detail: String,
}

/// All that one replica did for a request in one role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceShare {
    /// The address of the replica.
    pub node: String,
    /// `data`, `digest`, `write`, `repair`, `hint` or `truncate`.
    pub role: String,
    /// How often it was asked.
    pub requests: u64,
    /// How often it did not do it.
    pub failures: u64,
    /// How long it took there, in all.
    pub took: Duration,
    /// Live rows that it read, or rows that it wrote.
    pub rows: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Tombstones that it met.
    pub tombstones: u64,
    /// Sstables that it consulted.
    pub sstables: u64,
}

impl Trace {
    /// What a node told; `topology` says where its hosts are.
    pub(crate) fn read(wire: wire::Trace, topology: &Topology) -> Trace {
        let node = |host: &[u8]| {
            let known = topology.nodes.iter().find(|node| node.host_id == host);
            match known {
                Some(node) => node.client_addr.clone(),
                None => host.iter().map(|byte| format!("{byte:02x}")).collect(),
            }
        };
        let step = |it: wire::TraceStep| TraceStep {
            after: Duration::from_micros(it.after_micros),
            node: node(&it.host_id),
            step: it.step,
            detail: it.detail,
        };
        let share = |it: wire::TraceShare| TraceShare {
            node: node(&it.host_id),
            role: it.role,
            requests: it.requests,
            failures: it.failures,
            took: Duration::from_micros(it.micros),
            rows: it.rows,
            bytes: it.bytes,
            tombstones: it.tombstones,
            sstables: it.sstables,
        };
        Trace {
            id: wire.id,
            took: Duration::from_micros(wire.took_micros),
            steps: wire.steps.into_iter().map(step).collect(),
            left_out: wire.left_out,
            shares: wire.shares.into_iter().map(share).collect(),
        }
    }
}
