//! The metadata log: one linear sequence of entries that all members agree on.
//!
//! ```text
//! propose ─► queue ─► check against the present metadata ─► Paxos for epoch+1 among the voters
//!                          ▲                                   │
//!                          │ another value was chosen:         │ ours was chosen:
//!                          └────── apply it, check again ◄─────┴──────► apply it, tell everyone
//! ```
//!
//! A node that is behind fetches entries from any peer that is ahead, or a snapshot where the entries
//! are gone. A refusal is linearizable too: before "exists already" is answered, a quorum has
//! confirmed that nothing newer was chosen.
//!
//! Knows nothing of addresses or liveness: it asks all voters, always.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use model::HostId;
use sys::Rng;
use uuid::Uuid;

use crate::{
    api::{Event, Outbox},
    codec::encode,
    message::Message,
    metadata::{Change, Entry, Metadata, Proposal, Refused},
    paxos::{Acceptor, Electorate, Patience, Proposer, Reply, Request, Rounds, Step},
    record::Record,
};

/// Proposals that wait on one node. Each holds a table definition; nobody runs more DDL at once.
pub const PROPOSALS_MAX: usize = 128;
/// The largest change, encoded, bytes: a table of thousands of columns.
pub const CHANGE_BYTES_MAX: usize = 1 << 20;
/// How long a fetch may stay without answer before the next.
const FETCH_PATIENCE: Duration = Duration::from_millis(300);
/// How long an accepted value may stay undecided before a voter finishes it: its proposer may have
/// died. Each voter adds up to as much again by chance, so that they do not all start at once.
const UNFINISHED_MIN: Duration = Duration::from_millis(1_500);

mod pending;
mod tail;

pub use pending::Outcome;
use pending::{Pending, tell};
use tail::Tail;

/// The log of one node.
#[derive(Debug)]
pub struct MetadataLog {
    me: HostId,
    patience: Patience,
    rounds: Rounds,
    metadata: Arc<Metadata>,
    tail: Tail,
    /// Who decides epoch 1; afterwards the metadata says who votes.
    founders: Electorate,
    acceptor: Acceptor<Proposal>,
    unfinished_at: Option<Duration>,
    queue: VecDeque<Pending>,
    driving: Option<Driving>,
    fetch_at: Duration,
}

/// The round of Paxos that is going on for the next epoch.
#[derive(Debug)]
struct Driving {
    proposer: Proposer<Proposal>,
    /// The proposal that is refused if it turns out that nothing newer was chosen.
    refuses: Option<(Uuid, Refused)>,
}

/// Time, chance and where effects go.
pub(crate) struct Context<'a> {
    pub(crate) now: Duration,
    pub(crate) rng: &'a mut Rng,
    pub(crate) out: &'a mut Outbox,
}

impl MetadataLog {
    /// An empty log, or the one that `recovered` records (in the order in which they were persisted)
    /// tell of. `None` where they leave a gap.
    pub(crate) fn recover(
        me: HostId,
        patience: Patience,
        rounds: Rounds,
        recovered: Vec<Record>,
    ) -> Option<MetadataLog> {
        let mut log = MetadataLog {
            me,
            patience,
            rounds,
            metadata: Arc::new(Metadata::unfounded()),
            tail: Tail::default(),
            founders: Electorate::default(),
            acceptor: Acceptor::default(),
            unfinished_at: None,
            queue: VecDeque::new(),
            driving: None,
            fetch_at: Duration::ZERO,
        };
        let mut voted = None;
        for record in recovered {
            match record {
                Record::Identity(_) | Record::Generation(_) => {}
                Record::Acceptor { epoch, acceptor } => voted = Some((epoch, acceptor)),
                Record::Snapshot(metadata) => {
                    if log.metadata.epoch < metadata.epoch {
                        log.metadata = Arc::from(metadata);
                    }
                }
                Record::Entry(entry) if log.metadata.epoch + 1 < entry.epoch => return None,
                Record::Entry(entry) => {
                    if log.metadata.epoch < entry.epoch {
                        log.metadata = Arc::new(log.metadata.apply(&entry));
                    }
                    log.tail.push(entry);
                }
            }
        }
        if let Some((epoch, acceptor)) = voted
            && epoch == log.metadata.epoch + 1
        {
            log.unfinished_at = acceptor.accepted.is_some().then_some(Duration::ZERO);
            log.acceptor = acceptor;
        }
        Some(log)
    }

