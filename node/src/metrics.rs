//! What the node counts, and its Prometheus text.
//!
//! Requests are observed as they finish; everything that a part of the node already counts is read
//! off it at the scrape.

use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cql_lite::code::Code;
use model::Consistency;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, NoLabelSet},
    metrics::{
        MetricType,
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::ConstGauge,
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};
use query::{Error, Outcome};

/// Bounds of request latencies, seconds: 50 µs to 10 s.
const LATENCY_BOUNDS: [f64; 16] = [
    50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3,
    1.0, 2.5, 10.0,
];

/// Bounds of counts for one read.
const COUNT_BOUNDS: [f64; 10] = [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 1024.0, 10_000.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    kind: &'static str,
    consistency: &'static str,
    outcome: &'static str,
}

/// What a request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A SELECT.
    Read,
    /// An INSERT, UPDATE or DELETE.
    Write,
    /// A change of the schema.
    Schema,
    /// PREPARE, USE, DESCRIBE.
    Other,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As its client wished.
    Ok,
    /// It makes no sense, at any time.
    Invalid,
    /// Nothing happened, and it may be repeated.
    Refused,
    /// It may have happened.
    Unknown,
}

impl Kind {
    const COUNT: usize = Kind::Other as usize + 1;

    /// Of a request that came to this.
    pub(crate) fn of(outcome: &Outcome) -> Kind {
        match outcome {
            Outcome::Rows(_) => Kind::Read,
            Outcome::Void => Kind::Write,
            Outcome::SchemaChange { .. } => Kind::Schema,
            Outcome::SetKeyspace(_) | Outcome::Description(_) => Kind::Other,
        }
    }

    /// Of a request that failed, as far as the error tells.
    pub(crate) fn of_failed(error: &Error) -> Kind {
        if error.code == Code::WriteTimeout {
            Kind::Write
        } else if matches!(error.code, Code::ReadTimeout | Code::ReadFailure) {
            Kind::Read
        } else {
            Kind::Other
        }
    }

    /// Its label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Read => "read",
            Kind::Write => "write",
            Kind::Schema => "schema",
            Kind::Other => "other",
        }
    }
}

impl Ending {
    const COUNT: usize = Ending::Unknown as usize + 1;

    /// Its label.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Ending::Ok => "ok",
            Ending::Invalid => "invalid",
            Ending::Refused => "refused",
            Ending::Unknown => "unknown",
        }
    }
}

/// Histograms of one kind and consistency level, by how requests ended; made when the first one does.
type Endings = [OnceLock<Histogram>; Ending::COUNT];

/// The counters of one node.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Histogram, fn() -> Histogram>,
    /// The same, where each request finds its own without a lookup: by kind, then by level, of which the first
    /// is none.
    by_kind: [[Endings; Consistency::ALL.len() + 1]; Kind::COUNT],
    sstables_per_read: Histogram,
    tombstones_per_read: Histogram,
    slow_requests: Counter,
}

/// What is read off the parts of the node at a scrape.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gauges {
    /// The engine's counters.
    pub(crate) engine: engine::Stats,
    /// Hints waiting, of all peers.
    pub(crate) hints_pending: u64,
    /// Their bytes.
    pub(crate) hints_bytes: u64,
    /// Hints given up since the start, for lack of room or for age.
    pub(crate) hints_dropped: u64,
    /// Peers with a stream up.
    pub(crate) peers_connected: u64,
    /// Nodes believed alive, this one included.
    pub(crate) nodes_alive: u64,
    /// Nodes of the cluster.
    pub(crate) nodes: u64,
    /// Metadata epoch.
    pub(crate) epoch: u64,
    /// Address of each peer that is alive, and by how many microseconds its clock is ahead of this node's.
    pub(crate) clock_skews: Vec<(String, i64)>,
    /// How often each level of each guardrail was reached.
    pub(crate) guardrails: Vec<(&'static str, query::guardrail::Level, u64)>,
}

/// Where gauges come from.
pub(crate) type Source = Arc<dyn Fn() -> Gauges + Send + Sync>;

