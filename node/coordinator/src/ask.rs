//! One call to one replica, and several that are under way.

use std::{future::poll_fn, sync::Arc, task::Poll};

use futures_util::{
    FutureExt as _,
    future::{BoxFuture, Either},
};
use model::HostId;
use tokio::time::Instant;

use crate::{
    Shared,
    late::{Late, until},
    replica::{Answering, Call, Error, Request, Response, at_once},
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

/// What a replica answered, or why it did not.
pub(crate) type Answer = Result<Response, Error>;

/// Asks `host`, and makes of its answer what `then` says. After `StaleEpoch` this node has caught up: plan
/// again.
pub(crate) fn ask<T: Send + 'static>(
    shared: &Arc<Shared>,
    terms: Terms,
    host: HostId,
    request: Request,
    then: impl FnOnce(HostId, Answer) -> T + Send + 'static,
) -> Answering<T> {
    // What answers must be who was asked: replicas are counted by host.
    let Some(replica) = shared.replicas.get(host).filter(|it| it.host() == host) else {
        return at_once(then(host, Err(Error::Unreachable)));
    };
    let timeout = terms.deadline.saturating_duration_since(Instant::now());
    let (traces, trace, role) = (&shared.traces, terms.trace, Role::of(&request));
    traces.note(trace, Some(host), || Step::Asked(role));
    let report = traces.report(trace);
    let call = Call { trace, epoch: terms.epoch, timeout, report: report.clone(), request };
    let note = move |shared: &Shared, answer: &Answer| {
        shared.traces.note(trace, Some(host), || {
            let work = report.and_then(|it| it.get().copied());
            Step::Answered(role, answer.as_ref().map(|_| work).map_err(ToString::to_string))
        });
    };
    let answering = match replica.call(call) {
        Either::Left(answer) => {
            let answer = answer.into_inner();
            if !matches!(answer, Err(Error::StaleEpoch { .. })) {
                note(shared, &answer);
                return at_once(then(host, answer));
            }
            at_once(answer)
        }
        later => later,
    };
    let shared = Arc::clone(shared);
    let later = async move {
        let answer = answering.await;
        note(&shared, &answer);
        if let Err(Error::StaleEpoch { have }) = &answer {
            shared.view.catch_up(*have).await;
        }
        then(host, answer)
    };
    Either::Right(later.boxed())
}

/// Calls of one request: what came without waiting comes out first.
///
/// There is a handful at most, one for each replica and those that take over: whichever wakes the
/// request, each is looked at.
pub(crate) struct Calls<T> {
    came: Vec<T>,
    later: Vec<BoxFuture<'static, T>>,
}

impl<T> Default for Calls<T> {
    fn default() -> Calls<T> {
        Calls { came: Vec::new(), later: Vec::new() }
    }
}

impl<T: Send + 'static> Calls<T> {
    /// One more.
    pub(crate) fn push(&mut self, call: Answering<T>) {
        match call {
            Either::Left(came) => {
                // Answers are large, and there is mostly one.
                self.came.reserve_exact(1);
                self.came.push(came.into_inner());
            }
            Either::Right(call) => {
                self.later.reserve_exact(1);
                self.later.push(call);
            }
        }
    }

    /// One that ended without waiting.
    pub(crate) fn came(&mut self) -> Option<T> {
        (!self.came.is_empty()).then(|| self.came.remove(0))
    }

    /// The next one that ends; `None` if none is under way.
    pub(crate) async fn next(&mut self, deadline: Instant) -> Result<Option<T>, Late> {
        if let Some(came) = self.came() {
            return Ok(Some(came));
        }
        if self.later.is_empty() {
            return Ok(None);
        }
        let later = &mut self.later;
        let next = poll_fn(|context| {
            let ends = |(at, call): (usize, &mut BoxFuture<'static, T>)| {
                let Poll::Ready(answer) = call.poll_unpin(context) else { return None };
                Some((at, answer))
            };
            let Some((at, answer)) = later.iter_mut().enumerate().find_map(ends) else {
                return Poll::Pending;
            };
            drop(later.remove(at));
            Poll::Ready(answer)
        });
        until(deadline, next).await.map(Some)
    }
}
