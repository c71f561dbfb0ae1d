//! Load on a whole cluster: what to send, when, and how long it took.
//!
//! ```text
//!   pacer: the instants of --rate, or "at once" ──► drive: one task a request ──► recorder ──► report
//! ```
//!
//! With a rate the load is open-loop: a request is due when the schedule says so, however slow the
//! cluster is, and its latency counts from then. A stall delays many requests and shows in all of
//! them, as it would for as many users (no coordinated omission). With `--rate max` the load is
//! closed-loop: each of `--in-flight` slots sends its next request when it has its answer, which
//! measures throughput and flatters latency.

mod args;
mod drive;
mod pacer;
mod recorder;
mod report;
mod workload;

#[cfg(test)]
mod tests;

pub use args::{Args, Format, Rate, Workload};
pub use drive::{Failure, run};
pub use recorder::{Kind, Recorder};
pub use report::Report;
