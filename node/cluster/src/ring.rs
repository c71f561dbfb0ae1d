//! Who owns which tokens.
//!
//! ```text
//!        …──┤ t1 ├────────┤ t2 ├──────┤ t3 ├──…        a node owns the range that ends at its token:
//!            A              B           A               (t1, t2] is B's; past the last token it wraps
//! ```

use std::collections::{BTreeMap, BTreeSet};

use model::{HostId, Token, TokenRange};

/// Tokens that one node may have; more makes ranges, streams and repairs many and small.
pub const TOKENS_MAX: u32 = 1_024;

/// Turns that are dealt in the same order. Within them replicas are spread evenly whatever their
/// number; where the order changes, some nodes get a little more.
const TURNS_ALIKE: u32 = 4;

/// A member of the cluster as the metadata log knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name for ever.
    pub host_id: HostId,
    /// Where peers reach it, `HOST:PORT`.
    pub peer_addr: String,
    /// Where CQL drivers reach it, `HOST:PORT`.
    pub cql_addr: String,
    /// Where the client crate reaches it, `HOST:PORT`.
    pub client_addr: String,
    /// Its data center.
    pub dc: String,
    /// Its rack within the data center.
    pub rack: String,
    /// Its tokens, ascending.
    pub tokens: Vec<Token>,
}

/// Where a node stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Data center.
    pub dc: String,
    /// Rack within it.
    pub rack: String,
}

/// All tokens of one epoch, in order, with where their owners stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ring {
    epoch: u64,
    tokens: Vec<(Token, HostId)>,
    places: BTreeMap<HostId, Place>,
}

impl Ring {
    /// The ring of these nodes. Of two nodes that claim one token the smaller host id gets it.
    pub fn new<'a>(epoch: u64, nodes: impl IntoIterator<Item = &'a Node>) -> Ring {
        let mut tokens = Vec::new();
        let mut places = BTreeMap::new();
        for node in nodes {
            tokens.extend(node.tokens.iter().map(|token| (*token, node.host_id)));
            let place = Place { dc: node.dc.clone(), rack: node.rack.clone() };
            places.insert(node.host_id, place);
        }
        tokens.sort_unstable();
        tokens.dedup_by_key(|(token, _)| *token);
        Ring { epoch, tokens, places }
    }

    /// The epoch that last changed it.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Every token with its owner, ascending.
    pub fn tokens(&self) -> &[(Token, HostId)] {
        &self.tokens
    }

    /// Where each member stands, also one without tokens.
    pub fn places(&self) -> &BTreeMap<HostId, Place> {
        &self.places
    }

    /// The owner of the range that `token` lies in; `None` on an empty ring.
    pub fn primary(&self, token: Token) -> Option<HostId> {
        self.walk(token).next()
    }

    /// Owners clockwise from `token`, one for each token of the ring: hosts repeat.
    pub fn walk(&self, token: Token) -> impl Iterator<Item = HostId> {
        let first = self.tokens.partition_point(|(it, _)| *it < token);
        self.tokens[first..].iter().chain(&self.tokens[..first]).map(|(_, host)| *host)
    }

    /// Every range with its owner, ascending by end; the first one wraps.
    pub fn ranges(&self) -> impl Iterator<Item = (TokenRange, HostId)> {
        let last = self.tokens.last().copied();
        let starts = last.into_iter().chain(self.tokens.iter().copied()).map(|(token, _)| token);
        starts
            .zip(&self.tokens)
            .map(|(start, (end, host))| (TokenRange { start, end: *end }, *host))
    }

    /// The share of all tokens that each member is the primary of; the shares sum to 1.
    pub fn ownership(&self) -> BTreeMap<HostId, f64> {
        let mut shares: BTreeMap<_, _> = self.places.keys().map(|host| (*host, 0.0)).collect();
        for (range, host) in self.ranges() {
            let width = range.end.0.wrapping_sub(range.start.0) as u64;
            let share = if width == 0 { 1.0 } else { width as f64 / 2_f64.powi(64) };
            *shares.entry(host).or_default() += share;
        }
        shares
    }
}

/// A founder that is to get tokens.
#[derive(Clone, Debug)]
pub struct Founder {
    /// Who.
    pub host_id: HostId,
    /// Where it stands.
    pub place: Place,
    /// How many tokens it wants, at most [`TOKENS_MAX`].
    pub num_tokens: u32,
}

/// Tokens for all founders: a pure function of them, whatever order they come in.
///
/// Each data center covers the ring evenly by itself, because NetworkTopologyStrategy walks each by
/// itself. Neighbors stand in different racks as far as racks go round, and the order of hosts
/// changes every few turns, so that a dead node's load falls on many.
pub fn allocate(founders: &[Founder]) -> BTreeMap<HostId, Vec<Token>> {
    let mut by_dc: BTreeMap<&str, Vec<&Founder>> = BTreeMap::new();
    for founder in founders {
        by_dc.entry(&founder.place.dc).or_default().push(founder);
    }
    let dcs = by_dc.len() as u128;
    let mut taken = BTreeSet::new();
    let mut tokens: BTreeMap<_, Vec<_>> =
        founders.iter().map(|it| (it.host_id, Vec::new())).collect();
    for (index, dc) in by_dc.values().enumerate() {
        let owners = turns(dc);
        let count = (owners.len() as u128).max(1);
        // The offset keeps the tokens of two data centers of one size apart.
        let offset = (1_u128 << 64) / count / dcs * index as u128;
        for (position, host) in owners.into_iter().enumerate() {
            let end = (position as u128 + 1) * (1_u128 << 64) / count - 1 - offset;
            let mut token = Token((end as u64 ^ (1 << 63)) as i64);
            while token == Token::MIN || !taken.insert(token) {
                token = Token(token.0.wrapping_sub(1));
            }
            tokens.entry(host).or_default().push(token);
        }
    }
    for own in tokens.values_mut() {
        own.sort_unstable();
    }
    tokens
}

/// The owners of one data center's tokens, in ring order.
fn turns(founders: &[&Founder]) -> Vec<HostId> {
    let mut racks: BTreeMap<&str, Vec<&Founder>> = BTreeMap::new();
    for founder in founders {
        racks.entry(&founder.place.rack).or_default().push(founder);
    }
    for hosts in racks.values_mut() {
        hosts.sort_unstable_by_key(|it| it.host_id);
    }
    let rack_size_max = racks.values().map(Vec::len).max().unwrap_or(0);
    let turns = founders.iter().map(|it| it.num_tokens.min(TOKENS_MAX)).max().unwrap_or(0);
    let mut owners = Vec::new();
    for turn in 0..turns {
        for seat in 0..rack_size_max {
            for hosts in racks.values().filter(|it| seat < it.len()) {
                let host = hosts[seat * stride(turn / TURNS_ALIKE, hosts.len()) % hosts.len()];
                if turn < host.num_tokens {
                    owners.push(host.host_id);
                }
            }
        }
    }
    owners
}

/// The `index`-th number (going round) that has no divisor in common with `len`: stepping by it
/// visits all.
fn stride(index: u32, len: usize) -> usize {
    let coprime: Vec<usize> = (1..=len).filter(|it| gcd(*it, len) == 1).collect();
    coprime[index as usize % coprime.len()]
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests;
