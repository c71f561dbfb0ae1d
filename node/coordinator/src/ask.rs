//! One call to one replica.

use std::sync::Arc;

use model::HostId;
use tokio::time::Instant;

use crate::{
    Shared,
    replica::{Call, Error, Request, Response},
    trace::{Role, Step},
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
    let (traces, trace, role) = (&shared.traces, terms.trace, Role::of(&request));
    traces.note(trace, Some(host), || Step::Asked(role));
    let report = traces.report(trace);
    let call = Call { trace, epoch: terms.epoch, timeout, report: report.clone(), request };
    let answer = replica.call(call).await;
    traces.note(trace, Some(host), || {
        let work = report.and_then(|it| it.get().copied());
        Step::Answered(role, answer.as_ref().map(|_| work).map_err(ToString::to_string))
    });
    if let Err(Error::StaleEpoch { have }) = &answer {
        shared.view.catch_up(*have).await;
    }
    (host, answer)
}
