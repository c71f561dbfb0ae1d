//! The command line: `helenus start`, `helenus demo` and the operators' commands.
//!
//! Exit codes: 0 done, 1 error, 2 wrong usage, 3 cannot connect, 4 timed out or outcome unknown,
//! 10 unhealthy.

mod admin;
mod demo;
mod flags;
mod fleet;
mod inspect;
mod load;
mod machine;
mod sample;
mod scrub;
mod shown;
mod snapshot;
mod start;

use clap::{Parser, Subcommand};

pub use sample::{METRIC_ROWS, Message, Metric, Sample, messages, metrics, schema};

/// What a command ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// An error, already printed.
    Error = 1,
    /// Wrong usage, already printed.
    Usage = 2,
    /// Cannot connect, or not allowed.
    Connect = 3,
    /// Timed out, or outcome unknown.
    Unknown = 4,
    /// Unhealthy.
    Unhealthy = 10,
}

/// Helenus: a wide-column store. One binary: the node, a whole demo cluster, and the tools.
#[derive(Debug, Parser)]
#[command(name = "helenus", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one node
    Start(Box<start::Args>),
    /// Run a whole cluster in this process, with a shell
    Demo(demo::Args),
    /// The cluster as a node sees it, with nodetool's letters
    Status(admin::Target),
    /// Exit 0 when the cluster is healthy, 10 when it is not
    Health(admin::HealthArgs),
    /// Write memtables to sstables
    Flush(admin::TableArgs),
    /// Merge sstables
    Compact(admin::TableArgs),
    /// Flush and stop taking requests: the node may then be stopped
    Drain(admin::Target),
    /// Where a partition lives: `where KEYSPACE.TABLE KEY`
    Where(admin::WhereArgs),
    /// Keep tables as they are, and bring them back
    Snapshot {
        #[command(subcommand)]
        command: snapshot::Command,
    },
    /// Add sstables of another node or cluster to a table: `import KEYSPACE.TABLE FILE|DIR…`
    Import(snapshot::ImportArgs),
    /// What sstables and commit logs hold, and whether they are whole: offline and read-only
    Inspect {
        #[command(subcommand)]
        command: inspect::Command,
    },
    /// Save what can be read of a damaged sstable to a new one: offline
    Scrub(scrub::ScrubArgs),
    /// Versions of this program
    Version(admin::VersionArgs),
    /// Explain an error code, for example HX1002
    Explain {
        /// The code
        code: String,
    },
    /// Settings
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Print every setting of a running node
    Show(admin::ConfigArgs),
}

/// Runs the command of this process's arguments; the exit code to end with.
pub fn run() -> i32 {
    // Until there is much in memory: the block cache goes over to huge ones.
    sys::memory::use_small_pages();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            drop(error.print());
            return if error.use_stderr() { Exit::Usage as i32 } else { Exit::Done as i32 };
        }
    };
    match cli.command {
        Command::Start(args) => start::run(*args) as i32,
        Command::Demo(args) => demo::run(args),
        Command::Status(target) => admin::status(target) as i32,
        Command::Health(args) => admin::health(args) as i32,
        Command::Flush(args) => admin::flush(args) as i32,
        Command::Compact(args) => admin::compact(args) as i32,
        Command::Drain(target) => admin::drain(target) as i32,
        Command::Where(args) => admin::locate(args) as i32,
        Command::Snapshot { command } => snapshot::run(command) as i32,
        Command::Import(args) => snapshot::import(args) as i32,
        Command::Inspect { command } => inspect::run(command) as i32,
        Command::Scrub(args) => scrub::run(&args) as i32,
        Command::Version(args) => admin::version(args) as i32,
        Command::Explain { code } => explain(&code) as i32,
        Command::Config { command: ConfigCommand::Show(args) } => admin::config(args) as i32,
    }
}

/// Prints a line to stdout. A closed pipe is no error of ours.
fn print(line: impl AsRef<str>) {
    use std::io::Write;
    drop(writeln!(std::io::stdout(), "{}", line.as_ref()));
}

/// `1 sstable`, `2 sstables`.
fn counted(count: u64, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// Prints an error with its code.
fn complain(code: cql_lite::code::Code, message: impl std::fmt::Display) {
    eprintln!("error[{code}]: {message}\n  help: {}", code.remedy());
}

fn explain(text: &str) -> Exit {
    let wanted = text.trim().to_uppercase();
    let found = cql_lite::code::Code::ALL.iter().find(|it| it.to_string() == wanted);
    match found {
        Some(code) => {
            print(format!(
                "{code}: {}\n\n{}\n\nWhat to do: {}",
                code.title(),
                code.explanation(),
                code.remedy()
            ));
            Exit::Done
        }
        None => {
            let known: Vec<String> =
                cql_lite::code::Code::ALL.iter().map(ToString::to_string).collect();
            eprintln!("error: there is no code {wanted}; there are {}", known.join(" "));
            Exit::Error
        }
    }
}
