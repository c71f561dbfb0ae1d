//! The nodes of a demo: each with a runtime of its own, so that killing one ends all its tasks.

use std::{
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sys::{Net, Rng, TcpNet, ThreadPool};
use tokio::runtime::Runtime;

use super::start::real_seams;
use crate::{
    config::{Layers, Origin, Settings},
    start::{Addresses, Node, StartError},
};

/// Memory of one demo node.
const NODE_MEMORY: &str = "256MiB";

/// How long a killed node's threads may take to let go of its data directory.
const LET_GO: Duration = Duration::from_secs(5);

/// Where demo nodes listen: below the ports that systems hand out to outgoing connections, one of
/// which could otherwise take the place of a killed node.
const PORTS: Range<u16> = 20_000..32_000;

/// Ports tried before a demo gives up.
const PORT_ATTEMPTS_MAX: usize = 1_000;

/// How long the founders may take to find each other.
const FOUNDING_TIMEOUT: Duration = Duration::from_secs(30);

/// A node that can be killed and restarted.
struct Member {
    settings: Settings,
    running: Option<(Runtime, Arc<Node>)>,
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some((runtime, node)) = self.running.take() {
            drop(node);
            // A plain drop would wait for its threads, which async code must not.
            runtime.shutdown_background();
        }
    }
}

/// All nodes of a demo.
pub(super) struct Fleet {
    members: Vec<Member>,
}

/// Why a demo failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// There is no node of this number.
    #[error("there is no node {0}: there are 1 to {1}")]
    NoSuchNode(usize, usize),
    /// It is dead already.
    #[error("node {0} is not running")]
    NotRunning(usize),
    /// It runs already.
    #[error("node {0} is running")]
    Running(usize),
    /// It did not start.
    #[error("node {0}: {1}")]
    Start(usize, StartError),
    /// The settings do not fit.
    #[error("{0}")]
    Settings(#[from] crate::config::Error),
    /// A port, a thread or a file was refused.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// Nobody waited for a killed node's threads.
    #[error("the node may still run: {0}")]
    Kill(#[from] sys::Stopped),
    /// The nodes did not find each other.
    #[error("the nodes did not found a cluster within 30 s")]
    NotFounded,
}

impl Fleet {
    /// Starts `count` nodes on free loopback ports, with their data below `dir`. A folder that
    /// held a demo before keeps its ports, and so its cluster.
    pub(super) async fn start(count: usize, dir: &Path, level: &str) -> Result<Fleet, Error> {
        let ports = ports(count, dir).await?;
        let seeds: Vec<String> = ports.iter().map(|it| format!("127.0.0.1:{}", it[0])).collect();
        let mut members = Vec::new();
        for (index, [peer, client, http, cql]) in ports.into_iter().enumerate() {
            let mut layers = Layers::default();
            let node_dir = dir.join(format!("node{}", index + 1));
            let values = [
                ("cluster_name", "demo".to_owned()),
                ("data_dir", node_dir.display().to_string()),
                ("peer_port", peer.to_string()),
                ("client_port", client.to_string()),
                ("http_port", http.to_string()),
                ("cql_port", cql.to_string()),
                ("seeds", seeds.join(",")),
                ("memory", NODE_MEMORY.to_owned()),
                ("log.level", level.to_owned()),
            ];
            for (key, value) in values {
                layers.set(key, value, Origin::Flag("demo".into()))?;
            }
            members.push(Member { settings: Settings::new(layers, 1 << 28)?, running: None });
        }
        let mut fleet = Fleet { members };
        let starts = fleet.members.iter().map(|it| launch(it.settings.clone()));
        let started = futures_util::future::join_all(starts).await;
        for (index, outcome) in started.into_iter().enumerate() {
            let running = outcome.map_err(|why| why.into_error(index + 1))?;
            fleet.members[index].running = Some(running);
        }
        match tokio::time::timeout(FOUNDING_TIMEOUT, fleet.settled()).await {
            Ok(()) => Ok(fleet),
            Err(_) => Err(Error::NotFounded),
        }
    }

    /// Resolves once every node serves and sees all others.
    async fn settled(&self) {
        let others = self.members.len() - 1;
        for (_, node) in self.members.iter().filter_map(|it| it.running.as_ref()) {
            node.serving().await;
            node.peers_alive_at_least(others).await;
        }
    }

    /// Client addresses of the nodes that run.
    pub(super) fn contacts(&self) -> Vec<String> {
        let running = self.members.iter().filter_map(|it| it.running.as_ref());
        running.map(|(_, node)| node.addresses().client.clone()).collect()
    }

    /// A line for each node.
    pub(super) fn list(&self) -> String {
        let line = |(index, member): (usize, &Member)| match &member.running {
            Some((_, node)) => {
                let Addresses { peer, client, http, cql } = node.addresses();
                format!(
                    "node {}  up    client {client}  cql {cql}  peers {peer}  http {http}",
                    index + 1
                )
            }
            None => {
                let it = &member.settings;
                let (client, cql) = (it.client_port, it.cql_port);
                let (peer, http) = (it.peer_port, it.http_port);
                format!(
                    "node {}  down  client 127.0.0.1:{client}  cql 127.0.0.1:{cql}  peers 127.0.0.1:{peer}  http 127.0.0.1:{http}",
                    index + 1
                )
            }
        };
        let lines: Vec<String> = self.members.iter().enumerate().map(line).collect();
        lines.join("\n")
    }

    /// Kills a node: no drain, no flush, as a crash would. Once it resolves its connections are
    /// closed, so what is sent next goes to another.
    pub(super) async fn kill(&mut self, number: usize) -> Result<(), Error> {
        let count = self.members.len();
        let member = number.checked_sub(1).and_then(|it| self.members.get_mut(it));
        let member = member.ok_or(Error::NoSuchNode(number, count))?;
        let (runtime, node) = member.running.take().ok_or(Error::NotRunning(number))?;
        drop(node);
        sys::run_fn(&ThreadPool::new(1), move || runtime.shutdown_timeout(LET_GO)).await?;
        Ok(())
    }

    /// Starts a killed node again on its data.
    pub(super) async fn restart(&mut self, number: usize) -> Result<(), Error> {
        let count = self.members.len();
        let member = number.checked_sub(1).and_then(|it| self.members.get_mut(it));
        let member = member.ok_or(Error::NoSuchNode(number, count))?;
        if member.running.is_some() {
            return Err(Error::Running(number));
        }
        let begun = tokio::time::Instant::now();
        let running = loop {
            match launch(member.settings.clone()).await {
                Ok(running) => break running,
                // The killed one's threads still hold the port or the directory for a moment.
                Err(Failed::Start(
                    StartError::Locked(_)
                    | StartError::Engine(engine::Error::Locked { .. })
                    | StartError::Listen { .. },
                )) if begun.elapsed() < LET_GO => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(why) => return Err(why.into_error(number)),
            }
        };
        running.1.serving().await;
        member.running = Some(running);
        Ok(())
    }

    /// Drains all nodes and ends their runtimes.
    pub(super) async fn stop(self, drain: bool) {
        for (_, node) in self.members.iter().filter_map(|it| it.running.as_ref()) {
            if drain && let Err(why) = node.drain().await {
                eprintln!("not drained: {why}; the log is replayed at the next start");
            }
        }
    }
}

enum Failed {
    Start(StartError),
    System(std::io::Error),
}

impl Failed {
    fn into_error(self, number: usize) -> Error {
        match self {
            Failed::Start(why) => Error::Start(number, why),
            Failed::System(why) => Error::System(why),
        }
    }
}

async fn launch(settings: Settings) -> Result<(Runtime, Arc<Node>), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(Failed::System)?;
    let started = runtime.spawn(async move {
        let seams = real_seams(&settings);
        Node::start(settings, seams).await
    });
    match started.await {
        Ok(Ok(node)) => Ok((runtime, Arc::new(node))),
        Ok(Err(why)) => {
            runtime.shutdown_background();
            Err(Failed::Start(why))
        }
        Err(why) => {
            runtime.shutdown_background();
            Err(Failed::System(std::io::Error::other(why)))
        }
    }
}

