//! `engines`: the storage engine beside RocksDB and fjall, on the rows of wide-column users.
//!
//! ```text
//!   parent ──► phase of an engine, a process of its own ──► one line a figure ──► table, JSON lines
//!                 │
//!        the same rows ──► Store ──► helenus · rocksdb · fjall
//! ```
//!
//! What is measured is what the engine does: preparing writes and reads happens outside of the clocks,
//! and is taken off the processor time of all threads.
//!
//! In reading order:

mod args;
mod workload;

mod asks;
mod measure;
mod store;

mod meter;
mod phases;
mod stores;

mod parent;
mod report;

pub use args::{Args, EngineName, Phase};
pub(crate) use meter::{load_average, processors};
pub use workload::Kind;

use report::Report;
use store::Failure;

/// Measures, as the arguments say. The answer is what to print.
///
/// # Errors
/// An engine that fails, that answers otherwise than another, or that this build does not have.
pub fn run(args: &Args) -> Result<String, Failure> {
    if let (Some(phase), Some(data)) = (args.phase, &args.data) {
        let engine = *args.engines.first().ok_or("a phase is of one engine")?;
        return phases::run(args, phase, engine, data).map(|()| String::new());
    }
    if let Some(engine) = parent::engines(args).iter().find(|it| !it.is_built()) {
        let feature = engine.name();
        return Err(format!("this build has no {feature}: add --features {feature}").into());
    }
    let small = args.growth.then(|| (args.rows / 10).clamp(args::ROWS_MIN, 1_000_000));
    let mut reports = Vec::new();
    for rows in small.into_iter().chain([args.rows]) {
        let runs = (0..args.runs).map(|_| parent::run(args, rows)).collect::<Result<_, _>>()?;
        reports.push(Report::new(args, runs));
    }
    if let Some(path) = &args.json {
        let lines: String = reports.iter().map(Report::json_lines).collect();
        std::fs::write(path, lines)?;
    }
    let mut text: Vec<String> = reports.iter().map(Report::to_string).collect();
    if let [small, large] = &reports[..] {
        text.push(large.growth(small));
    }
    Ok(text.join("\n"))
}

#[cfg(test)]
mod tests;
