//! What is measured, in which unit, which way is better, and what Helenus must reach.

use serde::{Deserialize, Serialize};

use super::workload::Kind;

/// What helenus must reach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Goal {
    /// So many times what RocksDB has, at least.
    RatioMin(f64),
    /// So many times what RocksDB has, at most.
    RatioMax(f64),
    Min(f64),
    Max(f64),
}

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Better {
    High,
    Low,
}

macro_rules! measures {
    ($($name:ident: $label:literal, $unit:literal, $better:ident;)*) => {
        /// What is measured, in the order of the table.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(super) enum Measure { $(#[doc = $label] $name,)* }

        impl Measure {
            pub(super) fn label(self) -> &'static str {
                match self { $(Measure::$name => $label,)* }
            }

            pub(super) fn unit(self) -> &'static str {
                match self { $(Measure::$name => $unit,)* }
            }

            pub(super) fn better(self) -> Better {
                match self { $(Measure::$name => Better::$better,)* }
            }
        }
    };
}

measures! {
    IngestOne: "ingest, 1 row a write", "rows/CPU-s of the caller", High;
    IngestOneP50: "ingest, 1 row a write: p50", "µs", Low;
    IngestOneP99: "ingest, 1 row a write: p99", "µs", Low;
    IngestHundred: "ingest, 100 rows a write", "rows/CPU-s of the caller", High;
    IngestHundredP50: "ingest, 100 rows a write: p50", "µs", Low;
    IngestHundredP99: "ingest, 100 rows a write: p99", "µs", Low;
    LoadCpu: "load + all compaction, all threads", "CPU-µs/row", Low;
    LoadWall: "load + all compaction", "rows/s", High;
    Written: "bytes written / raw bytes", "", Low;
    Stored: "stored", "B/row", Low;
    PeakLoading: "peak memory while loading", "MiB", Low;
    PeakReading: "peak memory while reading", "MiB", Low;
    PointHit: "point read, hit", "reads/CPU-s", High;
    PointHitP50: "point read, hit: p50", "µs", Low;
    PointHitP99: "point read, hit: p99", "µs", Low;
    MissBetween: "point read, miss between two rows", "reads/CPU-s", High;
    MissOutside: "point read, miss outside the times", "reads/CPU-s", High;
    PointBeyond: "point read, data twice the cache", "reads/CPU-s", High;
    PointBeyondP50: "point read, data twice the cache: p50", "µs", Low;
    PointBeyondP99: "point read, data twice the cache: p99", "µs", Low;
    Last: "last 50 rows, reversed", "reads/CPU-s", High;
    LastP50: "last 50 rows, reversed: p50", "µs", Low;
    LastP99: "last 50 rows, reversed: p99", "µs", Low;
    RangeScan: "range of 300 rows", "rows/CPU-s", High;
    PartitionScan: "full partition scan", "rows/CPU-s", High;
    TableScan: "full table scan", "rows/CPU-s", High;
    Aggregate: "sum, min, max over half a series", "points/CPU-s", High;
    LastWriting: "last 50 while writing flat out", "reads/CPU-s", High;
    LastWritingP50: "last 50 while writing flat out: p50", "µs", Low;
    LastWritingP99: "last 50 while writing flat out: p99", "µs", Low;
    WriteReading: "10-row writes while reading", "rows/s", High;
    WriteReadingP50: "10-row writes while reading: p50", "µs", Low;
    WriteReadingP99: "10-row writes while reading: p99", "µs", Low;
    ColdPoint: "cold point read: p50", "µs", Low;
    ColdPointP99: "cold point read: p99", "µs", Low;
    ColdLast: "cold last 50: p50", "µs", Low;
    ColdLastP99: "cold last 50: p99", "µs", Low;
    CleanReopen: "clean reopen", "ms", Low;
    KilledReopen: "reopen after a kill, the log full", "ms", Low;
    KilledLost: "rows lost by the kill", "rows", Low;
    DurableGroup: "durable writes, group", "rows/s", High;
    DurablePeriodic: "the same, periodic", "rows/s", High;
    DurableRatio: "durable writes, group / periodic", "", High;
    Fdatasync: "append of 4 KiB with fdatasync: p50", "µs", Low;
}

