//! Guardrails: what is unwise is told, what is too much is refused.
//!
//! One table says what is measured, one pure function says what a value comes to. Whoever measures
//! calls [`Guard::check`] and has nothing of its own to decide.

pub(crate) mod measure;

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use cql_lite::{code::Code, parser::STATEMENT_BYTES_MAX};
use model::{PartitionKey, TableId, mutation};

use crate::{Error, Retry, bind::VALUE_BYTES_MAX, plan::any_of::IN_MAX};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guardrail {
    /// Bytes of one value that is written.
    CellBytes,
    /// Bytes of one row, as a statement writes it.
    RowBytes,
    /// Bytes of one mutation: what a statement writes to one partition.
    WriteBytes,
    /// Bytes that a partition takes on this node's disk when something is written to it.
    PartitionBytes,
    /// Bytes of one statement's text.
    StatementBytes,
    /// Partitions that one statement names with IN.
    PartitionsIn,
    /// Tombstones that a replica stepped over for one page.
    PageTombstones,
    /// Bytes of all that one batch writes.
    BatchBytes,
    /// Partitions that one batch writes.
    BatchPartitions,
    /// Rows whose lists a request reads before it writes them.
    ListReads,
    /// Seconds that a client's write timestamp lies ahead of the clock.
    TimestampAhead,
    /// Copies of each row in a data center; too few are told, not too many.
    ReplicationFactor,
    /// Keyspaces of the cluster.
    Keyspaces,
    /// Tables of the cluster.
    Tables,
    /// Columns of a table.
    Columns,
    /// Bytes of requests in hand on one stream of a client.
    StreamBytes,
    /// Bytes of requests in hand on all streams of all clients of one address.
    AddressBytes,
    /// Bytes of requests in hand on all streams of all clients of this node, and of the rows that wait
    /// to be written to clients and to other nodes.
    RequestBytes,
}

/// How far a value goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// It works, and whoever asked is told.
    Warn,
    /// It is refused, and nothing happens.
    Fail,
}

/// What numbers of a guardrail count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Things.
    Count,
}

