//! Writers that never stop, and what they know: what was sent, what was acknowledged, what failed.

use std::collections::BTreeMap;
use std::future::IntoFuture;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use client::{Consistency, Error, Prepared, Session};
use tokio::task::JoinSet;

/// Writers at once. Each has one request under way.
pub(crate) const WRITERS: i64 = 8;

/// Readers at once.
const READERS: i64 = 4;

const KEYSPACE: &str = "CREATE KEYSPACE kept WITH replication = \
    {'class': 'SimpleStrategy', 'replication_factor': 3}";
const TABLE: &str = "CREATE TABLE kept.rows (writer bigint, number bigint, value text, PRIMARY KEY (writer, number))";
const INSERT: &str = "INSERT INTO kept.rows (writer, number, value) VALUES (?, ?, ?)";
const SELECT: &str = "SELECT number, value FROM kept.rows WHERE writer = ?";
const SELECT_ONE: &str = "SELECT value FROM kept.rows WHERE writer = ? AND number = ?";

pub(crate) async fn create_table(session: &Session) {
    session.execute(KEYSPACE, ()).await.unwrap();
    session.execute(TABLE, ()).await.unwrap();
}

pub(crate) fn value(writer: i64, number: i64) -> String {
    format!("row {number} of writer {writer}")
}

pub(crate) fn insert(session: &Session, writer: i64, number: i64) -> client::Request {
    session.query(INSERT, (writer, number, value(writer, number)))
}

/// A request that failed.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) begun: Instant,
    pub(crate) error: Error,
}

/// What is known of all rows ever written.
#[derive(Default)]
pub(crate) struct Known {
    /// By writer, from which number on nothing was ever sent.
    sent: BTreeMap<i64, i64>,
    /// What was acknowledged.
    acknowledged: BTreeMap<i64, Vec<i64>>,
    /// What failed since the load began.
    failed: Vec<Failed>,
    /// Rows that were acknowledged, and not there when read.
    lost: Vec<(i64, i64)>,
}

/// Writers and readers at work.
pub(crate) struct Load {
    known: Arc<Mutex<Known>>,
    writes: Arc<AtomicUsize>,
    reads: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    tasks: JoinSet<()>,
}

impl Load {
    /// Begins where `known` ends. Every request is sent once: what fails is seen to fail.
    pub(crate) async fn start(session: &Session, known: &Arc<Mutex<Known>>) -> Load {
        known.lock().unwrap().failed.clear();
        let mut load = Load {
            known: Arc::clone(known),
            writes: Arc::default(),
            reads: Arc::default(),
            stop: Arc::default(),
            tasks: JoinSet::new(),
        };
        let insert = session.prepare(INSERT).await.unwrap();
        let select = session.prepare(SELECT_ONE).await.unwrap();
        for writer in 0..WRITERS {
            let (known, done, stop) = load.shares(&load.writes);
            load.tasks.spawn(write(session.clone(), insert.clone(), writer, known, done, stop));
        }
        for reader in 0..READERS {
            let (known, done, stop) = load.shares(&load.reads);
            load.tasks.spawn(read(session.clone(), select.clone(), reader, known, done, stop));
        }
        load
    }

    fn shares(
        &self,
        done: &Arc<AtomicUsize>,
    ) -> (Arc<Mutex<Known>>, Arc<AtomicUsize>, Arc<AtomicBool>) {
        (Arc::clone(&self.known), Arc::clone(done), Arc::clone(&self.stop))
    }

    /// Requests that succeeded: writes, reads.
    pub(crate) fn succeeded(&self) -> (usize, usize) {
        (self.writes.load(Ordering::Relaxed), self.reads.load(Ordering::Relaxed))
    }

    /// Resolves when so many more of each have succeeded.
    pub(crate) async fn goes_on(&self, writes: usize, reads: usize) {
        let (writes_begun, reads_begun) = self.succeeded();
        let look = || {
            let (writes_now, reads_now) = self.succeeded();
            let enough = writes_begun + writes <= writes_now && reads_begun + reads <= reads_now;
            enough.then_some(())
        };
        super::process::eventually("requests succeed", super::process::SOON, look).await;
    }

