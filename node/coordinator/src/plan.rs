//! Decisions as values: who is asked, how many must answer, and where the count stands.
//!
//! Pure: given the candidates, a plan follows. Drivers (`write`, `read`) send and wait.

mod tally;

pub use tally::{Tally, Verdict};

use std::{cmp::Reverse, sync::Arc};

use model::{Consistency, HostId, schema::Replication};
use smallvec::{SmallVec, smallvec};
use tokio::time::Instant;

use crate::view::Place;

/// As many as replicas mostly are: a list of so many takes no allocation.
pub type Few<T> = SmallVec<[T; 3]>;

/// Counts that must be reached: one, or one of each data center.
pub type Needs = SmallVec<[Need; 1]>;

/// One of the replicas that hold a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// Who.
    pub host: HostId,
    /// Where it stands.
    pub place: &'a Place,
    /// Whether it is believed to be alive.
    pub alive: bool,
}

/// What plans are made from: the replicas of one token at one epoch, seen from one node.
#[derive(Clone, Debug)]
pub struct Candidates<'a> {
    /// The epoch that they come from.
    pub epoch: u64,
    /// How the keyspace is replicated: levels count what should be there, not what is.
    pub replication: &'a Replication,
    /// This node.
    pub local: HostId,
    /// Where it stands.
    pub local_place: &'a Place,
    /// The natural replicas, clockwise.
    pub natural: Few<Candidate<'a>>,
}

/// A count of answers that must be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Only answers from this data center count; `None`: all do.
    pub dc: Option<Arc<str>>,
    /// How many.
    pub count: usize,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Fewer replicas are alive than must answer.
    Unavailable {
        /// Answers that the level needs (of one data center, where it counts by data center).
        required: usize,
        /// Replicas that could give one.
        alive: usize,
        /// The replicas that are down.
        missing: Vec<HostId>,
    },
    /// The level does not go with this kind of request.
    Invalid(String),
}

/// Whom to send a write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WritePlan {
    /// The epoch that it was planned with.
    pub epoch: u64,
    /// Live replicas, the nearest first: each gets the mutation.
    pub live: Few<HostId>,
    /// Replicas that are down: each gets a hint.
    pub down: Vec<HostId>,
    /// Counts the answers; those who are down have failed already.
    pub tally: Tally,
    /// Whether a durable hint is as good as an answer: level ANY.
    pub hint_counts: bool,
    /// When to give up.
    pub deadline: Instant,
}

/// Whom to read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPlan {
    /// The epoch that it was planned with.
    pub epoch: u64,
    /// How many must answer.
    pub required: usize,
    /// Live replicas that count, the nearest first: the first `required` are asked, the others
    /// take over for those who fail.
    pub live: Few<HostId>,
    /// Replicas that count and are down.
    pub down: Vec<HostId>,
    /// When to give up.
    pub deadline: Instant,
}

/// What `level` needs of a write: from all together, from this node's data center, or from each.
///
/// ```text
/// level                    needs                                       of
/// ANY                      1, a hint will do                           all
/// ONE TWO THREE            1, 2, 3                                     all
/// QUORUM                   half of the sum of factors, and one         all
/// ALL                      the sum of factors                          all
/// LOCAL_ONE                1                                           the local data center
/// LOCAL_QUORUM             half of its factor, and one                 the local data center
/// EACH_QUORUM              half of its factor, and one                 each data center
/// ```
/// Without factors by data center (`Replication::Simple`) the one factor stands for each of them.
///
/// # Errors
/// The serial levels belong to lightweight transactions.
pub fn required(
    level: Consistency,
    replication: &Replication,
    local_dc: &Arc<str>,
) -> Result<Needs, Refused> {
    let all = |count| smallvec![Need { dc: None, count }];
    let local = |count| smallvec![Need { dc: Some(Arc::clone(local_dc)), count }];
    Ok(match level {
        Consistency::Any | Consistency::One => all(1),
        Consistency::Two => all(2),
        Consistency::Three => all(3),
        Consistency::Quorum => all(majority(factor_sum(replication))),
        Consistency::All => all(factor_sum(replication)),
        Consistency::LocalOne => local(1),
        Consistency::LocalQuorum => local(majority(factor_in(replication, local_dc))),
        Consistency::EachQuorum => match replication {
            Replication::Simple { factor } => all(majority(*factor as usize)),
            Replication::NetworkTopology(factors) => factors
                .iter()
                .filter(|(_, factor)| **factor > 0)
                .map(|(dc, factor)| Need {
                    dc: Some(dc.as_str().into()),
                    count: majority(*factor as usize),
                })
                .collect(),
        },
        Consistency::Serial | Consistency::LocalSerial => {
            return Err(Refused::Invalid(format!(
                "{level} is a level of lightweight transactions, not of plain reads and writes"
            )));
        }
    })
}

