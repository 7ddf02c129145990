//! Choosing a server of a pool.
//!
//! Each algorithm sees servers by their number and asks whether one is usable; weights are prepared at load. A server of
//! weight 0 is never chosen here: it keeps its sessions and gets no new ones.

mod ring;
mod sequence;

use crate::decide::{Dice, State};
use crate::model::{Balance, Pool, PoolId, Server};
use ring::Ring;
use std::cmp::Ordering;

/// A pool's algorithm, made ready.
pub(crate) enum Balancer {
    RoundRobin(Vec<u16>),
    LeastRequests(Vec<u32>),
    P2c { sequence: Vec<u16>, weights: Vec<u32> },
    RingHash { ring: Ring, sequence: Vec<u16> },
}

impl Balancer {
    pub(crate) fn new(pool: &Pool) -> Balancer {
        let weights: Vec<u32> = pool.servers.iter().map(|server| server.weight).collect();
        let sequence = sequence::smooth(&weights);
        match &pool.balance {
            Balance::RoundRobin => Balancer::RoundRobin(sequence),
            Balance::LeastRequests => Balancer::LeastRequests(weights),
            Balance::P2c => Balancer::P2c { sequence, weights },
            Balance::RingHash(_) => {
                let name = |server: &Server| server.address.to_string();
                Balancer::RingHash { ring: Ring::new(&pool.servers, name), sequence }
            }
        }
    }

    /// The rule's name in the configuration.
    pub(crate) fn rule(&self) -> &'static str {
        match self {
            Balancer::RoundRobin(_) => "round_robin",
            Balancer::LeastRequests(_) => "least_requests",
            Balancer::P2c { .. } => "p2c",
            Balancer::RingHash { .. } => "ring_hash",
        }
    }

    /// A usable server, if there is one. `value` is what the ring is asked for.
    pub(crate) fn choose(
        &self,
        value: Option<u64>,
        usable: impl Fn(usize) -> bool,
        pool: PoolId,
        state: &impl State,
        dice: &mut Dice,
    ) -> Option<usize> {
        match self {
            Balancer::RoundRobin(sequence) => round_robin(sequence, usable, pool, state),
            Balancer::LeastRequests(weights) => least(weights, usable, pool, state, dice),
            Balancer::P2c { sequence, weights } => two_choices(sequence, weights, usable, pool, state, dice),
            Balancer::RingHash { ring, sequence } => match value {
                Some(value) => ring.find(value, usable),
                // Nothing to hash: any server will do, each in turn.
                None => round_robin(sequence, usable, pool, state),
            },
        }
    }
}

/// The next in the sequence. The cursor moves past unusable servers too, so that their share is spread over all others
/// and does not fall to the neighbour alone.
fn round_robin(
    sequence: &[u16],
    usable: impl Fn(usize) -> bool,
    pool: PoolId,
    state: &impl State,
) -> Option<usize> {
    for _ in 0..sequence.len() {
        let at = (state.next(pool) % sequence.len() as u64) as usize;
        let server = usize::from(sequence[at]);
        if usable(server) {
            return Some(server);
        }
    }
    // Others moved the cursor meanwhile and this call saw the same servers again.
    sequence.iter().map(|server| usize::from(*server)).find(|server| usable(*server))
}

/// The fewest requests for its weight. Among equals, as all are while nothing goes on, the dice decide by weight.
fn least(
    weights: &[u32],
    usable: impl Fn(usize) -> bool,
    pool: PoolId,
    state: &impl State,
    dice: &mut Dice,
) -> Option<usize> {
    let mut best: Option<(usize, Load)> = None;
    let mut equal = 0;
    for (server, weight) in
        weights.iter().enumerate().filter(|(server, weight)| **weight > 0 && usable(*server))
    {
        let load = Load { requests: state.in_flight(pool, server), weight: *weight };
        match best.map_or(Ordering::Less, |(_, least)| load.compare(least)) {
            Ordering::Greater => {}
            Ordering::Equal => {
                equal += weight;
                if dice.below(equal) < *weight {
                    best = Some((server, load));
                }
            }
            Ordering::Less => {
                best = Some((server, load));
                equal = *weight;
            }
        }
    }
    best.map(|(server, _)| server)
}

/// What a server is working on, for its weight. The request to come is left out: with it the heaviest server of an idle
/// pool would look the least loaded, and get all.
#[derive(Clone, Copy)]
struct Load {
    requests: u32,
    weight: u32,
}

impl Load {
    fn compare(self, other: Load) -> Ordering {
        let one = u64::from(self.requests) * u64::from(other.weight);
        one.cmp(&(u64::from(other.requests) * u64::from(self.weight)))
    }
}

/// The better of two drawn by weight, of equals the first (Mitzenmacher, "The power of two choices in randomized load
/// balancing"). Loads are compared for their weight too: of two servers both are drawn always, and plain numbers of
/// requests would give both the same.
fn two_choices(
    sequence: &[u16],
    weights: &[u32],
    usable: impl Fn(usize) -> bool,
    pool: PoolId,
    state: &impl State,
    dice: &mut Dice,
) -> Option<usize> {
    // A few draws find two usable servers unless most are down.
    let mut draw = |other: Option<usize>| {
        (0..8).find_map(|_| {
            let server = usize::from(*sequence.get(dice.below(sequence.len() as u32) as usize)?);
            (usable(server) && Some(server) != other).then_some(server)
        })
    };
    let Some(one) = draw(None) else { return least(weights, usable, pool, state, dice) };
    let Some(other) = draw(Some(one)) else { return Some(one) };
    let load = |server| Load { requests: state.in_flight(pool, server), weight: weights[server] };
    Some(if load(other).compare(load(one)) == Ordering::Less { other } else { one })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
