//! Clients at work, each remembering what it did and what it was told.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use client::{Consistency, Session};
use sys::Rng;
use tokio::sync::watch;

use crate::check::{counter, register, schema, set};
use crate::clock::{SimClock, now};
use crate::history::{Event, Log, Outcome};
use crate::net::{CLIENT_PORT, SimConnector, Sockets};
use crate::trace::Trace;
use crate::world::NODES;

/// Partitions that the rows of the set are spread over.
const PARTS: u64 = 4;

/// Registers: few, so that clients meet.
const REGISTERS: u64 = 3;

/// Counters: few, so that clients meet.
pub const COUNTERS: i32 = 3;

/// How long a client waits for an answer, retries included.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(4);

/// Someone in the simulation who talks to nodes.
pub struct Client {
    /// Its name in the network.
    pub name: String,
    /// Its clock.
    pub clock: SimClock,
    /// Its chance.
    pub rng: Rng,
    /// Where it is told.
    pub trace: Trace,
    /// All connections.
    pub sockets: Sockets,
    /// Until when it works.
    pub until: Duration,
    /// Whether there are tables yet.
    pub ready: watch::Receiver<bool>,
}

impl Client {
    /// A session with all nodes, or with one only. Tries until `deadline`.
    pub async fn session(&mut self, only: Option<&str>, deadline: Duration) -> Option<Session> {
        let connector =
            SimConnector { only: only.map(str::to_owned), sockets: self.sockets.clone() };
        let nodes: Vec<&str> =
            NODES.into_iter().filter(|it| only.is_none_or(|only| only == *it)).collect();
        while now() < deadline {
            let mut builder = Session::builder()
                .connector(Arc::new(connector.clone()))
                .clock(Arc::new(self.clock.clone()))
                .seed(self.rng.next_u64())
                .consistency(Consistency::Quorum)
                .request_timeout(REQUEST_TIMEOUT);
            for node in &nodes {
                builder = builder.known_node(format!("{node}:{CLIENT_PORT}"));
            }
            match builder.build().await {
                Ok(session) => return Some(session),
                Err(error) => self.trace.note(format_args!("{}: {error}", self.name)),
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        None
    }

    /// A session as soon as there are tables.
    async fn at_work(&mut self, only: Option<&str>) -> Option<Session> {
        self.ready.wait_for(|ready| *ready).await.ok()?;
        self.session(only, self.until).await
    }

    /// Thinks a little; tells whether there is still time to work.
    async fn pauses(&mut self, most: Duration) -> bool {
        let millis = 1 + self.rng.below(u64::try_from(most.as_millis()).unwrap_or(u64::MAX));
        tokio::time::sleep(Duration::from_millis(millis)).await;
        now() < self.until
    }
}

/// What a row of the set holds.
pub fn set_value((part, id): set::Row) -> String {
    // Some are large, so that a message does not fit into one frame.
    let len = if id % 61 == 0 { 20_000 } else { 40 };
    format!("{part}/{id} {}", "x".repeat(len))
}

/// Inserts rows, each once, and deletes some of its own.
pub async fn write_set(mut client: Client, number: i64, log: Log<set::Op>) {
    let Some(session) = client.at_work(None).await else { return };
    let mut mine: Vec<set::Row> = Vec::new();
    let mut next = number * 1_000_000;
    while client.pauses(Duration::from_millis(250)).await {
        let delete = client.rng.chance(0.15);
        let chosen = client.rng.below(mine.len() as u64);
        if delete && !mine.is_empty() {
            let row = mine.swap_remove(usize::try_from(chosen).unwrap_or_default());
            let text = "DELETE FROM sim.rows WHERE part = ? AND id = ?";
            let doing = session.query(text, row).into_future();
            log.record(&client.name, set::Op::Delete(row), doing, |_, op| op).await;
        } else {
            next += 1;
            let row = (i32::try_from(client.rng.below(PARTS)).unwrap_or_default(), next);
            let text = "INSERT INTO sim.rows (part, id, value) VALUES (?, ?, ?)";
            let doing = session.query(text, (row.0, row.1, set_value(row))).into_future();
            let outcome = log.record(&client.name, set::Op::Insert(row), doing, |_, op| op).await;
            if outcome != Outcome::Fail {
                mine.push(row);
            }
        }
    }
}

/// Overwrites, deletes and reads registers that others use too.
pub async fn use_registers(mut client: Client, number: i64, log: Log<register::Op>) {
    let Some(session) = client.at_work(None).await else { return };
    let mut last = 0;
    while client.pauses(Duration::from_millis(250)).await {
        let key = i32::try_from(client.rng.below(REGISTERS)).unwrap_or_default();
        // All different: the last digits are the client's own.
        let timestamp = (client.clock.wall().max(last) / 16 + 1) * 16 + number;
        last = timestamp;
        match client.rng.below(10) {
            0 => {
                let text = "DELETE FROM sim.registers WHERE key = ?";
                let doing = session.query(text, (key,)).timestamp(timestamp).into_future();
                let op = register::Op::Delete { key, timestamp };
                log.record(&client.name, op, doing, |_, op| op).await;
            }
            1..5 => {
                let text = "INSERT INTO sim.registers (key, a, b, c) VALUES (?, ?, ?, ?)";
                let values = (key, timestamp, timestamp, timestamp);
                let doing = session.query(text, values).timestamp(timestamp).into_future();
                let op = register::Op::Write { key, timestamp };
                log.record(&client.name, op, doing, |_, op| op).await;
            }
            _ => read_register(&client.name, &session, key, Consistency::Quorum, &log).await,
        }
    }
}

/// Reads a register.
pub async fn read_register(
    name: &str,
    session: &Session,
    key: i32,
    consistency: Consistency,
    log: &Log<register::Op>,
) {
    let text = "SELECT a, b, c FROM sim.registers WHERE key = ?";
    let request = session.query(text, (key,)).consistency(consistency);
    let doing = request.opt::<(Option<i64>, Option<i64>, Option<i64>)>();
    let op = register::Op::Read { key, found: None };
    log.record(name, op, doing, |row, _| {
        let found = row.map(|(a, b, c)| [a, b, c]);
        register::Op::Read { key, found }
    })
    .await;
}

/// Adds to counters that others add to, and reads them.
pub async fn use_counters(mut client: Client, log: Log<counter::Op>) {
    let Some(session) = client.at_work(None).await else { return };
    while client.pauses(Duration::from_millis(250)).await {
        let key =
            i32::try_from(client.rng.below(COUNTERS.unsigned_abs().into())).unwrap_or_default();
        if client.rng.chance(0.25) {
            read_counter(&client.name, &session, key, &log).await;
            continue;
        }
        let delta = client.rng.below(200).cast_signed() - 60;
        let text = "UPDATE sim.counters SET n = n + ? WHERE key = ?";
        let doing = session.query(text, (delta, key)).into_future();
        log.record(&client.name, counter::Op::Add { key, delta }, doing, |_, op| op).await;
    }
}

/// Reads a counter.
pub async fn read_counter(name: &str, session: &Session, key: i32, log: &Log<counter::Op>) {
    let text = "SELECT n FROM sim.counters WHERE key = ?";
    let doing = session.query(text, (key,)).opt::<(Option<i64>,)>();
    let op = counter::Op::Read { key, found: None };
    log.record(name, op, doing, |row, _| {
        let found = row.and_then(|(found,)| found);
        counter::Op::Read { key, found }
    })
    .await;
}

/// Creates and drops one table that all fight for, and creates tables of its own, through one node.
pub async fn change_schema(
    mut client: Client,
    node: &str,
    shared: Log<schema::Op>,
    own: Log<String>,
) {
    let Some(session) = client.at_work(Some(node)).await else { return };
    let mut count = 0;
    while client.pauses(Duration::from_millis(1_500)).await {
        match client.rng.below(5) {
            0 | 1 => {
                let text = "CREATE TABLE sim.shared (id bigint PRIMARY KEY, value text)";
                let doing = session.execute(text, ()).into_future();
                shared.record(&client.name, schema::Op::Create, doing, |_, op| op).await;
            }
            2 | 3 => {
                let doing = session.execute("DROP TABLE sim.shared", ()).into_future();
                shared.record(&client.name, schema::Op::Drop, doing, |_, op| op).await;
            }
            _ => {
                count += 1;
                let table = format!("of_{}_{count}", client.name);
                let text = format!("CREATE TABLE sim.{table} (id bigint PRIMARY KEY, value text)");
                let doing = session.execute(text.as_str(), ()).into_future();
                own.record(&client.name, table, doing, |_, op| op).await;
            }
        }
    }
}

/// Writes rows into the table that others create and drop, and reads all of it now and then.
pub async fn use_shared(mut client: Client, number: i64, log: Log<schema::Op>) {
    let Some(session) = client.at_work(None).await else { return };
    let mut next = number * 1_000_000;
    while client.pauses(Duration::from_millis(250)).await {
        if client.rng.chance(0.25) {
            scan_shared(&client.name, &session, &log).await;
        } else {
            next += 1;
            let text = "INSERT INTO sim.shared (id, value) VALUES (?, 'x')";
            let doing = session.query(text, (next,)).into_future();
            log.record(&client.name, schema::Op::Insert(next), doing, |_, op| op).await;
        }
    }
}

/// Reads the table that others create and drop.
pub async fn scan_shared(name: &str, session: &Session, log: &Log<schema::Op>) -> Outcome {
    let doing = session.query("SELECT id FROM sim.shared", ()).all::<(i64,)>();
    log.record(name, schema::Op::Scan(BTreeSet::new()), doing, |rows, _| {
        schema::Op::Scan(rows.into_iter().map(|(id,)| id).collect())
    })
    .await
}

/// Tries until it succeeds or `deadline` has passed; then the last error.
pub async fn persist<T, F>(
    deadline: Duration,
    mut attempt: impl FnMut() -> F,
) -> Result<T, client::Error>
where
    F: Future<Output = Result<T, client::Error>>,
{
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if deadline <= now() => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// How many of these succeeded from `since` on.
pub fn successes<T>(events: &[Event<T>], since: Duration) -> usize {
    events.iter().filter(|it| since <= it.began && it.outcome == Outcome::Ok).count()
}
