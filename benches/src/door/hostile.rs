//! Neighbors: connections that ask for nothing, and connections that mean no good.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{BufMut, BytesMut};
use hdrhistogram::Histogram;
use proto::cql::{
    Version,
    header::{Header, Opcode},
};
use sys::Rng;
use tokio::task::JoinSet;

use super::{
    Args, Failure,
    args::Hostile,
    process::{Node, resident_bytes},
    wire::Wire,
    workload::{Kind, Workload},
};

/// Connections that ask for nothing.
const IDLE: usize = 10_000;

/// What they may cost together, MiB.
const IDLE_MIB_MAX: f64 = 200.0;

/// Connections that send garbage, half an envelope, or nothing: a third each.
const BAD: usize = 1_000;

/// Connections that ask for rows and read no answer.
const DEAF: usize = 100;

/// How much longer the answers of others may take for it.
const RATIO_MAX: f64 = 2.0;

/// Rounds with and without bad neighbors, in turn: the median of their ratios counts.
const ROUNDS: usize = 3;

/// Before one whose connection was closed for its garbage comes again.
const AGAIN: Duration = Duration::from_secs(1);

/// Measures one of them. The answer is what to print.
pub(super) async fn run(args: &Args, node: &Node, part: Hostile) -> Result<String, Failure> {
    match part {
        Hostile::Idle => idle(node).await,
        Hostile::Bad => bad(args, node).await,
    }
}

async fn idle(node: &Node) -> Result<String, Failure> {
    // Whatever the first connections bring with them is not theirs.
    drop(Wire::start(node.cql).await?);
    let before = resident_bytes(node.id())?;
    let mut wires = Vec::new();
    for _ in 0..IDLE {
        wires.push(Wire::start(node.cql).await?);
    }
    let mib = resident_bytes(node.id())?.saturating_sub(before) as f64 / f64::from(1 << 20);
    let each = mib * 1024.0 / IDLE as f64;
    let missed = if mib <= IDLE_MIB_MAX { "" } else { ": **missed**" };
    // They are still served.
    for wire in [0, IDLE / 2, IDLE - 1] {
        wires[wire].query("SELECT key FROM system.local").await?;
    }
    Ok(format!(
        "{IDLE} idle connections: {mib:.1} MiB, {each:.1} KiB each (≤ {IDLE_MIB_MAX} MiB{missed})\n"
    ))
}

async fn bad(args: &Args, node: &Node) -> Result<String, Failure> {
    let workload = Arc::new(Workload::prepare(args, node.cql).await?);
    let mut text = String::new();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let alone = behave(args, node, &workload).await?;
        let neighbors = neighbors(node, &workload).await?;
        let beside = behave(args, node, &workload).await?;
        drop(neighbors);
        let ratio = beside.p99 / alone.p99;
        ratios.push(ratio);
        text.push_str(&format!(
            "p99 of one that behaves well: {:.0} µs alone ({:.0} answers/s), {:.0} µs beside {BAD} bad and {DEAF} deaf ones ({:.0} answers/s): {ratio:.2}x\n",
            alone.p99, alone.per_second, beside.p99, beside.per_second,
        ));
    }
    ratios.sort_by(f64::total_cmp);
    let median = ratios[ROUNDS / 2];
    let missed = if median <= RATIO_MAX { "" } else { ": **missed**" };
    text.push_str(&format!("median: {median:.2}x (≤ {RATIO_MAX}x{missed})\n"));
    Ok(text)
}

struct Behaved {
    /// Microseconds.
    p99: f64,
    per_second: f64,
}

/// Reads and writes by turns, one request after the other.
async fn behave(args: &Args, node: &Node, workload: &Workload) -> Result<Behaved, Failure> {
    let mut wire = Wire::start(node.cql).await?;
    let (mut rng, mut bytes) = (workload.rng(0), BytesMut::new());
    let mut took = Histogram::<u64>::new_with_bounds(1, 60_000_000_000, 3)?;
    let begin = Instant::now();
    while begin.elapsed() < args.time {
        for kind in [Kind::Insert, Kind::Select] {
            bytes.clear();
            workload.put(kind, &mut bytes, 0, &mut rng);
            let asked = Instant::now();
            wire.ask(&bytes).await?;
            took.saturating_record(asked.elapsed().as_nanos() as u64);
        }
    }
    let per_second = took.len() as f64 / begin.elapsed().as_secs_f64();
    Ok(Behaved { p99: took.value_at_quantile(0.99) as f64 / 1e3, per_second })
}

/// All bad ones, until they are dropped.
async fn neighbors(node: &Node, workload: &Arc<Workload>) -> Result<JoinSet<()>, Failure> {
    let port = node.cql;
    let mut all = JoinSet::new();
    for number in 0..BAD {
        let wire = Wire::connect(port).await?;
        let rng = workload.rng(number as u64);
        match number % 3 {
            0 => drop(all.spawn(garbage(port, wire, rng))),
            1 => drop(all.spawn(half(wire))),
            _ => drop(all.spawn(async move { wire.closed().await })),
        }
    }
    for number in 0..DEAF {
        let (mut wire, workload) = (Wire::start(port).await?, Arc::clone(workload));
        let mut rng = workload.rng(number as u64);
        all.spawn(async move {
            let mut bytes = BytesMut::new();
            (0..1000).for_each(|it| workload.put(Kind::Last, &mut bytes, it, &mut rng));
            // Until it is not read any more, or let go of.
            while wire.send(&bytes).await.is_ok() {}
        });
    }
    Ok(all)
}

/// Sends what means nothing, and comes again when it was closed for that.
async fn garbage(port: u16, mut wire: Wire, mut rng: Rng) {
    loop {
        let bytes: Vec<u8> = (0..64).map(|_| (rng.next_u64() >> 56) as u8).collect();
        if wire.send(&bytes).await.is_ok() {
            wire.closed().await;
        }
        tokio::time::sleep(AGAIN).await;
        match Wire::connect(port).await {
            Ok(again) => wire = again,
            Err(_) => return,
        }
    }
}

/// Begins an envelope, and does not end it.
async fn half(mut wire: Wire) {
    let (version, opcode) = (Version::V4, Opcode::Query.number());
    let header = Header { version, flags: 0, stream: 0, opcode, length: 1 << 20 };
    let mut bytes = BytesMut::new();
    header.put_request(&mut bytes);
    bytes.put_bytes(b'x', 1000);
    if wire.send(&bytes).await.is_ok() {
        wire.closed().await;
    }
}
