//! Proposals that wait, and what becomes of them.

use std::time::Duration;

use super::Context;
use crate::{
    api::Event,
    metadata::{Proposal, Refused},
};

/// What became of a proposed change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is entry `epoch` of the log, and applied here.
    Applied {
        /// Its epoch.
        epoch: u64,
    },
    /// It does not fit, and a quorum confirmed what it was checked against. Nothing has changed.
    Refused(Refused),
    /// No quorum answered in time, and nobody was asked to accept it: it never happens. Safe to
    /// propose again.
    TimedOut,
    /// Voters were asked to accept it, and no quorum answered in time: it may yet be chosen. Look at
    /// the schema before proposing it again.
    Unknown,
    /// Too many proposals wait already. Nothing has changed; try later.
    Overloaded,
}

/// A proposal that waits for its turn or its decision.
#[derive(Debug)]
pub(super) struct Pending {
    /// `None` for the node's own proposals.
    pub(super) request: Option<u64>,
    pub(super) proposal: Proposal,
    pub(super) deadline: Option<Duration>,
    /// The last epoch for which voters were asked to accept it.
    pub(super) asked_epoch: u64,
}

/// Says what became of a proposal, if somebody waits for the word.
pub(super) fn tell(pending: &Pending, outcome: Outcome, context: &mut Context<'_>) {
    if let Some(request_id) = pending.request {
        context.out.events.push(Event::Proposed { request_id, outcome });
    }
}
