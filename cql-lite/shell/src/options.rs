//! Flags.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use client::Consistency;

use crate::output::Format;

/// The flags of `cql-lite`.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "cql-lite",
    version,
    about = "The CQL shell of Helenus",
    after_help = "Exit codes: 0 done, 1 error, 2 wrong usage, 3 cannot connect or not allowed, \
                  4 timed out or outcome unknown."
)]
pub struct Options {
    /// Nodes to begin with; the others are discovered.
    #[arg(value_name = "HOST[:PORT]", default_value = "127.0.0.1:9044")]
    pub nodes: Vec<String>,

    /// What to run.
    #[command(flatten)]
    pub work: Work,

    /// How to print.
    #[command(flatten)]
    pub face: Face,

    /// The keyspace of unqualified names.
    #[arg(short, long, value_name = "KEYSPACE")]
    pub keyspace: Option<String>,

    /// How many replicas must answer.
    #[arg(long, value_name = "LEVEL", default_value = "QUORUM", value_parser = consistency)]
    pub consistency: Consistency,

    /// How long connecting may take.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = duration)]
    pub connect_timeout: Duration,

    /// How long a statement, or a page of its rows, may take.
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration)]
    pub request_timeout: Duration,
}

/// What to run; nothing means the keyboard or, if that is no terminal, standard input.
#[derive(Clone, Debug, Default, Args)]
pub struct Work {
    /// Statements to run, after those of files; may be given several times.
    #[arg(short, long, value_name = "CQL", allow_hyphen_values = true)]
    pub execute: Vec<String>,

    /// Files of statements to run, in order; `-` is standard input.
    #[arg(short, long, value_name = "FILE")]
    pub file: Vec<PathBuf>,
}

/// How to print.
#[derive(Clone, Debug, Default, Args)]
pub struct Face {
    /// How rows are printed [default: table on a terminal, tsv otherwise].
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// What to do after a statement that failed [default: continue at the keyboard, stop
    /// otherwise].
    #[arg(long, value_name = "WHAT")]
    pub on_error: Option<OnError>,
}

/// What to do after a statement that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OnError {
    /// Run no further statement.
    Stop,
    /// Run the rest; the exit code is that of the first failure.
    Continue,
}

impl Work {
    /// Whether there is nothing but the keyboard or standard input.
    pub fn is_empty(&self) -> bool {
        self.execute.is_empty() && self.file.is_empty()
    }
}

fn consistency(name: &str) -> Result<Consistency, String> {
    Consistency::from_name(name).ok_or_else(|| {
        let names = Consistency::ALL.map(Consistency::name);
        match cql_lite::suggest::suggest(name, names) {
            Some(near) => format!("no such level, did you mean {near}?"),
            None => format!("no such level; there are {}", names.join(", ")),
        }
    })
}

/// `500ms`, `10s`, `2m`: a number needs its unit.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let number = number.parse::<u32>().ok().map(u64::from);
    match (number, millis) {
        (Some(number), Some(millis)) if 0 < number => Ok(Duration::from_millis(number * millis)),
        _ => Err("expected a number with its unit, such as 500ms, 10s or 2m".to_owned()),
    }
}