/// A line of the table.
#[derive(Clone, Copy, Debug)]
pub struct Rail {
    /// Which.
    pub guardrail: Guardrail,
    /// In settings (`guardrails.NAME_warn`, `guardrails.NAME_fail`) and as a label of the metric.
    pub name: &'static str,
    /// In messages, before the value.
    pub what: &'static str,
    /// What its numbers count.
    pub unit: Unit,
    /// Whether small values are the unwise ones.
    pub is_floor: bool,
    /// The limit of the house that no setting lifts.
    pub most: Option<u64>,
    /// The kind of error.
    pub code: Code,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Every guardrail, in the order of the enum.
pub const RAILS: [Rail; 18] = [
    Rail {
        guardrail: Guardrail::CellBytes,
        name: "cell_bytes",
        what: "the size of a written value",
        unit: Unit::Bytes,
        is_floor: false,
        most: Some(VALUE_BYTES_MAX as u64),
        code: Code::TooLarge,
        remedy: "split it, or keep it in an object store and its address in the row",
    },
    Rail {
        guardrail: Guardrail::RowBytes,
        name: "row_bytes",
        what: "the size of a written row",
        unit: Unit::Bytes,
        is_floor: false,
        most: Some(mutation::BYTES_MAX as u64),
        code: Code::TooLarge,
        remedy: "a row is read as a whole: spread it over several",
    },
    Rail {
        guardrail: Guardrail::WriteBytes,
        name: "write_bytes",
        what: "the size of a write to one partition",
        unit: Unit::Bytes,
        is_floor: false,
        most: Some(mutation::BYTES_MAX as u64),
        code: Code::TooLarge,
        remedy: "write fewer rows at once",
    },
    Rail {
        guardrail: Guardrail::PartitionBytes,
        name: "partition_bytes",
        what: "the size on this node's disk of the partition that is written to",
        unit: Unit::Bytes,
        is_floor: false,
        most: None,
        code: Code::TooLarge,
        remedy: "give the partition key another column, such as a day; deleting still works",
    },
    Rail {
        guardrail: Guardrail::StatementBytes,
        name: "statement_bytes",
        what: "the size of the statement's text",
        unit: Unit::Bytes,
        is_floor: false,
        most: Some(STATEMENT_BYTES_MAX as u64),
        code: Code::TooLarge,
        remedy: "bind values to markers instead of writing them into the text",
    },
    Rail {
        guardrail: Guardrail::PartitionsIn,
        name: "partitions_in",
        what: "the number of partitions named with IN",
        unit: Unit::Count,
        is_floor: false,
        most: Some(IN_MAX as u64),
        code: Code::TooLarge,
        remedy: "send several statements, at the same time if you like",
    },
    Rail {
        guardrail: Guardrail::PageTombstones,
        name: "page_tombstones",
        what: "the number of tombstones stepped over for a page",
        unit: Unit::Count,
        is_floor: false,
        most: None,
        code: Code::Guardrail,
        remedy: "read behind what was deleted, or delete ranges and partitions instead of rows",
    },
    Rail {
        guardrail: Guardrail::BatchBytes,
        name: "batch_bytes",
        what: "the size of the batch",
        unit: Unit::Bytes,
        is_floor: false,
        most: None,
        code: Code::TooLarge,
        remedy: "send its writes as single statements, many at the same time",
    },
    Rail {
        guardrail: Guardrail::BatchPartitions,
        name: "batch_partitions",
        what: "the number of partitions that the batch writes",
        unit: Unit::Count,
        is_floor: false,
        most: None,
        code: Code::TooLarge,
        remedy: "send its writes as single statements, many at the same time: that is faster, too",
    },
    Rail {
        guardrail: Guardrail::ListReads,
        name: "list_reads",
        what: "the number of rows whose lists are read before they are written",
        unit: Unit::Count,
        is_floor: false,
        most: None,
        code: Code::TooLarge,
        remedy: "name fewer rows; sets and maps are changed without being read",
    },
    Rail {
        guardrail: Guardrail::TimestampAhead,
        name: "timestamp_ahead",
        what: "the distance of the write timestamp ahead of the clock",
        unit: Unit::Seconds,
        is_floor: false,
        most: None,
        code: Code::TimestampTooFarAhead,
        remedy: "timestamps are microseconds since 1970",
    },
    Rail {
        guardrail: Guardrail::ReplicationFactor,
        name: "replication_factor",
        what: "the number of copies",
        unit: Unit::Count,
        is_floor: true,
        most: None,
        code: Code::Guardrail,
        remedy: "three copies survive the loss of one without a gap",
    },
    Rail {
        guardrail: Guardrail::Keyspaces,
        name: "keyspaces",
        what: "the number of keyspaces",
        unit: Unit::Count,
        is_floor: false,
        most: Some(1_000),
        code: Code::Guardrail,
        remedy: "share keyspaces among tables that are replicated alike",
    },
    Rail {
        guardrail: Guardrail::Tables,
        name: "tables",
        what: "the number of tables",
        unit: Unit::Count,
        is_floor: false,
        most: Some(5_000),
        code: Code::Guardrail,
        remedy: "every table takes memory on every node: one table with a longer key often serves",
    },
    Rail {
        guardrail: Guardrail::Columns,
        name: "columns",
        what: "the number of columns",
        unit: Unit::Count,
        is_floor: false,
        most: Some(10_000),
        code: Code::Guardrail,
        remedy: "what is a list of things belongs into rows",
    },
    Rail {
        guardrail: Guardrail::StreamBytes,
        name: "stream_bytes",
        what: "the size of requests in hand on this stream",
        unit: Unit::Bytes,
        is_floor: false,
        most: None,
        code: Code::Overloaded,
        remedy: "wait for answers before sending more",
    },
    Rail {
        guardrail: Guardrail::AddressBytes,
        name: "address_bytes",
        what: "the size of requests in hand of this client's address",
        unit: Unit::Bytes,
        is_floor: false,
        most: None,
        code: Code::Overloaded,
        remedy: "wait for answers before sending more",
    },
    Rail {
        guardrail: Guardrail::RequestBytes,
        name: "request_bytes",
        what: "the size of requests and answers in hand on this node",
        unit: Unit::Bytes,
        is_floor: false,
        most: None,
        code: Code::Overloaded,
        remedy: "retry after a pause that grows, or through another node",
    },
];

impl Guardrail {
    /// Its line of the table.
    pub fn rail(self) -> &'static Rail {
        &RAILS[self as usize]
    }
}

impl Level {
    /// In settings and as a label of the metric.
    pub fn name(self) -> &'static str {
        match self {
            Level::Warn => "warn",
            Level::Fail => "fail",
        }
    }
}

/// How many bytes a partition takes on this node's disk; 0 where it holds no copy, and perhaps where it
/// is no more than the last argument. Cheap: asked for every write.
pub type PartitionBytes = Arc<dyn Fn(TableId, &PartitionKey, u64) -> u64 + Send + Sync>;

