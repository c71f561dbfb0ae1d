//! A node in the process of a test.

use std::sync::Arc;

use node::config::{Layers, Origin, Settings};
use node::start::{Node, Seams};
use sys::{MemoryFacts, RealClock, RealDisk, Rng, SharedRng, TcpNet, ThreadPool};

/// Starts one with its data in `dir`, at free ports, and waits until it serves.
pub(crate) async fn start_node(dir: &std::path::Path) -> Node {
    let mut layers = Layers::default();
    let values = [
        ("data_dir", dir.to_str().unwrap()),
        ("peer_port", "0"),
        ("client_port", "0"),
        ("http_port", "0"),
        ("cql_port", "0"),
        ("memory", "128MiB"),
    ];
    for (key, value) in values {
        layers.set(key, value.to_owned(), Origin::Flag("test".into())).unwrap();
    }
    let seams = Seams {
        clock: Arc::new(RealClock::new()),
        rng: SharedRng::new(Rng::from_seed(1)),
        disk: Arc::new(RealDisk),
        net: Arc::new(TcpNet),
        blocking: Arc::new(ThreadPool::new(4)),
        jobs: Arc::new(ThreadPool::new(3)),
        facts: Arc::new(|_| Ok(Arc::new(MemoryFacts::new()))),
    };
    let node = Node::start(Settings::new(layers, 1 << 27).unwrap(), seams).await.unwrap();
    node.serving().await;
    node
}
