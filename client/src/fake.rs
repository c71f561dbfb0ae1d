//! A cluster of nodes that answer from a script, in memory: for tests of programs that use this
//! crate. No port is opened.
//!
//! ```
//! use helenus_client::fake::{self, Reply};
//! # async fn example() -> Result<(), helenus_client::Error> {
//! let cluster = fake::Cluster::new();
//! cluster.start("n1:9044", |_| Reply::Answer(fake::done()));
//! let session = cluster.builder().known_node("n1:9044").build().await?;
//! session.execute("CREATE KEYSPACE k WITH replication = {…}", ()).await?;
//! # Ok(()) }
//! ```

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{BufMut as _, Bytes, BytesMut};
use cql_lite::code::Code;
use cql_lite::value::Value;
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
pub use proto::client as wire;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use wire::{client_frame, client_request, server_answer, server_frame};

use crate::connect::{Connector, Io};
use crate::session::{Builder, Session};

/// What a scripted node does about a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers.
    Answer(server_answer::Body),
    /// Never answers.
    Silence,
    /// Closes the connection.
    Hangup,
}

type Script = dyn Fn(&wire::ClientRequest) -> Reply + Send + Sync;

/// Scripted nodes, by address.
#[derive(Clone)]
pub struct Cluster {
    shared: Arc<Mutex<State>>,
    topology: Arc<watch::Sender<wire::Topology>>,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<String, Node>,
    seen: Vec<String>,
}

struct Node {
    script: Arc<Script>,
    /// Dropped to break its connections.
    running: watch::Sender<()>,
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl Cluster {
    /// No nodes yet.
    pub fn new() -> Cluster {
        let (topology, _) = watch::channel(wire::Topology::default());
        Cluster { shared: Arc::default(), topology: Arc::new(topology) }
    }

    /// Starts a node, which `script` answers for, and adds it to the topology if it is not there.
    pub fn start(
        &self,
        address: &str,
        script: impl Fn(&wire::ClientRequest) -> Reply + Send + Sync + 'static,
    ) {
        let node = Node { script: Arc::new(script), running: watch::channel(()).0 };
        self.lock().nodes.insert(address.to_owned(), node);
        if !self.topology.borrow().nodes.iter().any(|node| node.client_addr == address) {
            self.change_topology(|topology| topology.nodes.push(node_info(address, &[])));
        }
    }

    /// Stops a node: its connections break, and new ones are refused.
    pub fn stop(&self, address: &str) {
        self.lock().nodes.remove(address);
    }

    /// Changes what nodes tell about the cluster, in a new epoch.
    pub fn change_topology(&self, change: impl FnOnce(&mut wire::Topology)) {
        self.topology.send_modify(|topology| {
            topology.epoch += 1;
            change(topology);
        });
    }

    /// The requests so far, one line each: the node, and what it was asked. Clears them.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.lock().seen)
    }

