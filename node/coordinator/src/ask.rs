//! One call to one replica.

use std::sync::Arc;

use model::HostId;
use tokio::time::Instant;

use crate::{
    Shared,
    replica::{Call, Error, Request, Response},
};

/// How often one request is planned again because the cluster changed beneath it.
pub(crate) const REPLANS_MAX: u32 = 8;

/// What is the same in all calls of one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) trace: u64,
    pub(crate) epoch: u64,
    pub(crate) deadline: Instant,
}

/// Asks `host`. After `StaleEpoch` this node has caught up: plan again.
pub(crate) async fn ask(
    shared: Arc<Shared>,
    terms: Terms,
    host: HostId,
    request: Request,
) -> (HostId, Result<Response, Error>) {
    // What answers must be who was asked: replicas are counted by host.
    let Some(replica) = shared.replicas.get(host).filter(|it| it.host() == host) else {
        return (host, Err(Error::Unreachable));
    };
    let timeout = terms.deadline.saturating_duration_since(Instant::now());
    let call = Call { trace: terms.trace, epoch: terms.epoch, timeout, request };
    let answer = replica.call(call).await;
    if let Err(Error::StaleEpoch { have }) = &answer {
        shared.view.catch_up(*have).await;
    }
    (host, answer)
}
