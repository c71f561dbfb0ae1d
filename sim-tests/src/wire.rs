//! What happens to single messages between nodes: lost, doubled, or answered by someone else.
//!
//! The network of the simulation loses whole stretches of time. This loses, or repeats, one
//! request or one answer and leaves the connection alone. It also watches: a replica that answers
//! a request more often than it was asked is a bug, whatever the coordinator makes of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use prost::Message as _;
use proto::peer::{self, peer_frame::Body};
use sys::Rng;

use crate::trace::Trace;

/// How often something happens to a message, as probabilities.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A request never arrives.
    pub request_lost: f64,
    /// A request arrives twice.
    pub request_doubled: f64,
    /// A request is carried out, and its answer never arrives.
    pub answer_lost: f64,
    /// An answer arrives twice.
    pub answer_doubled: f64,
}

/// A bug of a replica, planted between it and its peers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Bug {
    /// None.
    #[default]
    None,
    /// This replica sends every answer twice.
    AnswersTwice(String),
    /// This replica's answers to writes count for another one too: `silent` never hears of a write,
    /// and the coordinator is answered in its name.
    AnswersFor {
        /// The one that is spoken for.
        silent: String,
    },
}

/// What becomes of one message.
#[derive(Clone, Debug, PartialEq)]
pub enum Fate {
    /// It arrives so many times.
    Times(usize),
    /// It does not, and this comes back instead.
    Answered(Bytes),
}

/// Who talks to whom on a connection.
#[derive(Clone, Debug)]
pub struct Link {
    /// A number of its own.
    pub id: u64,
    /// Who opened it, and asks.
    pub dialer: Arc<str>,
    /// Who accepted it, and answers.
    pub peer: Arc<str>,
}

/// All messages between nodes pass here. A clone is the same wire.
#[derive(Clone)]
pub struct Wire(Arc<Mutex<State>>);

struct State {
    rng: Rng,
    trace: Trace,
    faults: Faults,
    bug: Bug,
    links: u64,
    /// How many answers are still due to each request of each link.
    due: BTreeMap<(u64, u64), usize>,
    counts: Counts,
    violations: Vec<String>,
}

/// What happened, for tests that must know that something did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Requests that were seen.
    pub requests: u64,
    /// Messages that were lost.
    pub lost: u64,
    /// Messages that were doubled.
    pub doubled: u64,
}

impl Wire {
    /// A wire that passes everything on.
    pub fn new(rng: Rng, trace: Trace, bug: Bug) -> Self {
        Self(Arc::new(Mutex::new(State {
            rng,
            trace,
            faults: Faults::default(),
            bug,
            links: 0,
            due: BTreeMap::new(),
            counts: Counts::default(),
            violations: Vec::new(),
        })))
    }

    /// Makes other things go wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// A new connection.
    pub fn link(&self, dialer: &Arc<str>, peer: &str) -> Link {
        let mut state = self.lock();
        state.links += 1;
        Link { id: state.links, dialer: Arc::clone(dialer), peer: peer.into() }
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Bugs that were seen.
    pub fn violations(&self) -> Vec<String> {
        self.lock().violations.clone()
    }

    /// What becomes of a message from the dialer. One that is not `free` is seen and arrives: it
    /// shares frames with others.
    pub fn asks(&self, link: &Link, message: &Bytes, free: bool) -> Fate {
        let Some(Body::Request(request)) = body(message) else { return Fate::Times(1) };
        let mut state = self.lock();
        state.counts.requests += 1;
        let is_write = matches!(request.body, Some(peer::request::Body::Mutate(_)));
        if free
            && is_write
            && matches!(&state.bug, Bug::AnswersFor { silent } if **silent == *link.peer)
        {
            let done = peer::answer::Body::Done(peer::Done {});
            let answer = peer::Answer { id: request.id, body: Some(done), work: None };
            let frame = peer::PeerFrame { body: Some(Body::Answer(answer)) };
            return Fate::Answered(frame.encode_to_vec().into());
        }
        let Faults { request_lost, request_doubled, .. } = state.faults;
        let times = if free { state.times(request_lost, request_doubled) } else { 1 };
        if times != 1 {
            let what = format!(
                "request {} {} → {} arrives {times} times",
                request.id, link.dialer, link.peer
            );
            state.trace.note(what);
        }
        *state.due.entry((link.id, request.id)).or_default() += times;
        Fate::Times(times)
    }

    /// What becomes of a message from the peer; `free` as in [`Wire::asks`].
    pub fn answers(&self, link: &Link, message: &Bytes, free: bool) -> Fate {
        let Some(Body::Answer(answer)) = body(message) else { return Fate::Times(1) };
        let mut state = self.lock();
        let spoken = match &state.bug {
            Bug::AnswersTwice(replica) if free && **replica == *link.peer => 2,
            Bug::AnswersTwice(_) | Bug::AnswersFor { .. } | Bug::None => 1,
        };
        for _ in 0..spoken {
            state.heard(link, answer.id);
        }
        let Faults { answer_lost, answer_doubled, .. } = state.faults;
        let times = if free { state.times(answer_lost, answer_doubled) } else { 1 };
        if times != 1 {
            let what = format!(
                "answer {} {} → {} arrives {times} times",
                answer.id, link.peer, link.dialer
            );
            state.trace.note(what);
        }
        Fate::Times(times * spoken)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn times(&mut self, lost: f64, doubled: f64) -> usize {
        if self.rng.chance(lost) {
            self.counts.lost += 1;
            0
        } else if self.rng.chance(doubled) {
            self.counts.doubled += 1;
            2
        } else {
            1
        }
    }

    /// The replica answered: once for each time it was asked.
    fn heard(&mut self, link: &Link, id: u64) {
        match self.due.get_mut(&(link.id, id)) {
            Some(due @ 1..) => *due -= 1,
            Some(_) | None => {
                let Link { dialer, peer, .. } = link;
                self.violations.push(format!(
                    "{peer} answered request {id} of {dialer} more often than asked"
                ));
            }
        }
    }
}

fn body(message: &Bytes) -> Option<Body> {
    peer::PeerFrame::decode(message.clone()).ok()?.body
}