    /// A builder that connects to these nodes, always with the same seed.
    pub fn builder(&self) -> Builder {
        Session::builder().connector(Arc::new(self.clone())).seed(1)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves one stream until the client leaves or the node stops.
    async fn serve(
        self,
        address: String,
        mut incoming: tonic::Streaming<wire::ClientFrame>,
        out: mpsc::Sender<Result<wire::ServerFrame, tonic::Status>>,
    ) {
        let Some((script, mut running)) = self.script(&address) else { return };
        let mut topology = self.topology.subscribe();
        let first = server_frame::Body::Topology(topology.borrow_and_update().clone());
        for body in [server_frame::Body::Hello(hello(&address)), first] {
            if out.send(Ok(frame(body))).await.is_err() {
                return;
            }
        }
        loop {
            let body = tokio::select! {
                biased;
                stopped = running.changed() => match stopped {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                changed = topology.changed() => match changed {
                    Ok(()) => {
                        Some(server_frame::Body::Topology(topology.borrow_and_update().clone()))
                    }
                    Err(_) => return,
                },
                request = incoming.next() => match request {
                    Some(Ok(frame)) => match self.answer(&address, &*script, frame) {
                        Ok(answer) => answer,
                        Err(Hangup) => return,
                    },
                    Some(Err(_)) | None => return,
                },
            };
            if let Some(body) = body
                && out.send(Ok(frame(body))).await.is_err()
            {
                return;
            }
        }
    }

    fn script(&self, address: &str) -> Option<(Arc<Script>, watch::Receiver<()>)> {
        let state = self.lock();
        let node = state.nodes.get(address)?;
        Some((Arc::clone(&node.script), node.running.subscribe()))
    }

    fn answer(
        &self,
        address: &str,
        script: &Script,
        frame: wire::ClientFrame,
    ) -> Result<Option<server_frame::Body>, Hangup> {
        let request = match frame.body {
            Some(client_frame::Body::Request(request)) => request,
            Some(client_frame::Body::Cancel(_)) => {
                self.lock().seen.push(format!("{address} cancel"));
                return Ok(None);
            }
            Some(client_frame::Body::Hello(_)) | None => return Ok(None),
        };
        self.lock().seen.push(format!("{address} {}", summary(&request)));
        match script(&request) {
            Reply::Answer(body) => {
                let trace = request.traced.then(|| trace(address));
                let warnings = Vec::new();
                let answer =
                    wire::ServerAnswer { id: request.id, warnings, body: Some(body), trace };
                Ok(Some(server_frame::Body::Answer(answer)))
            }
            Reply::Silence => Ok(None),
            Reply::Hangup => Err(Hangup),
        }
    }
}

/// The connection is to be closed.
struct Hangup;

fn frame(body: server_frame::Body) -> wire::ServerFrame {
    wire::ServerFrame { body: Some(body) }
}

impl Connector for Cluster {
    fn connect(&self, address: &str) -> BoxFuture<'static, io::Result<Box<dyn Io>>> {
        let (cluster, address) = (self.clone(), address.to_owned());
        Box::pin(async move {
            if cluster.script(&address).is_none() {
                return Err(io::Error::new(io::ErrorKind::ConnectionRefused, "connection refused"));
            }
            let (near, far) = tokio::io::duplex(PIPE_BYTES);
            let door = wire::client_server::ClientServer::new(Door { cluster, address });
            let incoming = stream::once(async { io::Result::Ok(far) }).chain(stream::pending());
            let server = tonic::transport::Server::builder().add_service(door);
            tokio::spawn(server.serve_with_incoming(incoming));
            let near: Box<dyn Io> = Box::new(near);
            Ok(near)
        })
    }
}

/// What a pipe holds before the writer waits.
const PIPE_BYTES: usize = 1 << 20;

/// The gRPC side of a node.
struct Door {
    cluster: Cluster,
    address: String,
}

#[tonic::async_trait]
impl wire::client_server::Client for Door {
    type StreamStream = ReceiverStream<Result<wire::ServerFrame, tonic::Status>>;