    /// The records that alone make this log again.
    pub(crate) fn checkpoint(&self) -> Vec<Record> {
        let mut records = Vec::new();
        if self.metadata.is_founded() {
            records.push(Record::Snapshot(Box::new(Metadata::clone(&self.metadata))));
        }
        records.extend(self.tail.entries().cloned().map(Record::Entry));
        if self.acceptor.promised.is_some() {
            records.push(self.vote());
        }
        records
    }

    /// The metadata as far as it is known here.
    pub fn metadata(&self) -> &Arc<Metadata> {
        &self.metadata
    }

    /// Says who decides epoch 1.
    pub(crate) fn set_founders(&mut self, founders: Electorate) {
        if self.founders != founders {
            self.founders = founders;
            // What was proposed lists others than those who decide now.
            self.queue.clear();
            self.driving = None;
        }
    }

    /// Whether a proposal of the node itself waits.
    pub(crate) fn has_own_proposal(&self) -> bool {
        self.queue.iter().any(|it| it.request.is_none())
    }

    /// Proposes a change of the node itself: no deadline, no outcome.
    pub(crate) fn propose_own(&mut self, change: Change, context: &mut Context<'_>) {
        let proposal = Proposal { id: context.rng.uuid_v4(), change };
        self.queue.push_back(Pending { request: None, proposal, deadline: None, asked_epoch: 0 });
        self.advance(context);
    }

    /// Proposes a change; its outcome comes as an event with this `request` by `deadline`.
    pub(crate) fn propose(
        &mut self,
        request: u64,
        change: Change,
        deadline: Duration,
        context: &mut Context<'_>,
    ) {
        let proposal = Proposal { id: context.rng.uuid_v4(), change };
        let refuse_now = if !self.metadata.is_founded() {
            Some(Outcome::Refused(Refused::NotFounded))
        } else if CHANGE_BYTES_MAX < encode(0, &proposal).len() {
            Some(Outcome::Refused(Refused::Invalid("larger than a change may be")))
        } else if PROPOSALS_MAX <= self.queue.len() {
            Some(Outcome::Overloaded)
        } else {
            None
        };
        if let Some(outcome) = refuse_now {
            context.out.events.push(Event::Proposed { request_id: request, outcome });
            return;
        }
        self.queue.push_back(Pending {
            request: Some(request),
            proposal,
            deadline: Some(deadline),
            asked_epoch: 0,
        });
        self.advance(context);
    }

    /// Ends what is past its deadline, sends again what was not answered, and finishes what others
    /// left undecided.
    pub(crate) fn tick(&mut self, context: &mut Context<'_>) {
        let next = self.metadata.epoch + 1;
        let head = self.queue.front().map(|it| it.proposal.id);
        let mut waiting = VecDeque::new();
        for pending in std::mem::take(&mut self.queue) {
            if pending.deadline.is_none_or(|deadline| context.now < deadline) {
                waiting.push_back(pending);
                continue;
            }
            let asked = pending.asked_epoch == next;
            let outcome = if asked { Outcome::Unknown } else { Outcome::TimedOut };
            tell(&pending, outcome, context);
        }
        self.queue = waiting;
        if head != self.queue.front().map(|it| it.proposal.id) {
            self.driving = None;
        }
        if let Some(driving) = &mut self.driving {
            let step = driving.proposer.tick(&mut self.rounds, context.now);
            self.act(step, context);
        }
        self.advance(context);
        self.finish_undecided(context);
    }