/// Plans a write.
///
/// # Errors
/// `Unavailable` before anything is sent; `Invalid` for serial levels.
pub fn write(
    level: Consistency,
    from: &Candidates<'_>,
    deadline: Instant,
) -> Result<WritePlan, Refused> {
    let needs = required(level, from.replication, &from.local_place.dc)?;
    let natural = nearest_first(from);
    let hint_counts = level == Consistency::Any;
    if !hint_counts {
        for need in &needs {
            available(need, &natural)?;
        }
    } else if natural.is_empty() {
        return Err(Refused::Unavailable { required: 1, alive: 0, missing: Vec::new() });
    }
    let (live, down) = split(&natural);
    let members = natural.iter().map(|it| (it.host, Arc::clone(&it.place.dc)));
    let mut tally = Tally::new(needs, members);
    for host in &down {
        tally.on_answer(*host, false);
    }
    Ok(WritePlan { epoch: from.epoch, live, down, tally, hint_counts, deadline })
}

/// Plans a read.
///
/// # Errors
/// `Unavailable` before anything is sent; `Invalid` for levels that only writes have, and for
/// serial ones.
pub fn read(
    level: Consistency,
    from: &Candidates<'_>,
    deadline: Instant,
) -> Result<ReadPlan, Refused> {
    if matches!(level, Consistency::Any | Consistency::EachQuorum) {
        return Err(Refused::Invalid(format!("{level} is a level of writes only")));
    }
    let needs = required(level, from.replication, &from.local_place.dc)?;
    let [need] = needs.as_slice() else {
        return Err(Refused::Invalid(format!("{level} is a level of writes only")));
    };
    let mut natural = nearest_first(from);
    natural.retain(|it| need.covers(&it.place.dc));
    available(need, &natural)?;
    let (live, down) = split(&natural);
    Ok(ReadPlan { epoch: from.epoch, required: need.count, live, down, deadline })
}

impl Need {
    /// Whether answers from this data center count.
    pub fn covers(&self, dc: &Arc<str>) -> bool {
        self.dc.as_ref().is_none_or(|it| it == dc)
    }
}

fn available(need: &Need, natural: &[Candidate<'_>]) -> Result<(), Refused> {
    let counted = || natural.iter().filter(|it| need.covers(&it.place.dc));
    let alive = counted().filter(|it| it.alive).count();
    if need.count <= alive {
        return Ok(());
    }
    let mut missing: Vec<HostId> = counted().filter(|it| !it.alive).map(|it| it.host).collect();
    missing.sort_unstable();
    Err(Refused::Unavailable { required: need.count, alive, missing })
}

/// This node, then its rack, then its data center, then the others; clockwise among equals. Each
/// host once, whatever the ring says.
fn nearest_first<'a>(from: &Candidates<'a>) -> Few<Candidate<'a>> {
    let mut natural: Few<Candidate<'a>> = Few::with_capacity(from.natural.len());
    for candidate in &from.natural {
        if natural.iter().all(|it| it.host != candidate.host) {
            natural.push(*candidate);
        }
    }
    let here = from.local_place;
    natural.sort_by_key(|it| {
        let same_dc = it.place.dc == here.dc;
        Reverse((it.host == from.local, same_dc && it.place.rack == here.rack, same_dc))
    });
    natural
}

fn split(natural: &[Candidate<'_>]) -> (Few<HostId>, Vec<HostId>) {
    let hosts = |alive| natural.iter().filter(move |it| it.alive == alive).map(|it| it.host);
    // Mostly nobody is down.
    (hosts(true).collect(), hosts(false).collect())
}

fn majority(factor: usize) -> usize {
    factor / 2 + 1
}

fn factor_sum(replication: &Replication) -> usize {
    match replication {
        Replication::Simple { factor } => *factor as usize,
        Replication::NetworkTopology(factors) => factors.values().map(|it| *it as usize).sum(),
    }
}

fn factor_in(replication: &Replication, dc: &str) -> usize {
    match replication {
        Replication::Simple { factor } => *factor as usize,
        Replication::NetworkTopology(factors) => factors.get(dc).copied().unwrap_or(0) as usize,
    }
}

#[cfg(test)]
mod tests;
