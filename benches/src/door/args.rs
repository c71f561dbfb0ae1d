//! What `door` is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::workload::Kind;

/// Measures what a request costs a node at its door for CQL drivers.
#[derive(Clone, Debug, Parser)]
#[command(name = "door", version)]
pub struct Args {
    /// The program `helenus`. Default: the one beside this program
    #[arg(long, value_name = "FILE")]
    pub helenus: Option<PathBuf>,
    /// Seconds that each figure is measured
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub time: Duration,
    /// Partitions to read from
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub partitions: u64,
    /// Rows of each
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub rows: u64,
    /// Requests that are measured. Default: all of them
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KINDS")]
    pub only: Vec<Kind>,
    /// Leave what is read in the memtable, instead of flushing it to sstables that are cached
    #[arg(long)]
    pub unflushed: bool,
    /// Memory of the node
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    pub memory: String,
    /// What the requests are drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where data goes, in a folder that is removed again. Default: the system's folder for temporary files
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Measures what neighbors cost instead
    #[arg(long, value_enum)]
    pub hostile: Option<Hostile>,
    /// Answers each request with so many bytes: what this program starts itself with
    #[arg(long, hide = true, value_name = "BYTES")]
    pub echo: Option<usize>,
}

/// Who is connected beside those that behave well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Hostile {
    /// 10,000 connections that ask for nothing: their memory
    Idle,
    /// 1,000 that send garbage, half an envelope, or nothing, and 100 that read no answer: the p99 of one
    /// that behaves well
    Bad,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "expected seconds".to_owned())?;
    let range = 0.01..=3600.0;
    range.contains(&seconds).then(|| Duration::from_secs_f64(seconds)).ok_or("0.01 to 3600".into())
}
