//! The requests: single rows of one table, written and read.

use client::{Error, Prepared, Request, Row, Session};
use sys::Rng;

use super::args::{Args, Workload};
use super::recorder::Kind;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS load.rows \
    (partition bigint, row bigint, value blob, PRIMARY KEY (partition, row))";
const INSERT: &str = "INSERT INTO load.rows (partition, row, value) VALUES (?, ?, ?)";
const SELECT: &str = "SELECT value FROM load.rows WHERE partition = ? AND row = ?";

/// Makes the table of the load, if it is not there.
///
/// # Errors
/// What the cluster says.
pub(super) async fn create(session: &Session, args: &Args) -> Result<(), Error> {
    let nodes = session.topology().nodes.len() as u64;
    let copies = args.replication_factor.unwrap_or(nodes.clamp(1, 3));
    let keyspace = format!(
        "CREATE KEYSPACE IF NOT EXISTS load WITH replication = \
         {{'class': 'SimpleStrategy', 'replication_factor': {copies}}}"
    );
    session.execute(keyspace.as_str(), ()).await?;
    session.execute(TABLE, ()).await.map(drop)
}

/// What one session sends.
#[derive(Clone)]
pub(super) struct Sender {
    session: Session,
    insert: Prepared,
    select: Prepared,
    args: Args,
}

impl Sender {
    /// # Errors
    /// What the cluster says to the statements.
    pub(super) async fn new(session: Session, args: &Args) -> Result<Sender, Error> {
        Ok(Sender {
            insert: session.prepare(INSERT).await?,
            select: session.prepare(SELECT).await?,
            session,
            args: args.clone(),
        })
    }

    /// Draws the next request.
    pub(super) fn draw(&self, rng: &mut Rng) -> (Kind, Request) {
        let partition = rng.below(self.args.partitions) as i64;
        let row = rng.below(self.args.rows) as i64;
        match (self.args.workload, rng.chance(0.5)) {
            (Workload::Write, _) | (Workload::Mixed, true) => {
                (Kind::Write, self.insert(partition, row, rng))
            }
            (Workload::Read, _) | (Workload::Mixed, false) => (
                Kind::Read,
                self.with_options(self.session.execute(&self.select, (partition, row))),
            ),
        }
    }

    /// The insert of row `index` of all.
    pub(super) fn fill(&self, index: u64, rng: &mut Rng) -> Request {
        self.insert((index / self.args.rows) as i64, (index % self.args.rows) as i64, rng)
    }

    fn insert(&self, partition: i64, row: i64, rng: &mut Rng) -> Request {
        let mut value = vec![0; self.args.value_bytes as usize];
        // Random, so that compression does not make writes cheaper than they are.
        rng.fill(&mut value);
        self.with_options(self.session.execute(&self.insert, (partition, row, value)))
    }

    fn with_options(&self, request: Request) -> Request {
        request.consistency(self.args.consistency).timeout(self.args.timeout)
    }
}

/// Sends it. True if the answer holds what it should: a read finds its row.
///
/// # Errors
/// What the cluster says.
pub(super) async fn send(kind: Kind, request: Request) -> Result<bool, Error> {
    match kind {
        Kind::Write => request.await.map(|_| true),
        Kind::Read => request.opt::<Row>().await.map(|row| row.is_some()),
    }
}
