//! Sessions in a decision: how one is recognised, and what is kept of it.

use super::facts::{Fields, digest};
use super::machine::{Decided, Forward};
use super::rules::{Pick, Rules};
use super::{Request, Trace};
use crate::hash::hash;
use crate::model::{Arm, Fact, PoolId, Route, SiteId, Sticky, StickyBy};
use crate::persistence::{self, Freshness};

/// Under which a record is kept: a hash of the scope and of the value that identifies the session, keyed so that
/// nobody outside can make two values collide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The pool whose `sticky` says how long and how many (the first arm's).
    pub pool: PoolId,
    /// The hash.
    pub hash: u64,
}

/// Where a session is: the identity of a server, which names its pool too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record(pub u64);

/// How a request's session was recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Session {
    /// The pool keeps no sessions, or the request has nothing to recognise one by.
    None,
    /// By our cookie.
    Cookie {
        /// What a valid cookie says.
        known: Option<Record>,
        /// Whether it must be issued anew though it is valid (signed by an old key).
        renew: bool,
    },
    /// By a value of the application's own.
    By {
        /// Its key.
        key: SessionKey,
        /// The record kept under it.
        known: Option<Record>,
    },
    /// The pool keeps sessions by a value that this request does not have; its answer may set it.
    Unknown,
}

impl Session {
    pub(super) fn record(self) -> Option<Record> {
        match self {
            Session::Cookie { known, .. } | Session::By { known, .. } => known,
            Session::None | Session::Unknown => None,
        }
    }
}

/// What is to be done once the answer's head is there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// The value of a `Set-Cookie` field to add.
    pub set_cookie: Option<String>,
    /// Records to keep.
    pub remember: [Option<(SessionKey, Record)>; 2],
}

impl Rules {
    /// How the session of a request is recognised on a route to these arms.
    pub(super) fn session(
        &self,
        site: SiteId,
        route: &Route,
        arms: &[Arm],
        request: &Request<'_>,
        trace: &mut impl Trace,
    ) -> Session {
        let first = arms[0].pool;
        match &self.policy().pools[first.0].sticky {
            None => Session::None,
            Some(Sticky::Cookie(cookie)) => {
                let scope = self.cookie_scope(site);
                let mut session = Session::Cookie { known: None, renew: false };
                request.fields.each("cookie", &mut |field| {
                    for (name, value) in wire::cookie::pairs(field) {
                        if name != cookie.name.as_bytes() {
                            continue;
                        }
                        if let Some((identity, freshness)) = persistence::verify(&self.keys, scope, value) {
                            let renew = freshness == Freshness::Previous;
                            session = Session::Cookie { known: Some(Record(identity)), renew };
                            return false;
                        }
                        trace.tell("session", false, || {
                            (cookie.name.clone(), "the cookie's signature is not ours".to_owned())
                        });
                    }
                    true
                });
                session
            }
            Some(Sticky::By(by)) => {
                match self.session_key(first, &by.expression.fact, request, Some(route)) {
                    Some(key) => Session::By { key, known: None },
                    None => {
                        trace.tell("session", false, || (by.expression.text.clone(), "missing".to_owned()));
                        Session::Unknown
                    }
                }
            }
        }
    }

    fn session_key(
        &self,
        pool: PoolId,
        fact: &Fact,
        request: &Request<'_>,
        route: Option<&Route>,
    ) -> Option<SessionKey> {
        let hash = digest(self.session_seed, fact, request, route)?;
        Some(SessionKey { pool, hash })
    }

    /// The pool and server of a record, if they are among the arms still.
    pub(super) fn place_of(&self, record: Record, arms: &[Arm]) -> Option<(PoolId, usize)> {
        let (pool, server) = *self.identities.get(&record.0)?;
        arms.iter().any(|arm| arm.pool == pool).then_some((pool, server))
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
        let policy = self.policy();
        let first = forward.arms[0].pool;
        let Some(sticky) = &policy.pools[first.0].sticky else { return effects };
        let record = Record(self.identity(pick.pool, pick.server));
        match (sticky, forward.session) {
            (Sticky::Cookie(cookie), Session::Cookie { known, renew }) => {
                let site = decided.site.unwrap_or(SiteId(0));
                if known != Some(record) || renew {
                    let value = persistence::sign(&self.keys, self.cookie_scope(site), record.0);
                    effects.set_cookie = Some(persistence::set_cookie(cookie, &value, request.tls));
                }
            }
            (Sticky::By(by), session) => {
                if let Session::By { key, known } = session
                    && known != Some(record)
                {
                    effects.remember[0] = Some((key, record));
                }
                effects.remember[1] = self.learnt(first, by, response).map(|key| (key, record));
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
