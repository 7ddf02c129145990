//! A configuration made ready for deciding, and the choice of a server.

use super::machine::Forward;
use super::{Decided, Dice, Request, Trace, digest};
use crate::balance::Balancer;
use crate::hash::{FoldState, hash};
use crate::matching::Index;
use crate::model::{Arm, Balance, Policy, PoolId, SiteId};
use crate::persistence::CookieKeys;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A configuration, indexed.
pub struct Rules {
    policy: Arc<Policy>,
    pub(super) index: Index,
    balancers: Vec<Balancer>,
    /// Where the server with an identity is.
    pub(super) identities: HashMap<u64, (PoolId, usize), FoldState>,
    /// The identities of each pool's servers.
    by_place: Vec<Vec<u64>>,
    pub(super) keys: CookieKeys,
    pub(super) session_seed: u64,
    /// One arm for each pool, for routes without a split.
    single: Vec<Arm>,
    /// What ties a cookie to its site.
    scopes: Vec<u64>,
    /// The hash of each pool's name.
    pub(super) pool_names: Vec<u64>,
    /// Each `to` of each site that leads to pools with sessions.
    pub(super) tos: HashSet<(usize, u32), FoldState>,
}

/// What the rules must know of servers; live from shared cells, in tests written by hand.
pub trait State {
    /// Whether a server takes traffic.
    fn is_up(&self, pool: PoolId, server: usize) -> bool;
    /// Requests that it is working on.
    fn in_flight(&self, pool: PoolId, server: usize) -> u32;
    /// The pool's round robin cursor, which moves on by one.
    fn next(&self, pool: PoolId) -> u64;
}

/// Servers that were tried for a request already.
#[derive(Clone, Debug, Default)]
pub struct Excluded {
    /// The first few, which need no allocation.
    few: [(u32, u32); Excluded::FEW],
    /// How many of them there are.
    count: usize,
    /// All others, sorted: when many servers refuse, each of them is looked up many times.
    more: Vec<(u32, u32)>,
}

impl Excluded {
    const FEW: usize = 4;

    /// Adds a server.
    pub fn add(&mut self, pool: PoolId, server: usize) {
        let place = (pool.0 as u32, server as u32);
        if self.contains(pool, server) {
            return;
        }
        if self.count < Excluded::FEW {
            self.few[self.count] = place;
            self.count += 1;
        } else if let Err(at) = self.more.binary_search(&place) {
            self.more.insert(at, place);
        }
    }

    /// Whether a server was added.
    pub fn contains(&self, pool: PoolId, server: usize) -> bool {
        let place = (pool.0 as u32, server as u32);
        self.few[..self.count].contains(&place) || self.more.binary_search(&place).is_ok()
    }
}

/// A server that was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Its pool.
    pub pool: PoolId,
    /// Its place in the pool.
    pub server: usize,
    /// Whether the session was on another one, or the arm drawn has no server left.
    pub moved: bool,
}

impl Rules {
    /// Indexes a configuration. `keys` sign the cookies of sessions.
    pub fn new(policy: Arc<Policy>, keys: CookieKeys) -> Rules {
        let by_place: Vec<Vec<u64>> = policy
            .pools
            .iter()
            .map(|pool| {
                let scope = hash(0, pool.name.as_bytes());
                pool.servers.iter().map(|server| hash(scope, server.address.to_string().as_bytes())).collect()
            })
            .collect();
        let mut identities = HashMap::default();
        for (pool, servers) in by_place.iter().enumerate() {
            for (server, identity) in servers.iter().enumerate() {
                identities.insert(*identity, (PoolId(pool), server));
            }
        }
        let pool_names: Vec<u64> = policy.pools.iter().map(|pool| hash(0, pool.name.as_bytes())).collect();
        let mut rules = Rules {
            index: Index::new(&policy),
            balancers: policy.pools.iter().map(Balancer::new).collect(),
            identities,
            by_place,
            session_seed: hash(1, &keys.current),
            keys,
            single: (0..policy.pools.len()).map(|pool| Arm { pool: PoolId(pool), share: 10_000 }).collect(),
            scopes: policy.sites.iter().map(|site| hash(2, site.name.as_bytes())).collect(),
            pool_names,
            tos: HashSet::default(),
            policy,
        };
        rules.tos = rules.all_tos();
        rules
    }

