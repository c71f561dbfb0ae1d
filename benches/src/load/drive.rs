//! Sends the requests when they are due, and not more than allowed at once.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use client::{Error, Session};
use sys::Rng;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::args::{Args, Rate, Workload};
use super::pacer;
use super::recorder::{Kind, Recorder};
use super::report::Report;
use super::workload::{self, Sender};

/// Why nothing was measured.
#[derive(Debug)]
pub enum Failure {
    /// No node could be reached.
    Connect(Error),
    /// The table of the load could not be made or filled.
    Prepare(Error),
}

/// Connects, fills the table where the workload reads, warms up and measures.
///
/// # Errors
/// See `Failure`. Once it measures, errors are counted.
pub async fn run(args: &Args) -> Result<Report, Failure> {
    let mut senders = Vec::new();
    let mut server = client::ServerInfo::default();
    for number in 0..args.connections {
        let session = connect(args, number).await.map_err(Failure::Connect)?;
        if number == 0 {
            server = session.server();
            workload::create(&session, args).await.map_err(Failure::Prepare)?;
        }
        senders.push(Sender::new(session, args).await.map_err(Failure::Prepare)?);
    }
    let mut rng = Rng::from_seed(args.seed);
    let senders: Arc<[Sender]> = senders.into();
    if args.workload != Workload::Write {
        fill(args, &senders, &mut rng).await.map_err(Failure::Prepare)?;
    }
    drop(measure(args, &senders, args.warmup, &mut rng).await);
    let begin = Instant::now();
    let recorder = measure(args, &senders, args.duration, &mut rng).await;
    Ok(Report::new(args, &server, recorder, begin.elapsed()))
}

async fn connect(args: &Args, number: u64) -> Result<Session, Error> {
    let builder = Session::builder().seed(args.seed.wrapping_add(number));
    args.node.iter().fold(builder, |builder, node| builder.known_node(node)).build().await
}

/// Writes every row once, so that every read finds one. A write that must not be lost is repeated
/// until it is known to be there.
async fn fill(args: &Args, senders: &Arc<[Sender]>, rng: &mut Rng) -> Result<(), Error> {
    let slots = Arc::new(Semaphore::new(in_flight(args)));
    let mut tasks = JoinSet::new();
    for index in 0..args.partitions.saturating_mul(args.rows) {
        let permit = Arc::clone(&slots).acquire_owned().await;
        let request = senders[index as usize % senders.len()].fill(index, rng).idempotent(true);
        tasks.spawn(async move {
            let _permit = permit;
            request.await
        });
        while let Some(Ok(outcome)) = tasks.try_join_next() {
            outcome?;
        }
    }
    while let Some(Ok(outcome)) = tasks.join_next().await {
        outcome?;
    }
    Ok(())
}

async fn measure(
    args: &Args,
    senders: &Arc<[Sender]>,
    length: Duration,
    rng: &mut Rng,
) -> Recorder {
    let recorder = Arc::new(Mutex::new(Recorder::default()));
    match args.rate {
        Rate::PerSecond(rate) => open_loop(args, rate, senders, length, rng, &recorder).await,
        Rate::Max => closed_loop(args, senders, length, rng, &recorder).await,
    }
    std::mem::take(&mut *lock(&recorder))
}

/// A request whenever one is due. Those that still wait when the time is over, and a timeout more,
/// are given up and counted: the cluster does not keep up.
async fn open_loop(
    args: &Args,
    rate: u32,
    senders: &Arc<[Sender]>,
    length: Duration,
    rng: &mut Rng,
    recorder: &Arc<Mutex<Recorder>>,
) {
    let slots = Arc::new(Semaphore::new(in_flight(args)));
    let mut tasks = JoinSet::new();
    let begin = Instant::now();
    let end = tokio::time::Instant::from_std(begin + length + args.timeout);
    let (mut due, pacer) = pacer::start(rate, begin, length);
    let mut turn = 0;
    while let Some(instant) = due.recv().await {
        let slot = tokio::time::timeout_at(end, Arc::clone(&slots).acquire_owned()).await;
        let Ok(permit) = slot else {
            let (sent, planned) = (turn as u64, (f64::from(rate) * length.as_secs_f64()) as u64);
            lock(recorder).count("never sent", planned.saturating_sub(sent));
            break;
        };
        let (kind, request) = senders[turn % senders.len()].draw(rng);
        turn += 1;
        let recorder = Arc::clone(recorder);
        tasks.spawn(async move {
            let _permit = permit;
            record(kind, request, instant, &recorder).await;
        });
        while tasks.try_join_next().is_some() {}
    }
    drop(due);
    while tasks.join_next().await.is_some() {}
    // It ends at once: nobody listens.
    drop(pacer.join());
}

/// Each slot sends its next request when it has its answer.
async fn closed_loop(
    args: &Args,
    senders: &Arc<[Sender]>,
    length: Duration,
    rng: &mut Rng,
    recorder: &Arc<Mutex<Recorder>>,
) {
    let end = Instant::now() + length;
    let mut tasks = JoinSet::new();
    for slot in 0..in_flight(args) {
        let (sender, recorder) = (senders[slot % senders.len()].clone(), Arc::clone(recorder));
        let mut rng = rng.fork();
        tasks.spawn(async move {
            while Instant::now() < end {
                let (kind, request) = sender.draw(&mut rng);
                record(kind, request, Instant::now(), &recorder).await;
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn record(kind: Kind, request: client::Request, due: Instant, recorder: &Mutex<Recorder>) {
    let outcome = workload::send(kind, request).await;
    let latency = due.elapsed();
    let mut recorder = lock(recorder);
    match outcome {
        Ok(true) => recorder.answered(kind, latency),
        Ok(false) => recorder.count("row not found", 1),
        Err(error) => recorder.failed(&error),
    }
}

fn in_flight(args: &Args) -> usize {
    usize::try_from(args.in_flight).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS)
}

fn lock(recorder: &Mutex<Recorder>) -> std::sync::MutexGuard<'_, Recorder> {
    recorder.lock().unwrap_or_else(PoisonError::into_inner)
}