impl Metrics {
    /// All at zero.
    pub(crate) fn new(source: Source) -> Metrics {
        let mut registry = Registry::with_prefix("helenus");
        let requests: Family<RequestLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(LATENCY_BOUNDS));
        let sstables_per_read = Histogram::new(COUNT_BOUNDS);
        let tombstones_per_read = Histogram::new(COUNT_BOUNDS);
        let slow_requests = Counter::default();
        registry.register(
            "request_duration_seconds",
            "Client requests by kind, consistency level and outcome",
            requests.clone(),
        );
        registry.register(
            "sstables_per_read",
            "Sstables consulted by one read of this replica",
            sstables_per_read.clone(),
        );
        registry.register(
            "tombstones_per_read",
            "Tombstones met by one read of this replica",
            tombstones_per_read.clone(),
        );
        registry.register("slow_requests", "Requests over log.slow_query", slow_requests.clone());
        registry.register_collector(Box::new(Scrape(source)));
        let by_kind = Default::default();
        Metrics {
            registry,
            requests,
            by_kind,
            sstables_per_read,
            tombstones_per_read,
            slow_requests,
        }
    }

    /// A client request has finished.
    pub(crate) fn request(
        &self,
        kind: Kind,
        consistency: Option<Consistency>,
        ending: Ending,
        took: Duration,
    ) {
        let level = consistency.map_or(0, |it| 1 + usize::from(it.code()));
        let histogram = &self.by_kind[kind as usize][level][ending as usize];
        let histogram = histogram.get_or_init(|| {
            self.requests.get_or_create_owned(&RequestLabels {
                kind: kind.name(),
                consistency: consistency.map_or("", Consistency::name),
                outcome: ending.name(),
            })
        });
        histogram.observe(took.as_secs_f64());
    }

    /// A request took longer than `log.slow_query`.
    pub(crate) fn slow_request(&self) {
        self.slow_requests.inc();
    }

    /// A read of the local replica has finished.
    pub(crate) fn replica_read(&self, answer: &model::read::Answer) {
        self.sstables_per_read.observe(f64::from(answer.sstables));
        self.tombstones_per_read.observe(answer.tombstones as f64);
    }

    /// The Prometheus text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            tracing::error!("the metrics could not be written out");
        }
        text
    }
}

struct Scrape(Source);

impl fmt::Debug for Scrape {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Scrape")
    }
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let it = (self.0)();
        let engine = &it.engine;
        let sstables: u64 = engine.tables.values().map(|table| table.sstables).sum();
        let sstable_bytes: u64 = engine.tables.values().map(|table| table.sstable_bytes).sum();
        let gauges = [
            ("memtable_bytes", "Bytes in memtables", engine.memtable_bytes),
            ("memtable_frozen_bytes", "Bytes that flushes still write", engine.frozen_bytes),
            ("commitlog_segments", "Commit log segments on disk", engine.segments),
            ("commitlog_bytes", "Bytes of commit log on disk", engine.commitlog_bytes),
            ("sstables", "Live sstables", sstables),
            ("sstable_bytes", "Bytes of live sstables", sstable_bytes),
            ("cache_bytes", "Bytes in the block cache", engine.cache_bytes),
            ("disk_free_bytes", "Bytes free on the disk of the data directory", engine.disk.free),
            ("disk_total_bytes", "Bytes free or used on that disk", engine.disk.total),
            ("disk_full", "1 while the disk is too full for writes", u64::from(engine.disk_full)),
            ("compactions_pending", "Compactions that wait", engine.compactions_pending),
            ("hints_pending", "Hints waiting for their node", it.hints_pending),
            ("hints_bytes", "Bytes of waiting hints", it.hints_bytes),
            ("peers_connected", "Peers with a stream up", it.peers_connected),
            ("nodes_alive", "Nodes believed alive, this one included", it.nodes_alive),
            ("nodes", "Nodes of the cluster", it.nodes),
            ("epoch", "Position in the metadata log", it.epoch),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            put(&mut encoder, name, help, None, &gauge)?;
        }
        encode_counters(&mut encoder, &it)?;
        encode_seconds(&mut encoder, &it)?;
        encode_guardrails(&mut encoder, &it)?;
        let help = "Time of an fdatasync of the commit log";
        let name = "fsync_duration_seconds";
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let fsync = &engine.fsync;
        let bound = |index| engine::Histogram::bound(index).map_or(f64::MAX, |it| it.as_secs_f64());
        let buckets: Vec<(f64, u64)> =
            fsync.buckets.iter().enumerate().map(|(i, count)| (bound(i), *count)).collect();
        metric.encode_histogram::<NoLabelSet>(
            fsync.sum.as_secs_f64(),
            fsync.count(),
            &buckets,
            None,
        )
    }
}

