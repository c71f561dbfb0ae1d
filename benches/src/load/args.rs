//! What `load` is told.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use client::Consistency;
use serde::Serialize;

/// Drives a Helenus cluster through the client crate and prints latency percentiles.
///
/// With a rate the load is open-loop: latency counts from the instant a request was due, so that a
/// stall of the cluster shows in every request that it delays.
#[derive(Clone, Debug, Parser, Serialize)]
#[command(name = "load", version)]
pub struct Args {
    /// Client address of a node; the others are discovered. May be repeated
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9044")]
    pub node: Vec<String>,
    /// Requests a second, open-loop; `max` for as fast as they are answered, closed-loop
    #[arg(long, value_name = "N|max", default_value = "1000")]
    pub rate: Rate,
    /// How long to measure, for example 30s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    #[serde(serialize_with = "seconds")]
    pub duration: Duration,
    /// How long to run before measuring
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = duration)]
    #[serde(serialize_with = "seconds")]
    pub warmup: Duration,
    /// What to send
    #[arg(long, value_enum, default_value = "mixed")]
    pub workload: Workload,
    /// Sessions; each has a connection to every node
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub connections: u64,
    /// Requests under way at once, at most. Open-loop, those beyond it wait, and their wait counts
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = at_least_one)]
    pub in_flight: u64,
    /// Bytes of each value written
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub value_bytes: u32,
    /// Partitions to spread over
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = at_least_one)]
    pub partitions: u64,
    /// Rows of each partition. All are written before a workload that reads
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub rows: u64,
    /// How many replicas must answer
    #[arg(long, value_name = "LEVEL", default_value = "QUORUM", value_parser = consistency)]
    #[serde(serialize_with = "level")]
    pub consistency: Consistency,
    /// Replicas of each partition, when the keyspace `load` does not exist yet. Default: 3, or the
    /// number of nodes if there are fewer
    #[arg(long, value_name = "N")]
    pub replication_factor: Option<u64>,
    /// When a request counts as failed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
    /// Where chance begins: the same seed sends the same requests
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// How to print the report
    #[arg(long, value_enum, default_value = "text")]
    pub format: Format,
}

/// When requests are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// So many a second, whether they are answered or not.
    PerSecond(u32),
    /// The next one when one was answered.
    Max,
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Rate, String> {
        match text.parse() {
            _ if text == "max" => Ok(Rate::Max),
            Ok(rate @ 1..=1_000_000) => Ok(Rate::PerSecond(rate)),
            Ok(_) | Err(_) => Err("expected 1 to 1000000, or max".to_owned()),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rate::PerSecond(rate) => write!(f, "{rate}/s, open-loop"),
            Rate::Max => f.write_str("as fast as answered, closed-loop"),
        }
    }
}

/// What to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Workload {
    /// Inserts of single rows.
    Write,
    /// Reads of single rows.
    Read,
    /// Half of each.
    Mixed,
}

/// How to print the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// For people.
    Text,
    /// For programs: one object.
    Json,
}

fn at_least_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|it| 1 <= *it).ok_or_else(|| "expected a number from 1".to_owned())
}

fn consistency(text: &str) -> Result<Consistency, String> {
    Consistency::from_name(text).ok_or_else(|| {
        let names: Vec<&str> = Consistency::ALL.iter().map(|it| it.name()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (count, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let count = count.parse::<u32>().ok();
    let both =
        millis.zip(count).map(|(unit, count)| Duration::from_millis(unit * u64::from(count)));
    both.ok_or_else(|| "expected a duration such as 10s, 500ms or 5m".to_owned())
}

fn level<S: serde::Serializer>(level: &Consistency, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(level.name())
}

fn seconds<S: serde::Serializer>(duration: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(duration.as_secs_f64())
}
