//! The load: connections that ask again as soon as they are answered, all in one thread.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::task::JoinSet;

use super::{
    Failure,
    process::cpu_seconds,
    wire::Wire,
    workload::{Kind, Workload},
};

/// How much, and for how long.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) connections: usize,
    /// Requests of each that are not answered yet.
    pub(super) in_flight: usize,
    pub(super) time: Duration,
}

/// What it came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    /// Answers a second.
    pub(super) per_second: f64,
    /// Processor time of the process for each, µs.
    pub(super) cpu_us: f64,
}

/// Loads whoever listens at `port`, which is the process `id`: for a fifth of the time to warm up, and
/// then for all of it.
pub(super) async fn measure(
    load: &Load,
    port: u16,
    id: u32,
    workload: &Arc<Workload>,
    kind: Kind,
) -> Result<Measured, Failure> {
    drive(&Load { time: load.time / 5, ..*load }, port, workload, kind).await?;
    let (begin, cpu) = (Instant::now(), cpu_seconds(id)?);
    let answers = drive(load, port, workload, kind).await? as f64;
    let cpu = cpu_seconds(id)? - cpu;
    let per_second = answers / begin.elapsed().as_secs_f64();
    Ok(Measured { per_second, cpu_us: cpu * 1e6 / answers })
}

/// How many answers came.
async fn drive(
    load: &Load,
    port: u16,
    workload: &Arc<Workload>,
    kind: Kind,
) -> Result<u64, Failure> {
    let mut wires = Vec::new();
    for _ in 0..load.connections {
        wires.push(Wire::start(port).await?);
    }
    let (end, in_flight) = (Instant::now() + load.time, load.in_flight);
    let mut tasks = JoinSet::new();
    for (wire, number) in wires.into_iter().zip(0..) {
        let workload = Arc::clone(workload);
        tasks.spawn(async move { one(wire, end, in_flight, &workload, kind, number).await });
    }
    let mut answers = 0;
    while let Some(ended) = tasks.join_next().await {
        answers += ended??;
    }
    Ok(answers)
}

/// One connection, until the time is over and everything is answered.
async fn one(
    mut wire: Wire,
    end: Instant,
    in_flight: usize,
    workload: &Workload,
    kind: Kind,
    number: u64,
) -> Result<u64, Failure> {
    let mut rng = workload.rng(number);
    let mut free: Vec<i16> = (0..).take(in_flight).collect();
    let (mut bytes, mut waiting, mut answers) = (BytesMut::new(), 0, 0);
    loop {
        if Instant::now() < end {
            bytes.clear();
            waiting += free.len();
            free.drain(..).for_each(|stream| workload.put(kind, &mut bytes, stream, &mut rng));
            wire.send(&bytes).await?;
        }
        if waiting == 0 {
            return Ok(answers);
        }
        let take = |stream, _| {
            free.push(stream);
            Ok(())
        };
        let came = wire.receive(take).await?;
        waiting -= came;
        answers += came as u64;
    }
}
