//! Between a node's start and its first request: it hears its peers, and prepares what it knew.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;

use crate::shared::Shared;

/// How long a node that starts waits to hear its peers.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// How often it looks whether all its streams stand.
const SETTLE_CHECK: Duration = Duration::from_millis(10);

/// Lets this node coordinate once it is a member and has heard all its peers: until then it would
/// take them for dead, and refuse what they could answer.
pub(crate) async fn settle(shared: Arc<Shared>, settled: watch::Sender<bool>) {
    let (mut metadata, mut alive) =
        (shared.published.metadata.clone(), shared.published.alive.clone());
    let Ok(others) = metadata
        .wait_for(|it| it.nodes.contains_key(&shared.host))
        .await
        .map(|it| it.nodes.len() - 1)
    else {
        return;
    };
    let peers = shared.peers.downgrade();
    let heard = async {
        drop(alive.wait_for(|it| others <= it.len()).await);
        while peers.connected() < others {
            tokio::time::sleep(SETTLE_CHECK).await;
        }
    };
    // Who is not heard by then is dead, or as good as that.
    drop(tokio::time::timeout(SETTLE_TIMEOUT, heard).await);
    settled.send_replace(true);
    std::future::pending::<()>().await;
}

/// Prepares again what was prepared before a restart, once there is a schema.
pub(crate) async fn recall(shared: Arc<Shared>) {
    let mut metadata = shared.published.metadata.clone();
    if metadata.wait_for(|it| it.is_founded()).await.is_ok() {
        shared.remembered.recall(&shared.executor).await;
    }
}
