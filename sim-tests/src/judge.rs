//! The judge: makes the tables, lets clients work, and in the end reads what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use client::{Consistency, Session};
use futures_util::FutureExt as _;
use hyper_util::rt::TokioIo;
use proto::admin::admin_client::AdminClient;
use proto::admin::{HealthRequest, StatusRequest, TableRequest};
use tokio::sync::watch;
use tonic::transport::{Channel, Endpoint, Uri};

use crate::Violations;
use crate::check::{counter, register, schema, set};
use crate::clock::now;
use crate::history::{Event, Log, Outcome};
use crate::load::{
    COUNTERS, Client, persist, read_counter, read_register, scan_shared, set_value, successes,
};
use crate::nemesis::Wish;
use crate::net::{CLIENT_PORT, SimConnector, Sockets};
use crate::scenario::{END, JUDGE_AT, Load, READY_BY, RECOVERED_BY, Scenario};
use crate::trace::Trace;
use crate::world::{NODES, Wishes};

/// How long the judge tries to read.
const READING_MAX: Duration = Duration::from_secs(4);

/// How long hints may take to arrive when all is well.
const HINTS_MAX: Duration = Duration::from_secs(3);

/// Inserts that must have been acknowledged for a run to prove anything.
const ACKED_MIN: usize = 30;

/// What clients did.
#[derive(Clone)]
pub struct Logs {
    /// Rows that are inserted once.
    pub rows: Log<set::Op>,
    /// Registers.
    pub registers: Log<register::Op>,
    /// Counters.
    pub counters: Log<counter::Op>,
    /// The table that all fight for.
    pub shared: Log<schema::Op>,
    /// Tables that are created once.
    pub own: Log<String>,
}

impl Logs {
    /// Nothing was done.
    pub fn new(trace: &Trace) -> Self {
        Self {
            rows: Log::new(trace.clone()),
            registers: Log::new(trace.clone()),
            counters: Log::new(trace.clone()),
            shared: Log::new(trace.clone()),
            own: Log::new(trace.clone()),
        }
    }
}

/// The judge of one run.
pub struct Judge {
    /// Its name, clock and chance.
    pub client: Client,
    /// What the run is about.
    pub scenario: Scenario,
    /// Tells clients that there are tables.
    pub ready: watch::Sender<bool>,
    /// What clients did.
    pub logs: Logs,
    /// What is wrong.
    pub wrong: Violations,
    /// Whether the judge overlooks one row: then it must say that something is wrong.
    pub overlooks: bool,
}

/// What one reader saw.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sight {
    rows: BTreeSet<set::Row>,
    registers: BTreeMap<i32, [Option<i64>; 3]>,
    counters: BTreeMap<i32, Option<i64>>,
}

impl Judge {
    /// The whole of its work.
    pub async fn preside(mut self) {
        match self.make_tables().await {
            Ok(()) => {
                self.ready.send_replace(true);
                sleep_until(JUDGE_AT).await;
                if let Err(why) = self.judge().await {
                    self.wrong.add(why);
                }
            }
            Err(why) => self.wrong.add(why),
        }
        sleep_until(END).await;
    }

    async fn make_tables(&mut self) -> Result<(), String> {
        let session = self.client.session(None, READY_BY).await;
        let session = session.ok_or("no node could be reached when all was well")?;
        for statement in [
            "CREATE KEYSPACE IF NOT EXISTS sim WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}",
            "CREATE TABLE IF NOT EXISTS sim.rows (part int, id bigint, value text, PRIMARY KEY (part, id))",
            "CREATE TABLE IF NOT EXISTS sim.registers (key int PRIMARY KEY, a bigint, b bigint, c bigint)",
            "CREATE TABLE IF NOT EXISTS sim.counters (key int PRIMARY KEY, n counter)",
        ] {
            let made = persist(READY_BY, || session.execute(statement, ()).into_future()).await;
            made.map_err(|error| format!("no tables when all was well: {error}"))?;
        }
        self.client.trace.note("tables are made");
        Ok(())
    }

