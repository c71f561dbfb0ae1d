//! Which nodes hold a token's replicas.

use std::{collections::BTreeMap, sync::Arc};

use model::{HostId, Token, TokenRange, schema::Replication};

use crate::ring::{Place, Ring};

/// The replicas of `token`, clockwise from it: the primary first. Fewer than asked for where the
/// cluster (or a data center) has fewer nodes.
pub fn replicas(ring: &Ring, replication: &Replication, token: Token) -> Vec<HostId> {
    match replication {
        Replication::Simple { factor } => simple(ring, *factor, token),
        Replication::NetworkTopology(factors) => network_topology(ring, factors, token),
    }
}

/// The replicas of every token at one epoch for one replication: what requests look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    epoch: u64,
    replication: Replication,
    ranges: Vec<(TokenRange, Arc<[HostId]>)>,
}

impl Placement {
    /// Places every range of the ring.
    pub fn new(ring: &Ring, replication: &Replication) -> Placement {
        let ranges = ring
            .ranges()
            .map(|(range, _)| (range, replicas(ring, replication, range.end).into()))
            .collect();
        Placement { epoch: ring.epoch(), replication: replication.clone(), ranges }
    }

    /// The epoch of the ring that it was made from.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What it was made for.
    pub fn replication(&self) -> &Replication {
        &self.replication
    }

    /// The replicas of `token`, the primary first. Empty on an empty ring, or when the replication
    /// names no data center that has nodes.
    pub fn replicas(&self, token: Token) -> &[HostId] {
        let index = self.ranges.partition_point(|(range, _)| range.end < token);
        self.ranges.get(index).or_else(|| self.ranges.first()).map_or(&[], |(_, hosts)| hosts)
    }

    /// Every range with its replicas, ascending by end; the first one wraps.
    pub fn ranges(&self) -> impl Iterator<Item = (TokenRange, &Arc<[HostId]>)> {
        self.ranges.iter().map(|(range, hosts)| (*range, hosts))
    }

    /// Every range with its replicas in token order, the wrapping one cut in two: what a full scan
    /// walks. The ranges cover all keys and none wraps.
    pub fn scan_ranges(&self) -> Vec<(TokenRange, Arc<[HostId]>)> {
        let mut scan: Vec<_> =
            self.ranges.iter().map(|(range, hosts)| (*range, Arc::clone(hosts))).collect();
        let Some(last) = self.ranges.last().map(|(range, _)| range.end) else { return scan };
        scan[0].0.start = Token::MIN;
        if last < Token::MAX {
            let hosts = Arc::clone(&self.ranges[0].1);
            scan.push((TokenRange { start: last, end: Token::MAX }, hosts));
        }
        scan
    }
}

/// SimpleStrategy: the next `factor` distinct hosts.
fn simple(ring: &Ring, factor: u32, token: Token) -> Vec<HostId> {
    let wanted = (factor as usize).min(ring.places().len());
    let mut chosen = Vec::with_capacity(wanted);
    for host in ring.walk(token) {
        if chosen.len() == wanted {
            break;
        }
        if !chosen.contains(&host) {
            chosen.push(host);
        }
    }
    chosen
}

/// NetworkTopologyStrategy: in each data center the next hosts of racks not used yet, and of used
/// racks only as often as there are fewer racks than replicas.
fn network_topology(ring: &Ring, factors: &BTreeMap<String, u32>, token: Token) -> Vec<HostId> {
    let mut open: BTreeMap<&str, Center> = factors
        .iter()
        .map(|(dc, factor)| (dc.as_str(), Center::new(ring, dc, *factor)))
        .filter(|(_, center)| center.replicas_left > 0)
        .collect();
    let mut chosen = Vec::new();
    for host in ring.walk(token) {
        if open.is_empty() {
            break;
        }
        let Some(place) = ring.places().get(&host) else { continue };
        let Some(center) = open.get_mut(place.dc.as_str()) else { continue };
        if chosen.contains(&host) || !center.takes(place) {
            continue;
        }
        chosen.push(host);
        if center.replicas_left == 0 {
            open.remove(place.dc.as_str());
        }
    }
    chosen
}

/// What one data center still needs.
struct Center<'a> {
    replicas_left: usize,
    rack_repeats_left: usize,
    racks_used: Vec<&'a str>,
}

impl<'a> Center<'a> {
    fn new(ring: &Ring, dc: &str, factor: u32) -> Center<'a> {
        let factor = factor as usize;
        // A node without tokens is never met on the walk, so it must not be waited for.
        let mut hosts: Vec<HostId> = ring.tokens().iter().map(|(_, host)| *host).collect();
        hosts.sort_unstable();
        hosts.dedup();
        let places = hosts.iter().filter_map(|host| ring.places().get(host));
        let mut racks: Vec<&str> =
            places.filter(|it| it.dc == dc).map(|it| it.rack.as_str()).collect();
        let nodes = racks.len();
        racks.sort_unstable();
        racks.dedup();
        Center {
            replicas_left: factor.min(nodes),
            rack_repeats_left: factor.saturating_sub(racks.len()),
            racks_used: Vec::new(),
        }
    }

    /// Takes a host that stands there, if the rules let it.
    fn takes(&mut self, place: &'a Place) -> bool {
        if !self.racks_used.contains(&place.rack.as_str()) {
            self.racks_used.push(&place.rack);
        } else if self.rack_repeats_left > 0 {
            self.rack_repeats_left -= 1;
        } else {
            return false;
        }
        self.replicas_left -= 1;
        true
    }
}

#[cfg(test)]
mod tests;
