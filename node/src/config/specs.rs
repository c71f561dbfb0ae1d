//! The table of settings, and the page and the flags that are made of it.

use query::guardrail::{Guardrail, RAILS, Rail, Unit};

/// One setting: its key in the file, what it may be, its default, what it is for.
#[derive(Debug)]
pub struct Spec {
    /// `section.key`, or `key`.
    pub key: &'static str,
    /// What stands for its value in usage texts; empty for a switch, whose flag takes none.
    pub value: &'static str,
    /// The default as it would be written.
    pub default: &'static str,
    /// A sentence.
    pub about: &'static str,
}

const fn spec(
    key: &'static str,
    value: &'static str,
    default: &'static str,
    about: &'static str,
) -> Spec {
    Spec { key, value, default, about }
}

/// Every setting there is.
pub const SPECS: &[Spec] = &[
    spec("cluster_name", "NAME", "helenus", "Nodes of another name are refused."),
    spec("data_dir", "DIR", "helenus-data", "Where this node keeps everything."),
    spec("listen", "ADDR", "127.0.0.1", "The address all doors listen on."),
    spec(
        "advertise",
        "HOST",
        "",
        "The host that peers and clients reach this node by; empty: `listen`.",
    ),
    spec(
        "advertise_cql",
        "HOST:PORT",
        "",
        "Where CQL drivers reach this node; empty: `advertise` and port.",
    ),
    spec(
        "advertise_client",
        "HOST:PORT",
        "",
        "Where the client crate reaches this node; empty: `advertise` and port.",
    ),
    spec("peer_port", "PORT", "7000", "Door for peers; 0 takes a free one."),
    spec("cql_port", "PORT", "9042", "Door for CQL drivers; 0 takes a free one."),
    spec(
        "client_port",
        "PORT",
        "9044",
        "Door for the client crate and the shell; 0 takes a free one.",
    ),
    spec("http_port", "PORT", "9180", "Health and metrics; 0 takes a free one."),
    spec(
        "seeds",
        "HOST:PORT,…",
        "",
        "The founders by their peer doors, this node's included, comma-separated.",
    ),
    spec(
        "insecure",
        "",
        "false",
        "Allow a `listen` that is not loopback although there is no authentication yet.",
    ),
    spec("dc", "NAME", "dc1", "This node's data center."),
    spec("rack", "NAME", "rack1", "This node's rack."),
    spec("num_tokens", "N", "16", "Tokens this node takes at founding: 1 to 256."),
    spec(
        "memory",
        "SIZE",
        "auto",
        "Budget for memtables, caches and requests, at least 64MiB; auto: a quarter of what the machine or its cgroup allows.",
    ),
    spec(
        "files_max",
        "N",
        "auto",
        "Open files that the process asks the system for, at least 256; auto: as many as it may have.",
    ),
    spec(
        "connections_max",
        "N",
        "auto",
        "Connections that the doors for clients, for CQL drivers and for peers each hold open, at least 4; auto: a quarter of the open files, at most 4096.",
    ),
    spec(
        "cql_connections_max",
        "N",
        "auto",
        "Connections that the door for CQL drivers holds open instead, at least 4: three quarters of the open files are for all three doors; auto: as `connections_max`.",
    ),
    spec(
        "commitlog.sync",
        "HOW",
        "group",
        "group, batch or periodic; periodic can lose `sync_period` of acks.",
    ),
    spec("commitlog.sync_period", "TIME", "1s", "How often `periodic` syncs."),
    spec("commitlog.segment", "SIZE", "32MiB", "Size of a commit log segment: 64KiB to 256MiB."),
    spec(
        "commitlog.archive",
        "DIR",
        "",
        "Folder in which full segments are kept, as further names of the same files: on the disk of `data_dir`, for this node alone. Whoever has copied one elsewhere removes it.",
    ),
    spec(
        "disk.warn",
        "PERCENT",
        "80",
        "Percent of the disk in use from which on the log warns, at most `disk.reject`.",
    ),
    spec(
        "disk.reject",
        "PERCENT",
        "95",
        "Percent of the disk in use from which on writes are refused; 100 is never.",
    ),
    spec(
        "compaction.throughput",
        "SIZE",
        "64MiB",
        "Bytes that compactions write in a second, from 1MiB; off: as many as they can. Flushes are never held back; the default keeps up with 10MiB of them a second for good, and leaves most of an SSD to the log and to reads.",
    ),
    spec(
        "compaction.concurrent",
        "N",
        "auto",
        "Compactions that run at once, 1 to 16, of tables or of shards of one; auto: half of the processors, at least one. `throughput` is for all of them together.",
    ),
    spec(
        "snapshots.automatic_ttl",
        "TIME",
        "24h",
        "How long snapshots are kept that TRUNCATE, DROP and restores make by themselves; 0s is for ever.",
    ),
    spec(
        "clock.skew_warn",
        "TIME",
        "1s",
        "A peer whose clock differs by more is named in the log, `helenus status` and `helenus health`.",
    ),
    spec("timeouts.read", "TIME", "5s", "A read that took longer fails."),
    spec("timeouts.write", "TIME", "2s", "A write that took longer has an unknown outcome."),
    spec(
        "timeouts.schema",
        "TIME",
        "10s",
        "A schema change that took longer has an unknown outcome.",
    ),
    spec(
        "hints.window",
        "TIME",
        "3h",
        "Hints are kept for a node that was down this long at the most.",
    ),
    spec(
        "hints.bytes_max",
        "SIZE",
        "256MiB",
        "Hints kept for one node, in memory too: never more than an eighth of `memory`.",
    ),
    spec("hints.throttle", "SIZE", "4MiB", "Bytes of hints replayed to one node in a second."),
    spec("log.level", "LEVEL", "info", "error, warn, info, debug, trace, or a tracing filter."),
    spec("log.slow_query", "TIME", "500ms", "Requests slower than this are logged."),
    spec(
        "guardrails.cell_bytes_warn",
        "SIZE",
        "1MiB",
        "More than this is told and counted: one written value.",
    ),
    spec(
        "guardrails.cell_bytes_fail",
        "SIZE",
        "2MiB",
        "More than this is refused: one written value.",
    ),
    spec(
        "guardrails.row_bytes_warn",
        "SIZE",
        "4MiB",
        "More than this is told and counted: one row, as a statement writes it.",
    ),
    spec(
        "guardrails.row_bytes_fail",
        "SIZE",
        "16MiB",
        "More than this is refused: one row, as a statement writes it.",
    ),
    spec(
        "guardrails.write_bytes_warn",
        "SIZE",
        "8MiB",
        "More than this is told and counted: what one statement writes to one partition.",
    ),
    spec(
        "guardrails.write_bytes_fail",
        "SIZE",
        "16MiB",
        "More than this is refused: what one statement writes to one partition.",
    ),
    spec(
        "guardrails.partition_bytes_warn",
        "SIZE",
        "1GiB",
        "More than this is told and counted: the partition that is written to, on the disk of this node.",
    ),
    spec(
        "guardrails.partition_bytes_fail",
        "SIZE",
        "2GiB",
        "More than this is refused: the partition that values are written to, on the disk of this node.",
    ),
    spec(
        "guardrails.statement_bytes_warn",
        "SIZE",
        "256KiB",
        "More than this is told and counted: the text of one statement.",
    ),
    spec(
        "guardrails.statement_bytes_fail",
        "SIZE",
        "1MiB",
        "More than this is refused: the text of one statement.",
    ),
    spec(
        "guardrails.partitions_in_warn",
        "N",
        "25",
        "More than this is told and counted: partitions that one statement names with IN.",
    ),
    spec(
        "guardrails.partitions_in_fail",
        "N",
        "100",
        "More than this is refused: partitions that one statement names with IN.",
    ),
    spec(
        "guardrails.page_tombstones_warn",
        "N",
        "1000",
        "More than this is told and counted: tombstones stepped over for one page.",
    ),
    spec(
        "guardrails.page_tombstones_fail",
        "N",
        "off",
        "More than this is refused: tombstones stepped over for one page, which ends at 10,000 anyway.",
    ),
    spec(
        "guardrails.batch_bytes_warn",
        "SIZE",
        "128KiB",
        "More than this is told and counted: all that one batch writes.",
    ),
    spec(
        "guardrails.batch_bytes_fail",
        "SIZE",
        "1MiB",
        "More than this is refused: all that one batch writes.",
    ),
    spec(
        "guardrails.batch_partitions_warn",
        "N",
        "10",
        "More than this is told and counted: partitions that one batch writes.",
    ),
    spec(
        "guardrails.batch_partitions_fail",
        "N",
        "100",
        "More than this is refused: partitions that one batch writes.",
    ),
    spec(
        "guardrails.list_reads_warn",
        "N",
        "10",
        "More than this is told and counted: rows whose lists one request reads before it writes them.",
    ),
    spec(
        "guardrails.list_reads_fail",
        "N",
        "100",
        "More than this is refused: rows whose lists one request reads before it writes them. 0 refuses `l[0] = …`, `l - […]` and `DELETE l[0]` altogether.",
    ),
    spec(
        "guardrails.timestamp_ahead_warn",
        "TIME",
        "60s",
        "More than this is told and counted: how far a client's write timestamp lies ahead of the clock.",
    ),
    spec(
        "guardrails.timestamp_ahead_fail",
        "TIME",
        "3d",
        "More than this is refused: how far a client's write timestamp lies ahead of the clock.",
    ),
    spec(
        "guardrails.replication_factor_warn",
        "N",
        "3",
        "Fewer than this is told and counted: copies in a data center that has nodes for more.",
    ),
    spec(
        "guardrails.replication_factor_fail",
        "N",
        "off",
        "Fewer than this is refused: copies in a data center that has nodes for more.",
    ),
    spec(
        "guardrails.keyspaces_warn",
        "N",
        "100",
        "More than this is told and counted: keyspaces of the cluster.",
    ),
    spec(
        "guardrails.keyspaces_fail",
        "N",
        "1000",
        "More than this is refused: keyspaces of the cluster.",
    ),
    spec(
        "guardrails.tables_warn",
        "N",
        "1000",
        "More than this is told and counted: tables of the cluster.",
    ),
    spec(
        "guardrails.tables_fail",
        "N",
        "5000",
        "More than this is refused: tables of the cluster.",
    ),
    spec(
        "guardrails.columns_warn",
        "N",
        "1000",
        "More than this is told and counted: columns of a table.",
    ),
    spec("guardrails.columns_fail", "N", "10000", "More than this is refused: columns of a table."),
    spec(
        "guardrails.stream_bytes_warn",
        "SIZE",
        "off",
        "More than this is told and counted: requests in hand on one client's stream.",
    ),
    spec(
        "guardrails.stream_bytes_fail",
        "SIZE",
        "32MiB",
        "More than this is refused: requests in hand on one client's stream.",
    ),
    spec(
        "guardrails.address_bytes_warn",
        "SIZE",
        "off",
        "More than this is told and counted: requests in hand of all clients of one address.",
    ),
    spec(
        "guardrails.address_bytes_fail",
        "SIZE",
        "auto",
        "More than this is refused: requests in hand of all clients of one address; auto: three quarters of a tenth of `memory`.",
    ),
    spec(
        "guardrails.request_bytes_warn",
        "SIZE",
        "off",
        "More than this is told and counted: requests of all clients in hand on this node, and rows that wait to be written to clients and nodes; auto: a tenth of `memory`.",
    ),
    spec(
        "guardrails.request_bytes_fail",
        "SIZE",
        "auto",
        "More than this is refused: requests of all clients in hand on this node, and rows that wait to be written to clients and nodes; auto: a tenth of `memory`.",
    ),
];