    async fn judge(&mut self) -> Result<(), String> {
        let deadline = now() + READING_MAX;
        let session = self.client.session(None, deadline).await;
        let session = session.ok_or("no node could be reached in the end")?;
        self.check_recovery();
        match self.scenario.load {
            Load::Data => {
                for key in 0..3 {
                    let log = &self.logs.registers;
                    read_register("judge", &session, key, Consistency::Quorum, log).await;
                }
            }
            Load::Counters => {
                for key in 0..COUNTERS {
                    read_counter("judge", &session, key, &self.logs.counters).await;
                }
            }
            Load::Schema => self.judge_schema(&session).await?,
        }
        let seen = self.look(&session, Consistency::Quorum).await?;
        let rows = self.logs.rows.events();
        self.wrong.extend(set::check(&rows, &seen.rows, "QUORUM"));
        self.wrong.extend(register::check(&self.logs.registers.events()));
        self.wrong.extend(schema::check(&self.logs.shared.events()));
        self.wrong.extend(counter::check(&self.logs.counters.events()));
        self.check_counters(&seen, "QUORUM");
        self.wait_for_hints().await?;
        // A write of unknown outcome may be on one replica only: `ALL` brings it to the others.
        let settled = match self.scenario.hints_suffice {
            true => None,
            false => Some(self.look(&session, Consistency::All).await?),
        };
        for (node, sight) in self.look_alone().await? {
            self.wrong.extend(set::check(&rows, &sight.rows, &format!("{node} alone")));
            self.check_counters(&sight, &format!("{node} alone"));
            if settled.as_ref().is_some_and(|settled| *settled != sight) {
                self.wrong.add(format!("{node} alone sees something else than ALL"));
            }
        }
        Ok(())
    }

    /// Whether counters have come to what was added to them.
    fn check_counters(&self, sight: &Sight, who: &str) {
        let events = self.logs.counters.events();
        for key in 0..COUNTERS {
            let found = sight.counters.get(&key).copied().flatten();
            self.wrong.extend(counter::check_end(&events, key, found, who));
        }
    }

    /// Whether requests succeeded when they had to, and enough of them.
    fn check_recovery(&self) {
        let rows = self.logs.rows.events();
        let acked = successes(&rows, Duration::ZERO);
        if acked < ACKED_MIN {
            self.wrong
                .add(format!("only {acked} writes were acknowledged: this run proves nothing"));
        }
        if successes(&rows, RECOVERED_BY) == 0 {
            self.wrong.add("no write succeeded after everything was made good again");
        }
        let registers = self.logs.registers.events();
        if let Some(latency_max) = self.scenario.latency_max {
            self.wrong.extend(unhurt(&rows, latency_max));
            self.wrong.extend(unhurt(&registers, latency_max));
        }
        let counters = self.logs.counters.events();
        if !counters.is_empty() && successes(&counters, RECOVERED_BY) == 0 {
            self.wrong.add("no counter could be added to after everything was made good again");
        }
        if !registers.is_empty() && successes(&registers, RECOVERED_BY) == 0 {
            self.wrong.add("no register could be used after everything was made good again");
        }
    }

    /// All rows and registers.
    async fn look(&self, session: &Session, level: Consistency) -> Result<Sight, String> {
        let deadline = now() + READING_MAX;
        let rows = persist(deadline, || {
            let text = "SELECT part, id, value FROM sim.rows";
            let request = session.query(text, ()).consistency(level).page_size(100);
            request.rows_max(100_000).all::<(i32, i64, String)>()
        });
        let failed = |error| format!("{level:?} could not be read in the end: {error}");
        let rows = rows.await.map_err(failed)?;
        let registers = persist(deadline, || {
            let text = "SELECT key, a, b, c FROM sim.registers";
            let request = session.query(text, ()).consistency(level);
            request.all::<(i32, Option<i64>, Option<i64>, Option<i64>)>()
        });
        let registers = registers.await.map_err(failed)?;
        let counters = persist(deadline, || {
            let request = session.query("SELECT key, n FROM sim.counters", ());
            request.consistency(level).all::<(i32, Option<i64>)>()
        });
        let counters = counters.await.map_err(failed)?;
        let mut seen = BTreeSet::new();
        for (part, id, value) in rows {
            if value != set_value((part, id)) {
                self.wrong.add(format!("row {:?} holds {value:?}", (part, id)));
            }
            if !seen.insert((part, id)) {
                self.wrong.add(format!("row {:?} came twice", (part, id)));
            }
        }
        if self.overlooks {
            seen.pop_first();
        }
        let registers = registers.into_iter().map(|(key, a, b, c)| (key, [a, b, c]));
        let (registers, counters) = (registers.collect(), counters.into_iter().collect());
        Ok(Sight { rows: seen, registers, counters })
    }