    async fn stream(
        &self,
        request: tonic::Request<tonic::Streaming<wire::ClientFrame>>,
    ) -> Result<tonic::Response<Self::StreamStream>, tonic::Status> {
        let (out, frames) = mpsc::channel(64);
        let serving = self.cluster.clone().serve(self.address.clone(), request.into_inner(), out);
        tokio::spawn(serving);
        Ok(tonic::Response::new(ReceiverStream::new(frames)))
    }
}

/// Nothing to tell.
pub fn done() -> server_answer::Body {
    server_answer::Body::Void(wire::Void {})
}

/// Text.
pub fn text(text: &str) -> server_answer::Body {
    server_answer::Body::Text(wire::Text { text: text.to_owned() })
}

/// A page of rows: names and types of columns, then the cells of each row.
pub fn rows(columns: &[(&str, &str)], rows: &[Vec<Option<Value>>]) -> server_answer::Body {
    server_answer::Body::Rows(page(columns, rows, b""))
}

/// A page of rows with others behind it, unless `paging_state` is empty.
pub fn page(
    columns: &[(&str, &str)],
    rows: &[Vec<Option<Value>>],
    paging_state: &'static [u8],
) -> wire::Rows {
    let mut cells = BytesMut::new();
    for cell in rows.iter().flatten() {
        match cell {
            None => cells.put_i32(-1),
            Some(value) => {
                let bytes = value.encode();
                cells.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                cells.put_slice(&bytes);
            }
        }
    }
    wire::Rows {
        columns: columns.iter().map(|(name, kind)| column(name, kind)).collect(),
        cells: cells.freeze(),
        row_count: u32::try_from(rows.len()).unwrap_or(u32::MAX),
        paging_state: Bytes::from_static(paging_state),
    }
}

/// A column of table `ks.t`.
pub fn column(name: &str, cql_type: &str) -> wire::ColumnSpec {
    wire::ColumnSpec {
        keyspace: "ks".to_owned(),
        table: "t".to_owned(),
        name: name.to_owned(),
        cql_type: cql_type.to_owned(),
    }
}

/// An error.
pub fn error(code: Code, retry: wire::Retry, message: &str) -> server_answer::Body {
    server_answer::Body::Error(wire::Error {
        code: code.to_string(),
        message: message.to_owned(),
        retry: retry.into(),
        ..wire::Error::default()
    })
}

/// What a node tells of any request that is traced: it asked itself and another one.
fn trace(address: &str) -> wire::Trace {
    let step = |after_micros, host: &str, step: &str, detail: &str| wire::TraceStep {
        after_micros,
        host_id: Bytes::copy_from_slice(host.as_bytes()),
        step: step.to_owned(),
        detail: detail.to_owned(),
    };
    let share = wire::TraceShare {
        host_id: Bytes::copy_from_slice(address.as_bytes()),
        role: "data".to_owned(),
        requests: 1,
        micros: 210,
        rows: 2,
        bytes: 64,
        tombstones: 1,
        sstables: 3,
        ..wire::TraceShare::default()
    };
    wire::Trace {
        id: 0x2a,
        took_micros: 1_234,
        steps: vec![
            step(7, "", "planned", ""),
            step(11, address, "asked", "data"),
            step(1_200, address, "answered", "data: 2 rows, 64 bytes"),
        ],
        left_out: 0,
        shares: vec![share],
    }
}

/// A node of the topology; its host id is its address.
pub fn node_info(address: &str, tokens: &[i64]) -> wire::NodeInfo {
    wire::NodeInfo {
        host_id: Bytes::copy_from_slice(address.as_bytes()),
        client_addr: address.to_owned(),
        dc: "dc1".to_owned(),
        rack: "r1".to_owned(),
        tokens: tokens.to_vec(),
        alive: true,
        ..wire::NodeInfo::default()
    }
}

fn hello(address: &str) -> wire::ServerHello {
    wire::ServerHello {
        protocol_version: proto::CLIENT_PROTOCOL,
        server_version: env!("CARGO_PKG_VERSION").to_owned(),
        cluster_name: "fake".to_owned(),
        cluster_id: Bytes::new(),
        host_id: Bytes::copy_from_slice(address.as_bytes()),
    }
}

/// One line about a request.
fn summary(request: &wire::ClientRequest) -> String {
    let level =
        |options: &Option<wire::Options>| options.as_ref().map_or(0, |options| options.consistency);
    match &request.body {
        Some(client_request::Body::Query(query)) => {
            format!("query {} cl={}", query.text, level(&query.options))
        }
        Some(client_request::Body::Prepare(prepare)) => format!("prepare {}", prepare.text),
        Some(client_request::Body::Execute(execute)) => {
            format!("execute {}", String::from_utf8_lossy(&execute.id))
        }
        Some(client_request::Body::ExecuteMany(many)) => {
            format!("execute {} rows={}", String::from_utf8_lossy(&many.id), many.row_count)
        }
        Some(client_request::Body::Describe(describe)) => format!("describe {}", describe.what),
        None => "nothing".to_owned(),
    }
}