/// What the issue that asks for this engine demands for messages, and for metrics.
const GOALS: &[(Measure, Goal, Goal)] = {
    use Goal::{Max, Min, RatioMax, RatioMin};
    &[
        (Measure::IngestOne, RatioMin(1.8), RatioMin(1.8)),
        (Measure::IngestHundred, RatioMin(3.5), RatioMin(6.0)),
        (Measure::LoadCpu, RatioMax(0.5), RatioMax(0.4)),
        (Measure::Written, Max(4.0), Max(4.0)),
        (Measure::Stored, RatioMax(0.7), RatioMax(0.18)),
        (Measure::PeakLoading, RatioMax(1.2), RatioMax(1.2)),
        (Measure::PointHit, RatioMin(1.8), RatioMin(1.8)),
        (Measure::MissBetween, RatioMin(1.0), RatioMin(1.0)),
        (Measure::MissOutside, RatioMin(3.0), RatioMin(3.0)),
        (Measure::PointBeyond, RatioMin(0.9), RatioMin(0.9)),
        (Measure::Last, RatioMin(8.0), RatioMin(8.0)),
        (Measure::RangeScan, RatioMin(4.0), RatioMin(4.0)),
        (Measure::PartitionScan, RatioMin(5.0), RatioMin(5.0)),
        (Measure::Aggregate, Min(100e6), Min(100e6)),
        (Measure::LastWriting, RatioMin(4.0), RatioMin(4.0)),
        (Measure::LastWritingP99, RatioMax(0.6), RatioMax(0.6)),
        (Measure::WriteReadingP99, RatioMax(1.2), RatioMax(1.2)),
        (Measure::CleanReopen, Max(5.0), Max(5.0)),
        (Measure::KilledReopen, RatioMax(0.25), RatioMax(0.25)),
        (Measure::DurableRatio, Min(0.5), Min(0.5)),
    ]
};

/// And for partitions of one row.
const GOALS_TINY: &[(Measure, Goal)] = &[
    (Measure::IngestOne, Goal::RatioMin(1.0)),
    (Measure::IngestHundred, Goal::RatioMin(1.0)),
    (Measure::PointHit, Goal::RatioMin(1.0)),
    (Measure::Stored, Goal::RatioMax(1.1)),
];

impl Measure {
    /// What helenus must reach, if anything.
    pub(super) fn goal(self, kind: Kind) -> Option<Goal> {
        if kind == Kind::Tiny {
            return GOALS_TINY.iter().find(|it| it.0 == self).map(|it| it.1);
        }
        let (_, messages, metrics) = GOALS.iter().find(|it| it.0 == self)?;
        Some(if kind == Kind::Metrics { *metrics } else { *messages })
    }
}

impl Goal {
    /// Whether `value` reaches it; `None` where RocksDB was not measured and is needed.
    pub(super) fn is_met(self, value: f64, rocksdb: Option<f64>) -> Option<bool> {
        Some(match self {
            Goal::RatioMin(ratio) => ratio * rocksdb? <= value,
            Goal::RatioMax(ratio) => value <= ratio * rocksdb?,
            Goal::Min(least) => least <= value,
            Goal::Max(most) => value <= most,
        })
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Goal::RatioMin(ratio) => write!(out, "≥ {ratio}x"),
            Goal::RatioMax(ratio) => write!(out, "≤ {ratio}x"),
            Goal::Min(least) => write!(out, "≥ {}", super::report::number(*least)),
            Goal::Max(most) => write!(out, "≤ {}", super::report::number(*most)),
        }
    }
}