/// The two levels of one guardrail; `None` is off. Values beyond a level reach it, the level itself
/// does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// From where on it is told.
    pub warn: Option<u64>,
    /// From where on it is refused.
    pub fail: Option<u64>,
}

/// What a value comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Fine.
    Ok,
    /// Beyond the level to warn at, which is this.
    Warn(u64),
    /// Beyond the level to refuse at, which is this.
    Fail(u64),
}

impl Limits {
    /// What `value` comes to. `is_floor` says that small values are the unwise ones.
    pub fn judge(&self, value: u64, is_floor: bool) -> Verdict {
        let beyond = |limit: &u64| if is_floor { value < *limit } else { *limit < value };
        match (self.fail.filter(beyond), self.warn.filter(beyond)) {
            (Some(limit), _) => Verdict::Fail(limit),
            (None, Some(limit)) => Verdict::Warn(limit),
            (None, None) => Verdict::Ok,
        }
    }
}

/// The guardrails of one node: its limits, and how often each was reached.
#[derive(Debug, Default)]
pub struct Guard {
    limits: [Limits; RAILS.len()],
    counts: [[AtomicU64; 2]; RAILS.len()],
}

impl Guard {
    /// With the limits that `limits` gives for each.
    pub fn new(limits: impl Fn(Guardrail) -> Limits) -> Guard {
        Guard { limits: RAILS.each_ref().map(|it| limits(it.guardrail)), ..Guard::default() }
    }

    /// Up to where a value is fine; `None` where all are. Not of a guardrail that is a floor.
    pub(crate) fn enough(&self, guardrail: Guardrail) -> Option<u64> {
        let Limits { warn, fail } = self.limits[guardrail as usize];
        warn.into_iter().chain(fail).min()
    }

    /// What `value` comes to, uncounted.
    pub(crate) fn judge(&self, guardrail: Guardrail, value: u64) -> Verdict {
        self.limits[guardrail as usize].judge(value, guardrail.rail().is_floor)
    }

    /// Measures `value`: the warning to tell, if it is unwise.
    ///
    /// # Errors
    /// When it is too much: the error names the limit, the value and the setting.
    pub fn check(&self, guardrail: Guardrail, value: u64) -> Result<Option<String>, Error> {
        let rail = guardrail.rail();
        match self.judge(guardrail, value) {
            Verdict::Ok => Ok(None),
            Verdict::Warn(limit) => {
                self.count(guardrail, Level::Warn);
                Ok(Some(sentence(rail, value, limit, Level::Warn)))
            }
            Verdict::Fail(limit) => {
                self.count(guardrail, Level::Fail);
                let retry = if rail.code == Code::Overloaded { Retry::Safe } else { Retry::No };
                let text = sentence(rail, value, limit, Level::Fail);
                Err(Error::new(rail.code, text).retry(retry).hint(rail.remedy))
            }
        }
    }

    /// How often each level of each guardrail was reached.
    pub fn counts(&self) -> Vec<(&'static str, Level, u64)> {
        let levels = [Level::Warn, Level::Fail];
        let of_rail = |rail: &Rail| {
            let (name, index) = (rail.name, rail.guardrail as usize);
            levels.map(|it| (name, it, self.counts[index][it as usize].load(Ordering::Relaxed)))
        };
        RAILS.iter().flat_map(of_rail).collect()
    }

    fn count(&self, guardrail: Guardrail, level: Level) {
        self.counts[guardrail as usize][level as usize].fetch_add(1, Ordering::Relaxed);
    }
}

fn sentence(rail: &Rail, value: u64, limit: u64, level: Level) -> String {
    let Rail { name, what, unit, .. } = rail;
    let than = if rail.is_floor { "less than" } else { "more than" };
    let (value, limit) = (unit.show(value), unit.show(limit));
    format!("{what} is {value}, {than} {limit} (guardrails.{name}_{})", level.name())
}

impl Unit {
    /// A number of this unit, as people write it; exact where it is a limit.
    pub fn show(self, value: u64) -> String {
        match self {
            Unit::Count => value.to_string(),
            Unit::Seconds => format!("{value} s"),
            Unit::Bytes => match value {
                mib if mib != 0 && mib.is_multiple_of(1 << 20) => format!("{} MiB", mib >> 20),
                kib if kib != 0 && kib.is_multiple_of(1 << 10) => format!("{} KiB", kib >> 10),
                bytes => format!("{bytes} bytes"),
            },
        }
    }
}

#[cfg(test)]
mod tests;