    /// Takes a message of the log. `from` is a member or, before founding, a founder.
    pub(crate) fn on_message(&mut self, from: HostId, message: Message, context: &mut Context<'_>) {
        match message {
            Message::Ask { epoch, request } => self.on_ask(from, epoch, request, context),
            Message::Answer { epoch, reply } => self.on_answer(from, epoch, reply, context),
            Message::Fetch { after } => self.serve(from, after, context),
            Message::Entries { entries, latest } => {
                self.on_entries(from, entries, latest, context);
            }
            Message::Snapshot(metadata) => self.on_snapshot(*metadata, context),
            Message::Hello(_)
            | Message::Refuse(_)
            | Message::Heartbeat(_)
            | Message::Digest { .. }
            | Message::Difference { .. }
            | Message::States { .. } => {}
        }
    }

    /// A peer has applied `epoch`: fetches what is missing here.
    pub(crate) fn on_peer_epoch(&mut self, peer: HostId, epoch: u64, context: &mut Context<'_>) {
        if self.metadata.epoch < epoch && self.fetch_at <= context.now {
            self.fetch_at = context.now + FETCH_PATIENCE;
            context.out.send.push((peer, Message::Fetch { after: self.metadata.epoch }));
        }
    }

    fn on_ask(
        &mut self,
        from: HostId,
        epoch: u64,
        request: Request<Proposal>,
        context: &mut Context<'_>,
    ) {
        let next = self.metadata.epoch + 1;
        if epoch < next {
            self.serve(from, epoch - 1, context);
            return;
        }
        if next < epoch {
            // Its instance comes after one that we have not heard the end of; it asks again.
            self.on_peer_epoch(from, epoch - 1, context);
            return;
        }
        let answer = self.acceptor.on_request(request);
        if answer.changed {
            context.out.persist.push(self.vote());
            if self.acceptor.accepted.is_some() {
                let spread = UNFINISHED_MIN.as_micros() as u64;
                let chance = Duration::from_micros(context.rng.below(spread));
                self.unfinished_at = Some(context.now + UNFINISHED_MIN + chance);
            }
        }
        context.out.send.push((from, Message::Answer { epoch, reply: answer.reply }));
    }

    fn on_answer(
        &mut self,
        from: HostId,
        epoch: u64,
        reply: Reply<Proposal>,
        context: &mut Context<'_>,
    ) {
        if epoch != self.metadata.epoch + 1 {
            return;
        }
        if let Some(driving) = &mut self.driving {
            let step = driving.proposer.on_reply(from, reply, context.now, context.rng);
            self.act(step, context);
        }
    }

    fn on_entries(
        &mut self,
        from: HostId,
        entries: Vec<Entry>,
        latest: u64,
        context: &mut Context<'_>,
    ) {
        let before = self.metadata.epoch;
        for entry in entries {
            if entry.epoch == self.metadata.epoch + 1 {
                self.apply(entry, context);
            }
        }
        if before < self.metadata.epoch {
            self.fetch_at = context.now;
            self.advance(context);
        }
        self.on_peer_epoch(from, latest, context);
    }