    /// The configuration.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub(super) fn single_arm(&self, pool: PoolId) -> &[Arm] {
        std::slice::from_ref(&self.single[pool.0])
    }

    pub(super) fn cookie_scope(&self, site: SiteId) -> u64 {
        self.scopes[site.0]
    }

    pub(super) fn identity(&self, pool: PoolId, server: usize) -> u64 {
        self.by_place[pool.0][server]
    }

    /// Chooses a server; call it once per attempt, with the servers tried before excluded. `None`: no server takes
    /// traffic.
    #[allow(clippy::too_many_arguments, reason = "each is one thing that the choice depends on")]
    pub fn pick(
        &self,
        forward: &Forward<'_>,
        request: &Request<'_>,
        decided: &Decided<'_>,
        excluded: &Excluded,
        state: &impl State,
        dice: &mut Dice,
        trace: &mut impl Trace,
    ) -> Option<Pick> {
        let usable =
            |pool: PoolId, server: usize| state.is_up(pool, server) && !excluded.contains(pool, server);
        if let Some(server) = forward.preferred {
            if usable(forward.pool, server) {
                let pick = Pick { pool: forward.pool, server, moved: false };
                return Some(self.tell(pick, "the session is there", trace));
            }
            trace.tell("session", false, || {
                (self.name(forward.pool, server), "down: the session moves".to_owned())
            });
        }
        // An arm of 0 % was given no traffic, and what was meant for others is no exception.
        let others = forward.arms.iter().filter(|arm| arm.share > 0).map(|arm| arm.pool);
        let others = others.filter(|pool| *pool != forward.pool);
        for pool in std::iter::once(forward.pool).chain(others) {
            self.tell_candidates(pool, excluded, state, trace);
            let value = match &self.policy.pools[pool.0].balance {
                Balance::RingHash(expression) => {
                    let route = decided.site.zip(decided.route);
                    let route = route.map(|(site, route)| &self.policy.sites[site.0].routes[route.0]);
                    digest(0, &expression.fact, request, route)
                }
                _ => None,
            };
            let usable = |server| usable(pool, server);
            let balancer = &self.balancers[pool.0];
            let (chosen, rule) = match forward.session.number() {
                Some(number) => (self.by_number(number, pool, usable), "the session's number"),
                None => (balancer.choose(value, usable, pool, state, dice), balancer.rule()),
            };
            if let Some(server) = chosen {
                let moved = forward.preferred.is_some() || pool != forward.pool;
                return Some(self.tell(Pick { pool, server, moved }, rule, trace));
            }
        }
        trace.tell("server", false, || {
            (self.policy.pools[forward.pool.0].name.clone(), "no server is up".to_owned())
        });
        None
    }

    fn name(&self, pool: PoolId, server: usize) -> String {
        self.policy.pools[pool.0].servers[server].name.clone()
    }

    fn tell(&self, pick: Pick, rule: &str, trace: &mut impl Trace) -> Pick {
        trace.tell("server", true, || (self.name(pick.pool, pick.server), rule.to_owned()));
        pick
    }

    fn tell_candidates<T: Trace>(
        &self,
        pool: PoolId,
        excluded: &Excluded,
        state: &impl State,
        trace: &mut T,
    ) {
        if !T::ON {
            return;
        }
        for (number, server) in self.policy.pools[pool.0].servers.iter().enumerate() {
            let up = state.is_up(pool, number);
            let tried = excluded.contains(pool, number);
            trace.tell("candidate", up && !tried && server.weight > 0, || {
                let mut reason =
                    format!("weight {}, {} in flight", server.weight, state.in_flight(pool, number));
                if !up {
                    reason = "down".to_owned();
                } else if tried {
                    reason = "tried already".to_owned();
                } else if server.weight == 0 {
                    reason = "weight 0: no new sessions".to_owned();
                }
                (server.name.clone(), reason)
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_server_that_was_tried_is_forgotten() {
        let mut tried = Excluded::default();
        let places = (0..200).map(|number| (PoolId(number % 3), (number * 7919) % 211));
        for (count, (pool, server)) in places.clone().enumerate() {
            assert!(!tried.contains(pool, server), "{pool:?} {server}");
            tried.add(pool, server);
            assert!(places.clone().take(count + 1).all(|(pool, server)| tried.contains(pool, server)));
        }
        tried.add(PoolId(0), 0);
        assert_eq!(tried.more.len(), 200 - Excluded::FEW, "each once");
    }
}
