//! What `engines` is told.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use model::cell::TTL_MAX;
use serde::{Deserialize, Serialize};

use super::workload::Kind;

/// Fewer rows fill no partition.
pub(super) const ROWS_MIN: u64 = 100;

/// Measures Helenus's storage engine beside RocksDB and fjall: the same rows, each engine in a
/// process of its own.
#[derive(Clone, Debug, Parser)]
#[command(name = "engines", version)]
pub struct Args {
    /// What the rows look like
    #[arg(long, value_enum, default_value = "messages")]
    pub workload: Kind,
    /// Rows to load; overwrites and deletes come on top
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(ROWS_MIN..=1_000_000_000))]
    pub rows: u64,
    /// Engines to measure, in this order. Default: all that this build has
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub engines: Vec<EngineName>,
    /// Phases to run. Default: all
    #[arg(long, value_enum, value_delimiter = ',', value_name = "LIST")]
    pub only: Vec<Phase>,
    /// Runs of all of it; of each measure the run that is the worst for helenus is shown
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Measure a tenth of the rows first, or a million where that is less, and print how each figure
    /// grows
    #[arg(long)]
    pub growth: bool,
    /// Seconds that each kind of read is measured
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    pub time: Duration,
    /// Block cache of each engine, MiB
    #[arg(long, value_name = "MIB", default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1_048_576))]
    pub cache: u64,
    /// How helenus compresses its blocks; the others use LZ4
    #[arg(long, value_enum, default_value = "lz4")]
    pub compression: Compression,
    /// Helenus' rows expire so many seconds after they were written, 0 for never; the others keep theirs, for they have nothing
    /// like it for a single row
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=i64::from(TTL_MAX)))]
    pub ttl: u32,
    /// What the rows are drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Where data goes, in a folder that is removed again. Default: the system's folder for temporary files
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Also write every figure to this file, as JSON lines
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Runs one phase of one engine: what this program starts itself with
    #[arg(long, value_enum, hide = true, requires = "data")]
    pub phase: Option<Phase>,
    /// The folder of that phase
    #[arg(long, hide = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// What blocks are compressed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Compression {
    /// As the default of a table.
    Lz4,
    /// At its default level.
    Zstd,
}

impl Compression {
    /// As the table option `compression` names it.
    pub(super) fn class(self) -> &'static str {
        match self {
            Compression::Lz4 => "LZ4Compressor",
            Compression::Zstd => "ZstdCompressor",
        }
    }

    /// As the command line names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

/// An engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineName {
    /// RocksDB, built from its source.
    #[value(name = "rocksdb")]
    RocksDb,
    /// fjall.
    Fjall,
    /// This repository's.
    Helenus,
}

impl EngineName {
    /// The engines that this build has.
    pub(super) fn all() -> Vec<EngineName> {
        let all = [EngineName::RocksDb, EngineName::Fjall, EngineName::Helenus];
        all.into_iter().filter(|it| it.is_built()).collect()
    }

    /// Whether this build has it.
    pub(super) fn is_built(self) -> bool {
        match self {
            EngineName::RocksDb => cfg!(feature = "rocksdb"),
            EngineName::Fjall => cfg!(feature = "fjall"),
            EngineName::Helenus => true,
        }
    }

    /// Its name on the command line and in the table.
    pub(super) fn name(self) -> &'static str {
        match self {
            EngineName::RocksDb => "rocksdb",
            EngineName::Fjall => "fjall",
            EngineName::Helenus => "helenus",
        }
    }
}

/// A part of the whole, in a process of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Loads with 1 row a write.
    Single,
    /// Loads with 100 rows a write and compacts everything.
    Load,
    /// Reads what was loaded, warm.
    Read,
    /// Reads with a cache of half the data.
    Beyond,
    /// Reads with the page cache dropped before each read.
    Cold,
    /// Reads while another thread writes.
    Mixed,
    /// Fills the log, and is killed.
    Kill,
    /// Opens what the kill has left.
    Recover,
    /// Many writers that wait for the disk.
    Durable,
}

impl Phase {
    /// In this order: each finds what those before it have left.
    pub(super) const ALL: [Phase; 9] = [
        Phase::Single,
        Phase::Load,
        Phase::Read,
        Phase::Beyond,
        Phase::Cold,
        Phase::Mixed,
        Phase::Kill,
        Phase::Recover,
        Phase::Durable,
    ];

    /// Its name on the command line.
    pub(super) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |it| it.get_name().to_string())
    }

    /// The phase whose data this one works on.
    pub(super) fn needs(self) -> Option<Phase> {
        match self {
            Phase::Single | Phase::Load | Phase::Kill | Phase::Durable => None,
            Phase::Read | Phase::Beyond | Phase::Cold | Phase::Mixed => Some(Phase::Load),
            Phase::Recover => Some(Phase::Kill),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|_| "a number of seconds, like 0.5".to_string())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time <= Duration::from_secs(3600) => Ok(time),
        Ok(_) | Err(_) => Err("0 to 3600 seconds".to_string()),
    }
}
