//! `door`: what a request costs at the door for CQL drivers, beside an echo of the same sizes.
//!
//! ```text
//!   load (one thread) ──► node, a process of its own ──► processor time of that process, a request
//!          └────────────► echo, a process of its own ──► the same, with nothing behind it
//! ```
//!
//! The load is the same for both: envelopes of version 4, answered one by one, each answer followed
//! by the next request. What a wake-up brings is answered with one write, so that the load costs
//! little beside what it measures.
//!
//! In reading order:

mod args;

mod echo;
mod process;

mod drive;
mod wire;
mod workload;

mod hostile;

mod report;

pub use args::Args;

use std::sync::Arc;

use report::{Figure, Report};
use workload::{Kind, Workload};

use crate::engines::{load_average, processors};

/// Why nothing was measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Connections that ask, and requests that each has in flight.
const SHAPES: [(usize, usize); 2] = [(64, 16), (64, 1)];

/// Measures, as the arguments say. The answer is what to print.
///
/// # Errors
/// A node that does not start, or a request that is not answered well.
pub async fn run(args: &Args) -> Result<String, Failure> {
    if let Some(bytes) = args.echo {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        process::tell_port(&listener)?;
        return echo::serve(listener, bytes).await.map(|()| String::new());
    }
    let folder = match &args.dir {
        Some(dir) => tempfile::tempdir_in(dir)?,
        None => tempfile::tempdir()?,
    };
    let node = process::Node::start(args, folder.path()).await?;
    if let Some(part) = args.hostile {
        return hostile::run(args, &node, part).await;
    }
    let before = load_average();
    let workload = Arc::new(Workload::prepare(args, node.cql).await?);
    if !args.unflushed {
        node.flush()?;
    }
    let mut figures = Vec::new();
    for kind in Kind::ALL {
        if !args.only.is_empty() && !args.only.contains(&kind) {
            continue;
        }
        let sizes = workload.sizes(kind).await?;
        let echo = process::Echo::start(sizes.answer)?;
        for (connections, in_flight) in SHAPES {
            let load = drive::Load { connections, in_flight, time: args.time };
            let of_node = drive::measure(&load, node.cql, node.id(), &workload, kind).await?;
            let of_echo = drive::measure(&load, echo.port, echo.id(), &workload, kind).await?;
            figures.push(Figure { kind, connections, in_flight, sizes, of_node, of_echo });
        }
    }
    let report = Report { figures, load: (before, load_average()), processors: processors() };
    Ok(report.to_string())
}

#[cfg(test)]
mod tests;