impl Spec {
    /// Its flag without the dashes in front.
    pub fn flag(&self) -> String {
        self.key.replace(['_', '.'], "-")
    }

    /// Its environment variable.
    pub fn variable(&self) -> String {
        format!("HELENUS_{}", self.key.replace('.', "__").to_uppercase())
    }

    /// Whether most operators never touch it.
    pub fn is_advanced(&self) -> bool {
        self.key.contains('.') && self.key != "log.level"
    }
}

/// `docs/settings.md`.
pub fn page() -> String {
    let mut out = String::from(HEAD);
    let mut section = None;
    for spec in SPECS {
        let here = spec.key.split_once('.').map(|(section, _)| section);
        if section != Some(here) {
            section = Some(here);
            let title = here.map_or("Everyday settings".to_owned(), |it| format!("`[{it}]`"));
            out.push_str(&format!("\n## {title}\n\n| setting | default | |\n|---|---|---|\n"));
        }
        let default = match spec.default {
            "" => String::new(),
            text => format!("`{text}`"),
        };
        out.push_str(&format!("| `{}` | {default} | {} |\n", spec.key, spec.about));
    }
    out
}

const HEAD: &str = "\
# Settings

A test keeps this page equal to the table in `node/src/config/specs.rs`, which the file, the environment, the
flags and this page are all made of.

