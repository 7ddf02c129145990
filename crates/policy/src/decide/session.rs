//! Sessions in a decision: how one is recognised, and what is kept of it.
//!
//! A session has a place for each `to` that it has reached: the server, and with it the arm. Other routes do not
//! disturb it, a `to` that shares a pool with another included; only a session that comes to a pool for the first time
//! by this `to` looks where it is in that pool already.

use super::facts::{Fields, digest};
use super::machine::{Decided, Forward};
use super::rules::{Excluded, Pick, Rules, State};
use super::{Dice, Place, Places, Request, Trace};
use crate::hash::{FoldState, hash};
use crate::model::{Arm, Fact, PoolId, Route, SiteId, Sticky, StickyBy, Target};
use crate::persistence::{self, Freshness, Ticket};
use std::collections::HashSet;

/// Under which places are kept: a hash of the value that identifies the session, keyed so that nobody outside can make
/// two values collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The pool whose `sticky` says how long and how many (the first arm's).
    pub pool: PoolId,
    /// The hash.
    pub hash: u64,
}

/// How a request's session was recognised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// The pool keeps no sessions.
    None,
    /// By our cookie.
    Cookie {
        /// What it says; of a new session, what a cookie is going to say.
        ticket: Ticket,
        /// Whether the request had a valid one.
        known: bool,
        /// Whether it must be issued anew though it is valid: signed by an old key, or past half its time.
        renew: bool,
        /// The time, in seconds since 1970.
        now: u32,
    },
    /// By a value of the application's own.
    By {
        /// Its key.
        key: SessionKey,
        /// The places kept under it.
        known: Places,
    },
    /// The pool keeps sessions by a value that this request does not have; its answer may set it.
    Unknown,
}

impl Session {
    fn places(&self) -> Option<&Places> {
        match self {
            Session::Cookie { ticket, .. } => Some(&ticket.places),
            Session::By { known, .. } => Some(known),
            Session::None | Session::Unknown => None,
        }
    }

    /// What stands for a session that our cookie is known of: all its requests choose alike by it.
    pub(super) fn number(&self) -> Option<u32> {
        match self {
            Session::Cookie { ticket, known: true, .. } => Some(ticket.number),
            _ => None,
        }
    }

    /// Gives a new session of our cookie its number.
    pub(super) fn begin(&mut self, dice: &mut Dice) {
        if let Session::Cookie { ticket, known: false, .. } = self {
            ticket.number = (dice.roll() >> 32) as u32;
        }
    }
}

/// What is to be done once the answer's head is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The value of a `Set-Cookie` field to add.
    pub set_cookie: Option<String>,
    /// A place to set among those kept under a key: the session that the answer opens.
    pub remember: Option<(SessionKey, Place)>,
}

impl Rules {
    /// What a set of arms is called in the places of sessions.
    pub(super) fn to(&self, arms: &[Arm]) -> u32 {
        let sum = arms.iter().fold(0u64, |sum, arm| sum.wrapping_add(self.pool_names[arm.pool.0]));
        (hash(3, &sum.to_be_bytes()) >> 32) as u32
    }

    pub(super) fn all_tos(&self) -> HashSet<(usize, u32), FoldState> {
        let sites = self.policy().sites.iter().enumerate();
        let routes = sites.flat_map(|(site, all)| all.routes.iter().map(move |route| (site, route)));
        let tos = routes.filter_map(|(site, route)| match &route.to {
            Target::Pool(pool) => Some((site, self.single_arm(*pool))),
            Target::Split(arms) => Some((site, &arms[..])),
            Target::Redirect { .. } | Target::Answer { .. } => None,
        });
        let kept = tos.filter(|(_, arms)| self.policy().pools[arms[0].pool.0].sticky.is_some());
        kept.map(|(site, arms)| (site, self.to(arms))).collect()
    }

    /// The session of a request to pools that keep sessions by our cookie.
    pub(super) fn session_by_cookie(
        &self,
        site: SiteId,
        arms: &[Arm],
        now: u32,
        request: &Request<'_>,
        trace: &mut impl Trace,
    ) -> Session {
        let mut session = Session::Cookie { ticket: Ticket::default(), known: false, renew: false, now };
        let Some(Sticky::Cookie(cookie)) = &self.policy().pools[arms[0].pool.0].sticky else {
            return session;
        };
        let scope = self.cookie_scope(site);
        let expire = cookie.expire.map_or(u64::MAX, |expire| expire.as_secs());
        request.fields.each("cookie", &mut |field| {
            for (name, value) in wire::cookie::pairs(field) {
                if name != cookie.name.as_bytes() {
                    continue;
                }
                let Some((ticket, freshness)) = persistence::verify(&self.keys, scope, value) else {
                    trace.tell("session", false, || {
                        (cookie.name.clone(), "the cookie's signature is not ours".to_owned())
                    });
                    continue;
                };
                let age = u64::from(now.saturating_sub(ticket.issued));
                if age > expire {
                    trace.tell("session", false, || {
                        (cookie.name.clone(), format!("the cookie is {age} s old and has expired"))
                    });
                    continue;
                }
                let renew = freshness == Freshness::Previous || age > expire / 2;
                session = Session::Cookie { ticket, known: true, renew, now };
                return false;
            }
            true
        });
        session
    }

    /// The key of the value that a request presents.
    pub(super) fn session_key(
        &self,
        arms: &[Arm],
        by: &StickyBy,
        request: &Request<'_>,
        route: &Route,
    ) -> Option<SessionKey> {
        let hash = digest(self.session_seed, &by.expression.fact, request, Some(route))?;
        Some(SessionKey { pool: arms[0].pool, hash })
    }

