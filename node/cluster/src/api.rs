//! What goes into a [`Cluster`](crate::Cluster) and what comes out.

use std::{sync::Arc, time::Duration};

use model::HostId;

use crate::{
    failure::{self, Liveness},
    founding::Refused,
    gossip::{self, State, Status},
    message::{Envelope, Message},
    metadata::Metadata,
    metadata_log::Outcome,
    paxos::Patience,
    record::Record,
};

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Since the process started; never goes back.
    pub mono: Duration,
    /// Microseconds since 1970, as the wall clock says.
    pub wall_micros: i64,
}

impl Now {
    /// Seconds since 1970; 0 before.
    pub(crate) fn wall_seconds(&self) -> u64 {
        u64::try_from(self.wall_micros / 1_000_000).unwrap_or(0)
    }
}

/// Call [`crate::Cluster::tick`] at least this often.
pub const TICK_MAX: Duration = Duration::from_millis(50);

/// What the operator configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// Of all nodes of the cluster alike.
    pub cluster_name: String,
    /// Where peers reach this node, as advertised.
    pub peer_addr: String,
    /// Where CQL drivers reach it, as advertised.
    pub cql_addr: String,
    /// Where the client crate reaches it, as advertised.
    pub client_addr: String,
    /// Its data center.
    pub dc: String,
    /// Its rack.
    pub rack: String,
    /// How many tokens it gets when the cluster is founded; later it keeps what it has.
    pub num_tokens: u32,
    /// The peer addresses of the founders, this node included. None: it founds a cluster alone.
    pub seeds: Vec<String>,
}

/// How often and how patiently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Options {
    /// Heartbeats.
    pub gossip: gossip::Options,
    /// Conviction.
    pub failure: failure::Options,
    /// Paxos.
    pub patience: Patience,
}

impl Options {
    /// What a real cluster runs with: a silent peer is convicted after 3.7 to 4.3 s, one that does not
    /// hear us after a heartbeat more.
    pub fn production() -> Options {
        let ms = Duration::from_millis;
        Options {
            gossip: gossip::Options {
                heartbeat: ms(200),
                exchange: ms(1_000),
                skew_max: ms(1_000),
            },
            failure: failure::Options {
                phi_convict: 8.0,
                interval_min: ms(200),
                interval_max: ms(230),
                pause_max: ms(1_000),
            },
            patience: Patience { resend: ms(250), backoff_min: ms(30), backoff_max: ms(1_000) },
        }
    }
}

/// Where a message goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Destination {
    /// A peer address: before founding, and to seeds that may be members at new addresses.
    Addr(String),
    /// A member; [`crate::Cluster::peer_addr`] says where it is now.
    Host(HostId),
}

/// What must happen now, in this order.
#[derive(Debug, Default, PartialEq)]
pub struct Effects {
    /// Append these to the system log, fsynced. When that fails, the node must stop: drop the rest.
    pub persist: Vec<Record>,
    /// Then send these. Losing any is allowed.
    pub send: Vec<(Destination, Envelope)>,
    /// Then tell the node.
    pub events: Vec<Event>,
}

/// What the rest of the node should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The metadata has moved on, normally by one epoch, after a snapshot by many.
    Applied {
        /// What held before.
        before: Arc<Metadata>,
        /// What holds now.
        metadata: Arc<Metadata>,
    },
    /// A proposal has its outcome.
    Proposed {
        /// As given to [`crate::Cluster::propose`].
        request_id: u64,
        /// What became of it.
        outcome: Outcome,
    },
    /// A peer is thought of differently.
    Liveness {
        /// Which.
        host: HostId,
        /// What is thought now.
        liveness: Liveness,
    },
    /// A peer takes requests again, or no longer.
    Status {
        /// Which.
        host: HostId,
        /// What it says.
        status: Status,
    },
    /// The clocks of a peer and of this node have come to differ by more than
    /// [`gossip::Options::skew_max`], or agree again.
    Clock {
        /// Which peer.
        host: HostId,
        /// By how much its clock is ahead of ours for certain, microseconds; negative: behind.
        skew_micros: i64,
        /// Whether that is too much.
        differs: bool,
    },
    /// Peers do not let this node in. Before founding: print it and exit, it will not change by
    /// waiting. Told once for each reason.
    Refused(Refused),
    /// This node did not let a peer in.
    RefusedPeer {
        /// The peer's address, as it says.
        peer_addr: String,
        /// What it was told.
        refused: Refused,
    },
}

/// Why a node cannot start with the records that it finds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The data directory belongs to a cluster of another name.
    #[error("the data belongs to cluster {recorded:?}, and this node is configured for {given:?}")]
    OtherCluster {
        /// In the records.
        recorded: String,
        /// In the configuration.
        given: String,
    },
    /// Data center or rack differ from the first start: its data would be in the wrong place.
    #[error("the node was in {recorded}, and is configured for {given}")]
    Moved {
        /// `dc/rack` in the records.
        recorded: String,
        /// `dc/rack` in the configuration.
        given: String,
    },
    /// More founders than a cluster may have members.
    #[error("{0} seeds are more than a cluster may have")]
    TooManySeeds(usize),
    /// There are records of a cluster, and none of who this node is, or entries are missing.
    #[error("the system log is incomplete: {0}")]
    Incomplete(&'static str),
}

/// A peer as this node sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct PeerView {
    /// Who.
    pub host_id: HostId,
    /// What is thought of it; this node is always alive.
    pub liveness: Liveness,
    /// How surprising its silence is; infinite for one that was never heard.
    pub phi: f64,
    /// What it last said about itself.
    pub state: Option<State>,
    /// By how much its clock is ahead of ours for certain, microseconds; negative: behind. `None` for this
    /// node, and for one that is not alive.
    pub skew_micros: Option<i64>,
}

/// What the parts put in, before it is addressed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) persist: Vec<Record>,
    pub(crate) send: Vec<(HostId, Message)>,
    pub(crate) send_addr: Vec<(String, Message)>,
    pub(crate) events: Vec<Event>,
}