Later ones win: the default, `helenus.toml` (or the file that `--config` names), the environment, flags.
`timeouts.read` is

* in the file `read = \"5s\"` below `[timeouts]`,
* in the environment `HELENUS_TIMEOUTS__READ=5s`,
* as a flag `--timeouts-read 5s`.

A setting that does not exist is refused with a suggestion, wherever it stands. Durations and sizes carry
units: `500ms 10s 15m 3h 2d`, `100B 16KiB 64MiB 1GiB`. `helenus config show --origin` prints every setting
of a running node with where its value came from; the block that a node logs at its start names those that
are not the default.
";

/// The table of guardrails in `docs/limits.md`, made of this table and that of `query`.
pub fn guardrails() -> String {
    let mut out = String::from("| guardrail | told | refused | |\n|---|---|---|---|\n");
    for rail in &RAILS {
        let default = |level| {
            let key = format!("guardrails.{}_{level}", rail.name);
            SPECS.iter().find(|it| it.key == key).map_or("", |it| it.default)
        };
        let than = if rail.is_floor { "below " } else { "above " };
        let shown = |level| match default(level) {
            "off" => "–".to_owned(),
            "auto" if rail.guardrail == Guardrail::AddressBytes => {
                format!("{than}three quarters of a tenth of `memory`")
            }
            "auto" => format!("{than}a tenth of `memory`"),
            value => format!("{than}{value}"),
        };
        let (told, refused, what) = (shown("warn"), shown("fail"), rail.what);
        let never = most(rail).map_or(String::new(), |it| format!("; never above {it}"));
        out.push_str(&format!("| `{}` | {told} | {refused} | {what}{never} |\n", rail.name));
    }
    out
}

/// The limit that no setting lifts, as people write it.
pub(super) fn most(rail: &Rail) -> Option<String> {
    rail.most.map(|it| match rail.unit {
        Unit::Seconds => format!("{it}s"),
        Unit::Count | Unit::Bytes => rail.unit.show(it).replace(' ', ""),
    })
}