    /// Where a session is within a `to`. A place in a `to` that its site no longer has counts for one that shares the
    /// pool: so a pool that gets a canary beside it keeps its sessions.
    pub(super) fn place_within(
        &self,
        site: SiteId,
        to: u32,
        arms: &[Arm],
        session: &Session,
    ) -> Option<(PoolId, usize)> {
        let places = session.places()?;
        let among =
            |server: u64| self.place_of(server).filter(|(pool, _)| arms.iter().any(|arm| arm.pool == *pool));
        let own = places.server(to).and_then(among);
        own.or_else(|| {
            let mut left = places.iter().rev().filter(|place| !self.tos.contains(&(site.0, place.to)));
            left.find_map(|place| among(place.server))
        })
    }

    /// The server in a pool that a session is on by way of another `to`.
    pub(super) fn server_in(&self, pool: PoolId, session: &Session) -> Option<usize> {
        let mut places = session.places()?.iter().rev().filter_map(|place| self.place_of(place.server));
        places.find(|(other, _)| *other == pool).map(|(_, server)| server)
    }

    fn place_of(&self, server: u64) -> Option<(PoolId, usize)> {
        self.identities.get(&server).copied()
    }

    /// A server for a session with that number, the same for all its requests: the highest hash wins, by weight
    /// ("rendezvous", Thaler and Ravishankar 1998; weights as in Schindelhauer and Schomaker 2005).
    pub(super) fn by_number(
        &self,
        number: u32,
        pool: PoolId,
        usable: impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let servers = self.policy().pools[pool.0].servers.iter().enumerate();
        let score = |at: usize, weight: u32| {
            let drawn = hash(u64::from(number), &self.identity(pool, at).to_be_bytes()) >> 11;
            -f64::from(weight) / ((drawn as f64 + 0.5) / (1u64 << 53) as f64).ln()
        };
        let scored = servers
            .filter(|(at, server)| server.weight > 0 && usable(*at))
            .map(|(at, server)| (at, score(at, server.weight)));
        scored.max_by(|(_, one), (_, other)| one.total_cmp(other)).map(|(at, _)| at)
    }

    /// The key under which a pick is to be [reserved](Rules::reserve) before it is used, if it is.
    pub fn reservation(&self, forward: &Forward<'_>, pick: Pick) -> Option<SessionKey> {
        match &forward.session {
            Session::By { key, known }
                if known.server(forward.to) != Some(self.identity(pick.pool, pick.server)) =>
            {
                Some(*key)
            }
            _ => None,
        }
    }

    /// Sets a pick among the places kept of its session; or, where a parallel request was faster and its server can
    /// serve this one too, gives that.
    pub fn reserve(
        &self,
        forward: &Forward<'_>,
        pick: Pick,
        excluded: &Excluded,
        state: &impl State,
        places: &mut Places,
    ) -> Pick {
        let first = places.server(forward.to).and_then(|server| self.place_of(server));
        let first = first.filter(|(pool, server)| {
            let is_arm = forward.arms.iter().any(|arm| arm.pool == *pool);
            is_arm && state.is_up(*pool, *server) && !excluded.contains(*pool, *server)
        });
        if let Some((pool, server)) = first {
            let moved =
                forward.preferred.is_some_and(|preferred| (forward.pool, preferred) != (pool, server));
            return Pick { pool, server, moved };
        }
        places.set(Place { to: forward.to, server: self.identity(pick.pool, pick.server) });
        pick
    }

    /// What an answer means for the session of its request: call it when the answer's head is there.
    pub fn on_response(
        &self,
        request: &Request<'_>,
        decided: &Decided<'_>,
        forward: &Forward<'_>,
        pick: Pick,
        response: &dyn Fields,
    ) -> Effects {
        let mut effects = Effects::default();
        let first = forward.arms[0].pool;
        let Some(sticky) = &self.policy().pools[first.0].sticky else { return effects };
        let place = Place { to: forward.to, server: self.identity(pick.pool, pick.server) };
        match (sticky, &forward.session) {
            (Sticky::Cookie(cookie), Session::Cookie { ticket, renew, now, .. })
                if *renew || ticket.places.server(place.to) != Some(place.server) =>
            {
                let mut ticket = Ticket { issued: *now, ..ticket.clone() };
                ticket.places.set(place);
                let scope = self.cookie_scope(decided.site.unwrap_or(SiteId(0)));
                let value = persistence::sign(&self.keys, scope, &ticket);
                effects.set_cookie = Some(persistence::set_cookie(cookie, &value, request.tls));
            }
            (Sticky::By(by), session) => {
                let presented = match session {
                    Session::By { key, .. } => Some(*key),
                    _ => None,
                };
                // What the request presented was settled when its server was picked.
                let learnt = self.learnt(first, by, response).filter(|key| Some(*key) != presented);
                effects.remember = learnt.map(|key| (key, place));
            }
            _ => {}
        }
        effects
    }

    /// The key of the value that an answer sets, where the expression can be read there: a cookie or a field.
    fn learnt(&self, pool: PoolId, by: &StickyBy, response: &dyn Fields) -> Option<SessionKey> {
        let mut found = None;
        match &by.expression.fact {
            Fact::Cookie(name) => response.each("set-cookie", &mut |field| {
                let pair = wire::cookie::parse_set_cookie(field);
                found = pair.filter(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value);
                found.is_none()
            }),
            Fact::Header(name) => response.each(name, &mut |value| {
                found = Some(value);
                false
            }),
            _ => {}
        }
        let value = found.filter(|value| !value.is_empty())?;
        Some(SessionKey { pool, hash: hash(self.session_seed, value) })
    }
}