/// Doors of a node.
const PORTS_EACH: usize = 4;

/// Free ports for each node, remembered in the folder.
async fn ports(count: usize, dir: &Path) -> Result<Vec<[u16; PORTS_EACH]>, Error> {
    let path: PathBuf = dir.join("ports");
    let disk = sys::RealDisk;
    sys::Disk::create_dir_all(&disk, dir)?;
    if let Ok(bytes) = sys::disk::read_all(&disk, &path, 4096) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let numbers: Vec<u16> = text.split_whitespace().filter_map(|it| it.parse().ok()).collect();
        if numbers.len() == count * PORTS_EACH {
            return Ok(numbers.as_chunks().0.to_vec());
        }
        let why = format!("{} was made with another number of nodes", dir.display());
        return Err(Error::System(std::io::Error::other(why)));
    }
    // All are held open together, so that none is given out twice.
    let mut held = Vec::new();
    let mut rng = Rng::from_os();
    for attempt in 0.. {
        let port = PORTS.start + rng.below(u64::from(PORTS.end - PORTS.start)) as u16;
        match TcpNet.listen(&format!("127.0.0.1:{port}")).await {
            Ok(listener) => held.push(listener),
            Err(error) if PORT_ATTEMPTS_MAX <= attempt => return Err(Error::System(error)),
            Err(_) => {}
        }
        if held.len() == count * PORTS_EACH {
            break;
        }
    }
    let mut numbers = Vec::new();
    for listener in &held {
        numbers.push(listener.local_addr()?.port());
    }
    let text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    sys::disk::write_atomically(&disk, &path, text.join(" ").as_bytes())?;
    Ok(numbers.as_chunks().0.to_vec())
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Else what a shell sends next may still go there, and nobody knows what became of it.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[expect(clippy::disallowed_types, reason = "tells what the system knows, not a reactor")]
    async fn a_node_that_is_killed_is_dead_once_that_is_said() {
        let scratch = tempfile::tempdir().unwrap();
        let mut fleet = Fleet::start(1, scratch.path(), "error").await.unwrap();
        let mut connection = std::net::TcpStream::connect(fleet.contacts().remove(0)).unwrap();
        connection.set_nonblocking(true).unwrap();
        fleet.kill(1).await.unwrap();
        let read = connection.read(&mut [0; 1]).map_err(|it| it.kind());
        assert!(
            !matches!(read, Err(std::io::ErrorKind::WouldBlock)),
            "the connection of a dead node is open"
        );
    }
}