    /// What each node has by itself, the others being out of its reach.
    async fn look_alone(&mut self) -> Result<Vec<(&'static str, Sight)>, String> {
        let mut sights = Vec::new();
        for node in NODES {
            let session = self.client.session(Some(node), now() + READING_MAX).await;
            let session =
                session.ok_or_else(|| format!("{node} could not be reached in the end"))?;
            for other in NODES.into_iter().filter(|it| *it != node) {
                turmoil::partition(node, other);
            }
            let sight = self.look(&session, Consistency::One).await;
            for other in NODES.into_iter().filter(|it| *it != node) {
                turmoil::repair(node, other);
            }
            sights.push((node, sight.map_err(|why| format!("{node} alone: {why}"))?));
        }
        Ok(sights)
    }

    async fn wait_for_hints(&self) -> Result<(), String> {
        let deadline = now() + HINTS_MAX;
        loop {
            let mut waiting = 0;
            for node in NODES {
                match status_hints(node, &self.client.sockets).await {
                    Ok(count) => waiting += count,
                    Err(why) => return Err(format!("{node} does not tell its status: {why}")),
                }
            }
            if waiting == 0 {
                return Ok(());
            }
            if deadline <= now() {
                return Err(format!("{waiting} hints still wait when all has long been well"));
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// One schema on all nodes: it has what was acknowledged, and not what was refused.
    async fn judge_schema(&mut self, session: &Session) -> Result<(), String> {
        let deadline = now() + READING_MAX;
        let text = "CREATE TABLE IF NOT EXISTS sim.last (id int PRIMARY KEY)";
        let last = persist(deadline, || session.execute(text, ()).into_future()).await;
        last.map_err(|error| format!("the schema could not be changed in the end: {error}"))?;
        let _ = scan_shared("judge", session, &self.logs.shared).await;
        let mut views = Vec::new();
        for node in NODES {
            let session = self.client.session(Some(node), deadline).await;
            views.push(session.ok_or_else(|| format!("{node} could not be reached in the end"))?);
        }
        let same = |views: &[Session]| {
            let first = views[0].topology();
            views.iter().all(|it| {
                let it = it.topology();
                it.epoch == first.epoch && it.keyspaces == first.keyspaces
            })
        };
        while !same(&views) && now() < deadline {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if !same(&views) {
            let epochs: Vec<u64> = views.iter().map(|it| it.topology().epoch).collect();
            self.wrong
                .add(format!("the nodes do not have one schema: their epochs are {epochs:?}"));
        }
        let topology = views[0].topology();
        let tables = topology.keyspaces.get("sim").map(|it| &it.tables);
        let there = |name: &str| tables.is_some_and(|it| it.contains_key(name));
        for event in self.logs.own.events() {
            match (event.outcome, there(&event.what)) {
                (Outcome::Ok, false) => {
                    self.wrong.add(format!("table {} was made and is lost", event.what))
                }
                (Outcome::Fail, true) => {
                    self.wrong.add(format!("table {} was refused and is there", event.what))
                }
                (Outcome::Ok | Outcome::Unknown, true)
                | (Outcome::Fail | Outcome::Unknown, false) => {}
            }
        }
        Ok(())
    }
}

/// By when a node has noticed what is wrong with its disk.
const LOOKED_BY: Duration = Duration::from_millis(1_500);

/// Does what the nemesis wishes, as an operator would.
pub async fn operate(client: Client, wishes: Wishes, wrong: Violations) {
    while now() < client.until {
        let wish = wishes.borrow_mut().pop_front();
        if let Some(wish) = wish {
            let fulfilled = tokio::time::timeout(Duration::from_secs(2), fulfil(&wish, &client));
            // A node that is asked to flush may be dead or cut off just now.
            let may_fail = matches!(wish, Wish::Flush(_));
            let outcome = fulfilled.await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            client.trace.note(format_args!("operator {wish:?}: {outcome:?}"));
            if let (false, Err(why)) = (may_fail, outcome) {
                wrong.add(format!("{wish:?}: {why}"));
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn fulfil(wish: &Wish, client: &Client) -> Result<(), String> {
    let begun = now();
    match wish {
        Wish::Flush(node) => flush(node, &client.sockets).await,
        Wish::Complains(node, words) => loop {
            // Nodes look at their disk every second.
            let reasons = health(node, &client.sockets).await?;
            if reasons.iter().any(|it| it.contains(words)) {
                return Ok(());
            }
            if begun + LOOKED_BY < now() {
                return Err(format!("it only says {reasons:?}"));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        },
        Wish::IsSilentOf(node, words) => {
            let reasons = health(node, &client.sockets).await?;
            let said = reasons.iter().any(|it| it.contains(words));
            if said { Err(format!("it says {reasons:?}")) } else { Ok(()) }
        }
    }
}

/// Why a node thinks that something is wrong.
async fn health(node: &str, sockets: &Sockets) -> Result<Vec<String>, String> {
    let mut admin = AdminClient::new(channel(node, sockets).await?);
    let answer = admin.health(HealthRequest {}).await.map_err(|it| it.message().to_owned())?;
    Ok(answer.into_inner().reasons)
}

async fn flush(node: &str, sockets: &Sockets) -> Result<(), String> {
    let mut admin = AdminClient::new(channel(node, sockets).await?);
    let everything = TableRequest { keyspace: String::new(), table: String::new() };
    admin.flush(everything).await.map(drop).map_err(|it| it.message().to_owned())
}

/// How many hints a node keeps.
async fn status_hints(node: &str, sockets: &Sockets) -> Result<u64, String> {
    let mut admin = AdminClient::new(channel(node, sockets).await?);
    let answer = admin.status(StatusRequest {}).await.map_err(|it| it.message().to_owned())?;
    Ok(answer.into_inner().nodes.iter().map(|it| it.pending_hints).sum())
}

async fn channel(node: &str, sockets: &Sockets) -> Result<Channel, String> {
    let connector = SimConnector { only: None, sockets: sockets.clone() };
    let address = format!("{node}:{CLIENT_PORT}");
    let endpoint =
        Endpoint::from_shared(format!("http://{address}")).map_err(|it| it.to_string())?;
    let connect = tower::service_fn(move |_: Uri| {
        client::Connector::connect(&connector, &address).map(|io| io.map(TokioIo::new))
    });
    let endpoint = endpoint.timeout(Duration::from_secs(2));
    endpoint.connect_with_connector(connect).await.map_err(|it| it.to_string())
}

/// Requests that failed or took too long, where nothing that goes wrong may cost anybody that.
fn unhurt<T: std::fmt::Debug>(events: &[Event<T>], latency_max: Duration) -> Vec<String> {
    let took = |it: &Event<T>| it.ended.map(|ended| ended.saturating_sub(it.began));
    let hurt = |it: &&Event<T>| {
        it.outcome != Outcome::Ok || took(it).is_none_or(|took| latency_max < took)
    };
    let told = |it: &Event<T>| {
        let (what, outcome, why, took) = (&it.what, it.outcome, &it.why, took(it));
        format!("{what:?} at {:?} came to {outcome:?} after {took:?}: {why}", it.began)
    };
    events.iter().filter(hurt).map(told).collect()
}

async fn sleep_until(when: Duration) {
    tokio::time::sleep(when.saturating_sub(now())).await;
}