    fn on_snapshot(&mut self, metadata: Metadata, context: &mut Context<'_>) {
        let known = &self.metadata;
        let foreign = known.is_founded() && known.cluster_id != metadata.cluster_id;
        if foreign || metadata.epoch <= known.epoch {
            return;
        }
        context.out.persist.push(Record::Snapshot(Box::new(metadata.clone())));
        self.tail.clear();
        // Whether a proposal that voters were asked to accept is among the entries that we skip,
        // nobody here can tell.
        let skipped = |it: &Pending| known.epoch < it.asked_epoch;
        let (unknown, waiting): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.queue).into_iter().partition(skipped);
        self.queue = waiting;
        for pending in unknown {
            tell(&pending, Outcome::Unknown, context);
        }
        self.advance_to(metadata, context);
        self.advance(context);
    }

    /// Starts on the first waiting proposal, if nothing is going on.
    fn advance(&mut self, context: &mut Context<'_>) {
        if self.driving.is_some() {
            return;
        }
        while let Some(head) = self.queue.front() {
            match self.metadata.check(&head.proposal.change) {
                Ok(()) => return self.drive(Some(head.proposal.clone()), None, context),
                // Nobody waits for the word, so it need not be confirmed.
                Err(_) if head.request.is_none() => self.queue.pop_front(),
                Err(refused) => {
                    let refuses = Some((head.proposal.id, refused));
                    return self.drive(None, refuses, context);
                }
            };
        }
    }

    fn drive(
        &mut self,
        own: Option<Proposal>,
        refuses: Option<(Uuid, Refused)>,
        context: &mut Context<'_>,
    ) {
        let electorate = self.electorate();
        if electorate.voters.is_empty() {
            return;
        }
        let (proposer, step) = Proposer::start(
            self.me,
            &electorate,
            own,
            self.patience,
            &mut self.rounds,
            context.now,
        );
        self.driving = Some(Driving { proposer, refuses });
        self.act(step, context);
    }

    fn act(&mut self, step: Step<Proposal>, context: &mut Context<'_>) {
        let epoch = self.metadata.epoch + 1;
        match step {
            Step::Wait => {}
            Step::Send(request, voters) => {
                if let Request::Accept(_, value) = &request {
                    let ours = self.queue.iter_mut().find(|it| it.proposal.id == value.id);
                    ours.into_iter().for_each(|it| it.asked_epoch = epoch);
                }
                for voter in voters {
                    context
                        .out
                        .send
                        .push((voter, Message::Ask { epoch, request: request.clone() }));
                }
            }
            Step::Chosen(proposal) => {
                let entry = Entry { epoch, proposal };
                let entries = Message::Entries { entries: vec![entry.clone()], latest: epoch };
                self.apply(entry, context);
                let others = self.metadata.nodes.keys().filter(|host| **host != self.me);
                context.out.send.extend(others.map(|host| (*host, entries.clone())));
                self.advance(context);
            }
            Step::Nothing => {
                let refuses = self.driving.take().and_then(|it| it.refuses);
                if let Some((id, refused)) = refuses
                    && let Some(pending) = self.take_pending(id)
                {
                    tell(&pending, Outcome::Refused(refused), context);
                }
                self.unfinished_at = None;
                self.advance(context);
            }
        }
    }

    /// Applies the next entry: it is chosen, whoever says so.
    fn apply(&mut self, entry: Entry, context: &mut Context<'_>) {
        let epoch = entry.epoch;
        let checked = self.metadata.check(&entry.proposal.change);
        let metadata = self.metadata.apply(&entry);
        context.out.persist.push(Record::Entry(entry.clone()));
        let pending = self.take_pending(entry.proposal.id);
        self.tail.push(entry);
        self.advance_to(metadata, context);
        // Whoever hears of the outcome finds it applied.
        if let Some(pending) = pending {
            let outcome = match checked {
                Ok(()) => Outcome::Applied { epoch },
                Err(refused) => Outcome::Refused(refused),
            };
            tell(&pending, outcome, context);
        }
    }

    fn advance_to(&mut self, metadata: Metadata, context: &mut Context<'_>) {
        let metadata = Arc::new(metadata);
        let before = std::mem::replace(&mut self.metadata, Arc::clone(&metadata));
        self.acceptor = Acceptor::default();
        self.unfinished_at = None;
        self.driving = None;
        context.out.events.push(Event::Applied { before, metadata });
    }

    fn take_pending(&mut self, id: Uuid) -> Option<Pending> {
        let index = self.queue.iter().position(|it| it.proposal.id == id)?;
        self.queue.remove(index)
    }

    /// Sends what comes after an epoch.
    fn serve(&self, to: HostId, after: u64, context: &mut Context<'_>) {
        if after < self.metadata.epoch && to != self.me {
            context.out.send.push((to, self.tail.after(after, &self.metadata)));
        }
    }

    /// Brings to an end what another proposer began and left.
    fn finish_undecided(&mut self, context: &mut Context<'_>) {
        let due = self.unfinished_at.is_some_and(|at| at <= context.now);
        if due && self.driving.is_none() && !self.electorate().voters.is_empty() {
            self.drive(None, None, context);
        }
    }

    fn electorate(&self) -> Electorate {
        if self.metadata.is_founded() {
            Electorate::majority(self.metadata.voters.as_ref().clone())
        } else {
            self.founders.clone()
        }
    }

    fn vote(&self) -> Record {
        Record::Acceptor { epoch: self.metadata.epoch + 1, acceptor: self.acceptor.clone() }
    }
}
