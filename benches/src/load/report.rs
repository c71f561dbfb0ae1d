//! What a run came to, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use client::ServerInfo;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::args::Args;
use super::recorder::Recorder;

/// What a run came to.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What it was told.
    pub args: Args,
    /// Version of the node that was reached.
    pub server_version: String,
    /// How long it ran, the last answers included.
    pub seconds: f64,
    /// By kind: `write`, `read`.
    pub requests: BTreeMap<&'static str, Latencies>,
    /// How often what went wrong.
    pub errors: BTreeMap<String, u64>,
}

/// Latencies of the requests of one kind that were answered well.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Latencies {
    /// How many.
    pub count: u64,
    /// How many a second.
    pub per_second: f64,
    /// Microseconds.
    pub mean_us: f64,
    /// Microseconds, as all below.
    pub p50_us: u64,
    /// Nine of ten are no longer.
    pub p90_us: u64,
    /// 99 of 100 are no longer.
    pub p99_us: u64,
    /// 999 of 1000 are no longer.
    pub p99_9_us: u64,
    /// The longest.
    pub max_us: u64,
}

impl Report {
    pub(super) fn new(
        args: &Args,
        server: &ServerInfo,
        recorder: Recorder,
        took: Duration,
    ) -> Report {
        let seconds = took.as_secs_f64();
        let latencies = |it: &Histogram<u64>| Latencies::new(it, seconds);
        Report {
            args: args.clone(),
            server_version: server.version.clone(),
            seconds,
            requests: recorder.latencies.iter().map(|(k, it)| (k.name(), latencies(it))).collect(),
            errors: recorder.errors,
        }
    }

    /// Whether nothing was answered well.
    pub fn is_empty(&self) -> bool {
        self.requests.values().all(|it| it.count == 0)
    }

    /// One object on one line.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names are strings and numbers are finite")
    }
}

impl Latencies {
    fn new(histogram: &Histogram<u64>, seconds: f64) -> Latencies {
        Latencies {
            count: histogram.len(),
            per_second: histogram.len() as f64 / seconds,
            mean_us: histogram.mean(),
            p50_us: histogram.value_at_quantile(0.5),
            p90_us: histogram.value_at_quantile(0.9),
            p99_us: histogram.value_at_quantile(0.99),
            p99_9_us: histogram.value_at_quantile(0.999),
            max_us: histogram.max(),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { args, server_version, seconds, .. } = self;
        writeln!(
            f,
            "{} at {}, helenus {server_version}, {seconds:.1} s",
            args.rate, args.consistency
        )?;
        let head = ["count", "per second", "p50", "p90", "p99", "p99.9", "max"];
        let [count, rate, p50, p90, p99, p99_9, max] = head;
        writeln!(
            f,
            "{:<6} {count:>9} {rate:>11} {p50:>10} {p90:>10} {p99:>10} {p99_9:>10} {max:>10}",
            ""
        )?;
        for (kind, it) in &self.requests {
            write!(f, "{kind:<6} {:>9} {:>11.0}", it.count, it.per_second)?;
            for micros in [it.p50_us, it.p90_us, it.p99_us, it.p99_9_us, it.max_us] {
                write!(f, " {:>7.2} ms", micros as f64 / 1000.0)?;
            }
            writeln!(f)?;
        }
        for (what, times) in &self.errors {
            writeln!(f, "{times} × {what}")?;
        }
        Ok(())
    }
}