/// One metric of one value.
fn put(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    unit: Option<&Unit>,
    metric: &impl EncodeMetric,
) -> fmt::Result {
    metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
}

/// What has happened since the start.
fn encode_counters(encoder: &mut DescriptorEncoder<'_>, it: &Gauges) -> fmt::Result {
    let engine = &it.engine;
    let counters = [
        ("engine_writes", "Mutations taken in", engine.writes),
        ("writes_refused_disk", "Mutations refused for a full disk", engine.writes_refused),
        ("engine_reads", "Reads begun", engine.reads),
        ("engine_reads_cold", "Reads that went to the disk", engine.reads_cold),
        ("cache_hits", "Blocks found in the cache", engine.cache_hits),
        ("cache_misses", "Blocks not found in the cache", engine.cache_misses),
        (
            "commitlog_segments_archived",
            "Full segments kept in commitlog.archive",
            engine.segments_archived,
        ),
        (
            "commitlog_archive_failures",
            "Attempts to keep one there that failed",
            engine.archive_failures,
        ),
        ("flushes", "Memtables flushed", engine.flushes),
        ("compactions", "Compactions finished", engine.compactions),
        ("compaction_bytes", "Bytes written by compactions", engine.compaction_bytes),
        (
            "sstables_expired",
            "Sstables removed unread, because all in them had expired",
            engine.sstables_expired,
        ),
        ("jobs_failed", "Flushes and compactions that failed", engine.jobs_failed),
        ("hints_dropped", "Hints given up", it.hints_dropped),
    ];
    for (name, help, value) in counters {
        put(encoder, name, help, None, &ConstCounter::new(value))?;
    }
    Ok(())
}

/// Gauges and counters of time.
fn encode_seconds(encoder: &mut DescriptorEncoder<'_>, it: &Gauges) -> fmt::Result {
    let help = "How long writes wait for the disk: now, or at most in the last 10 s";
    let unit = Some(&Unit::Seconds);
    let wait = ConstGauge::new(it.engine.commitlog_wait.as_secs_f64());
    put(encoder, "commitlog_wait", help, unit, &wait)?;
    let help = "How long compactions were held back by compaction.throughput";
    let held_back = ConstCounter::new(it.engine.compaction_held_back.as_secs_f64());
    put(encoder, "compaction_held_back", help, unit, &held_back)?;
    let help = "By how much a peer's clock is ahead of this node's, less the round trip";
    let mut family = encoder.encode_descriptor("clock_skew", help, unit, MetricType::Gauge)?;
    for (peer, micros) in &it.clock_skews {
        let labels = [("peer", peer.as_str())];
        ConstGauge::new(*micros as f64 / 1e6).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// How often each level of each guardrail was reached.
fn encode_guardrails(encoder: &mut DescriptorEncoder<'_>, it: &Gauges) -> fmt::Result {
    let help = "Times that a guardrail told (warn) or refused (fail)";
    let kind = MetricType::Counter;
    let mut family = encoder.encode_descriptor("guardrail_reached", help, None, kind)?;
    for (guardrail, level, count) in &it.guardrails {
        let labels = [("guardrail", *guardrail), ("level", level.name())];
        ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}
