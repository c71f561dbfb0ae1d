//! What is asked: the three requests that are measured.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use proto::cql::{
    execute::Execute,
    params::{Params, Values},
    primitive::Value,
    request::Request,
};
use sys::Rng;

use super::{
    Args, Failure,
    wire::{ONE, Wire, request},
};

/// Bytes of a value: with two keys of 8 bytes a row has 100.
const VALUE_BYTES: usize = 84;

/// Rows that are in flight while the table is filled.
const FILL_IN_FLIGHT: u64 = 256;

/// Keys as they stand in a template, to be found and written over.
const PARTITION_MARK: [u8; 8] = [0xA1; 8];
const ROW_MARK: [u8; 8] = [0xB2; 8];

/// A request that is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// INSERT of a row.
    Insert,
    /// SELECT of a row that is in memory.
    Select,
    /// The last 50 rows of a partition.
    Last,
}

impl Kind {
    pub(super) const ALL: [Kind; 3] = [Kind::Insert, Kind::Select, Kind::Last];

    fn statement(self) -> &'static str {
        match self {
            Kind::Insert => "INSERT INTO door.written (p, c, v) VALUES (?, ?, ?)",
            Kind::Select => "SELECT v FROM door.rows WHERE p = ? AND c = ?",
            Kind::Last => "SELECT c, v FROM door.rows WHERE p = ? ORDER BY c DESC LIMIT 50",
        }
    }

    /// Processor time of the node that it may take, µs, with many in flight on each connection.
    pub(super) fn must_us(self) -> f64 {
        match self {
            Kind::Insert => 8.0,
            Kind::Select => 6.0,
            Kind::Last => 15.0,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Kind::Insert => "INSERT of 100 bytes",
            Kind::Select => "SELECT of a row",
            Kind::Last => "last 50 rows",
        })
    }
}

/// Bytes on the wire, headers of envelopes not counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    pub(super) request: usize,
    pub(super) answer: usize,
}

/// A filled table, and requests for it.
pub(super) struct Workload {
    port: u16,
    templates: Vec<Template>,
    partitions: u64,
    rows: u64,
    seed: u64,
    /// The row that is written next.
    next: AtomicU64,
}

impl Workload {
    /// Makes the tables, and fills the one that is read.
    pub(super) async fn prepare(args: &Args, port: u16) -> Result<Workload, Failure> {
        let mut wire = Wire::start(port).await?;
        wire.query(
            "CREATE KEYSPACE door WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        )
        .await?;
        for table in ["rows", "written"] {
            let columns = "p bigint, c bigint, v blob, PRIMARY KEY (p, c)";
            wire.query(&format!("CREATE TABLE door.{table} ({columns})")).await?;
        }
        let mut templates = Vec::new();
        for kind in Kind::ALL {
            templates.push(Template::of(kind, wire.prepare(kind.statement()).await?)?);
        }
        let fill = wire.prepare("INSERT INTO door.rows (p, c, v) VALUES (?, ?, ?)").await?;
        let fill = Template::of(Kind::Insert, fill)?;
        let Args { partitions, rows, seed, .. } = *args;
        for begin in (0..partitions * rows).step_by(FILL_IN_FLIGHT as usize) {
            let end = (begin + FILL_IN_FLIGHT).min(partitions * rows);
            let mut bytes = BytesMut::new();
            (begin..end).for_each(|it| fill.put(&mut bytes, 0, it % partitions, it / partitions));
            wire.send(&bytes).await?;
            let mut answered = 0;
            while answered < end - begin {
                answered += wire.receive(|_, _| Ok(())).await? as u64;
            }
        }
        let next = AtomicU64::new(0);
        Ok(Workload { port, templates, partitions, rows, seed, next })
    }

    /// What a request and its answer weigh.
    pub(super) async fn sizes(&self, kind: Kind) -> Result<Sizes, Failure> {
        let mut bytes = BytesMut::new();
        self.put(kind, &mut bytes, 0, &mut self.rng(0));
        let answer = Wire::start(self.port).await?.ask(&bytes).await?.len();
        Ok(Sizes { request: bytes.len() - proto::cql::header::HEADER_BYTES, answer })
    }

    /// Where the chance of a connection begins.
    pub(super) fn rng(&self, connection: u64) -> Rng {
        Rng::from_seed(self.seed.wrapping_add(connection))
    }

    /// One more request.
    pub(super) fn put(&self, kind: Kind, out: &mut BytesMut, stream: i16, rng: &mut Rng) {
        let partition = rng.next_u64() % self.partitions;
        let row = match kind {
            // As messages come: each row behind all that are there.
            Kind::Insert => self.next.fetch_add(1, Ordering::Relaxed),
            Kind::Select | Kind::Last => rng.next_u64() % self.rows,
        };
        let at = Kind::ALL.iter().position(|it| *it == kind).unwrap_or_default();
        self.templates[at].put(out, stream, partition, row);
    }
}

/// The bytes of a request, and where its keys are.
struct Template {
    bytes: BytesMut,
    partition: usize,
    row: Option<usize>,
}

impl Template {
    fn of(kind: Kind, id: Bytes) -> Result<Template, Failure> {
        let partition = Value::Bytes(Bytes::from_static(&PARTITION_MARK));
        let row = Value::Bytes(Bytes::from_static(&ROW_MARK));
        let value = Value::Bytes(Bytes::from_static(&[0x5A; VALUE_BYTES]));
        let values = match kind {
            Kind::Insert => vec![partition, row, value],
            Kind::Select => vec![partition, row],
            Kind::Last => vec![partition],
        };
        let mut params = Params { values: Values::of(&values), ..Params::at(ONE) };
        // As drivers ask.
        params.skip_metadata = true;
        if kind != Kind::Insert {
            params.page_size = Some(5000);
        }
        let bytes = request(&Request::Execute(Execute { id, result_metadata_id: None, params }));
        let find = |mark: [u8; 8]| bytes.windows(8).position(|it| it == mark);
        let partition = find(PARTITION_MARK).ok_or("no key in the request")?;
        let row = find(ROW_MARK);
        Ok(Template { bytes, partition, row })
    }

    fn put(&self, out: &mut BytesMut, stream: i16, partition: u64, row: u64) {
        let begin = out.len();
        out.extend_from_slice(&self.bytes);
        let bytes = &mut out[begin..];
        bytes[2..4].copy_from_slice(&stream.to_be_bytes());
        bytes[self.partition..][..8].copy_from_slice(&partition.to_be_bytes());
        if let Some(at) = self.row {
            bytes[at..][..8].copy_from_slice(&row.to_be_bytes());
        }
    }
}