    /// Begins no more requests, and waits for the last answers. What failed.
    pub(crate) async fn stop(mut self) -> Vec<Failed> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
        let known = self.known.lock().unwrap();
        assert_eq!(known.lost, vec![], "rows that were acknowledged and then not found");
        known.failed.clone()
    }
}

async fn write(
    session: Session,
    insert: Prepared,
    writer: i64,
    known: Arc<Mutex<Known>>,
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) {
    while !stop.load(Ordering::Relaxed) {
        let number = {
            let mut known = known.lock().unwrap();
            let next = known.sent.entry(writer).or_default();
            *next += 1;
            *next - 1
        };
        let begun = Instant::now();
        let values = (writer, number, value(writer, number));
        // Not idempotent, so that the session does not repeat it where nobody sees.
        match session.execute(&insert, values).idempotent(false).await {
            Ok(_) => {
                known.lock().unwrap().acknowledged.entry(writer).or_default().push(number);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => fail(&known, begun, error).await,
        }
    }
}

async fn read(
    session: Session,
    select: Prepared,
    reader: i64,
    known: Arc<Mutex<Known>>,
    done: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
) {
    let mut turn: i64 = reader;
    while !stop.load(Ordering::Relaxed) {
        turn += 1;
        let writer = turn % WRITERS;
        // The newest: the one that is lost most easily.
        let newest =
            known.lock().unwrap().acknowledged.get(&writer).and_then(|it| it.last().copied());
        let Some(number) = newest else {
            tokio::task::yield_now().await;
            continue;
        };
        let begun = Instant::now();
        match session.execute(&select, (writer, number)).opt::<(String,)>().await {
            Ok(Some((found,))) => {
                assert_eq!(found, value(writer, number));
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => known.lock().unwrap().lost.push((writer, number)),
            Err(error) => fail(&known, begun, error).await,
        }
    }
}

async fn fail(known: &Mutex<Known>, begun: Instant, error: Error) {
    known.lock().unwrap().failed.push(Failed { begun, error });
    // Where everything fails at once, not so fast.
    tokio::time::sleep(std::time::Duration::from_millis(10)).await;
}

impl Known {
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.values().map(Vec::len).sum()
    }

    /// By writer, the number that is sent next.
    pub(crate) fn sent(&self) -> BTreeMap<i64, i64> {
        self.sent.clone()
    }

    /// Reads everything at `consistency`: whatever was acknowledged is there, and whatever is there
    /// was sent.
    pub(crate) async fn check(known: &Mutex<Known>, session: &Session, consistency: Consistency) {
        Known::check_from(known, session, consistency, &BTreeMap::new()).await;
    }

    /// As [`check`](Self::check), but only of what was sent `from` there on is all demanded.
    pub(crate) async fn check_from(
        known: &Mutex<Known>,
        session: &Session,
        consistency: Consistency,
        from: &BTreeMap<i64, i64>,
    ) {
        for writer in 0..WRITERS {
            let request = session.query(SELECT, (writer,)).consistency(consistency);
            let rows = request.rows_max(usize::MAX).all::<(i64, String)>().into_future().await;
            let rows = rows.unwrap_or_else(|error| panic!("at {consistency}: {error}"));
            let known = known.lock().unwrap();
            let sent = known.sent.get(&writer).copied().unwrap_or(0);
            for (number, found) in &rows {
                assert!((0..sent).contains(number), "{number} of {writer} was never sent");
                assert_eq!(*found, value(writer, *number));
            }
            assert!(rows.is_sorted_by(|a, b| a.0 < b.0), "rows of {writer} out of order");
            let missing: Vec<i64> = known
                .acknowledged
                .get(&writer)
                .into_iter()
                .flatten()
                .filter(|number| from.get(&writer).is_none_or(|from| from <= *number))
                .filter(|number| rows.binary_search_by_key(number, |row| &row.0).is_err())
                .copied()
                .collect();
            assert!(
                missing.is_empty(),
                "at {consistency}: {missing:?} of writer {writer} were acknowledged and are lost"
            );
        }
    }
}
