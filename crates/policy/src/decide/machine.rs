//! From the head of a request to what is to be done with it.

use super::routes::explain_routes;
use super::rules::Rules;
use super::session::{Record, Session, SessionKey};
use super::{Dice, Request, Trace};
use crate::model::{Arm, PoolId, RouteId, SiteId, Target};
use crate::text::percent;

/// One decision in the making.
pub struct Machine<'p> {
    rules: &'p Rules,
    /// What waits for a session's record.
    waiting: Option<Waiting<'p>>,
}

struct Waiting<'p> {
    site: SiteId,
    route: RouteId,
    arms: &'p [Arm],
    key: SessionKey,
}

/// What the machine is given.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The head of the request; to begin with.
    Head,
    /// What was asked for: the record kept under the key, if there is one.
    Session(Option<Record>),
}

/// How far it has got.
pub enum Step<'p> {
    /// It asks for something.
    Need(Need),
    /// It has decided.
    Done(Decided<'p>),
}

/// What it asks for. (Bodies and outside verdicts will be asked for here too.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The record kept under that key.
    Session(SessionKey),
}

/// A decision.
#[derive(Debug)]
pub struct Decided<'p> {
    /// The site, if one was found.
    pub site: Option<SiteId>,
    /// The route, if one was found.
    pub route: Option<RouteId>,
    /// What is to be done.
    pub outcome: Outcome<'p>,
}

/// What is to be done with a request.
#[derive(Debug)]
pub enum Outcome<'p> {
    /// It goes to a server of a pool.
    Forward(Forward<'p>),
    /// It is answered with a redirect or a fixed answer.
    Respond(&'p Target),
    /// It is sent to the same place over TLS, on that port.
    RedirectToHttps {
        /// The port of the TLS listener.
        port: u16,
    },
    /// It is refused.
    Refuse {
        /// The status.
        status: u16,
        /// A word for the log.
        reason: &'static str,
    },
}

/// A request's way to a pool.
#[derive(Debug)]
pub struct Forward<'p> {
    /// The pool that was drawn or remembered.
    pub pool: PoolId,
    /// The server that the session is on, in that pool.
    pub preferred: Option<usize>,
    /// All arms that the route leads to; one where there is no split.
    pub(super) arms: &'p [Arm],
    /// How the session is recognised.
    pub session: Session,
}

impl<'p> Machine<'p> {
    /// A machine that has been told nothing.
    pub fn new(rules: &'p Rules) -> Machine<'p> {
        Machine { rules, waiting: None }
    }

    /// Goes on as far as it can.
    pub fn step(
        &mut self,
        request: &Request<'_>,
        input: Input,
        dice: &mut Dice,
        trace: &mut impl Trace,
    ) -> Step<'p> {
        match (input, self.waiting.take()) {
            (Input::Session(record), Some(waiting)) => {
                let session = Session::By { key: waiting.key, known: record };
                self.forward(waiting.site, waiting.route, waiting.arms, session, record, dice, trace)
            }
            _ => self.decide(request, dice, trace),
        }
    }

    fn decide(&mut self, request: &Request<'_>, dice: &mut Dice, trace: &mut impl Trace) -> Step<'p> {
        let policy = self.rules.policy();
        let Some(site_id) = self.rules.index.site(policy, request.host, request.listener, request.tls) else {
            trace.tell("site", false, || (request.host.to_owned(), "no site has this host".to_owned()));
            let status = if request.tls { 421 } else { 404 };
            return done(None, None, Outcome::Refuse { status, reason: "no_site" });
        };
        let site = &policy.sites[site_id.0];
        trace.tell("site", true, || (site.name.clone(), format!("host {}", request.host)));
        if let Some(port) = site.redirect_to_https.filter(|_| !request.tls) {
            trace.tell("redirect", true, || ("https".to_owned(), "the site is served over TLS".to_owned()));
            return done(Some(site_id), None, Outcome::RedirectToHttps { port });
        }
        let route_id = self.rules.index.route(policy, site_id, request);
        explain_routes(site, route_id, request, trace);
        let Some(route_id) = route_id else {
            return done(Some(site_id), None, Outcome::Refuse { status: 404, reason: "no_route" });
        };
        let route = &site.routes[route_id.0];
        let arms = match &route.to {
            Target::Redirect { .. } | Target::Answer { .. } => {
                return done(Some(site_id), Some(route_id), Outcome::Respond(&route.to));
            }
            Target::Pool(pool) => self.rules.single_arm(*pool),
            Target::Split(arms) => arms,
        };
        match self.rules.session(site_id, route, arms, request, trace) {
            Session::By { key, .. } => {
                self.waiting = Some(Waiting { site: site_id, route: route_id, arms, key });
                Step::Need(Need::Session(key))
            }
            session => {
                let record = session.record();
                self.forward(site_id, route_id, arms, session, record, dice, trace)
            }
        }
    }

    /// The session's arm and server where they are known, else an arm by its share.
    #[allow(clippy::too_many_arguments, reason = "each is one thing that the choice depends on")]
    fn forward(
        &self,
        site: SiteId,
        route: RouteId,
        arms: &'p [Arm],
        session: Session,
        record: Option<Record>,
        dice: &mut Dice,
        trace: &mut impl Trace,
    ) -> Step<'p> {
        let policy = self.rules.policy();
        let remembered = record.and_then(|record| self.rules.place_of(record, arms));
        let (pool, preferred) = match remembered {
            Some((pool, server)) => {
                let name = || policy.pools[pool.0].servers[server].name.clone();
                trace.tell("session", true, || (name(), "the session is on this server".to_owned()));
                (pool, Some(server))
            }
            None => (draw(arms, dice, |pool| policy.pools[pool.0].name.clone(), trace), None),
        };
        trace.tell("pool", true, || {
            let how = match arms {
                [_] => "the route leads there".to_owned(),
                _ if preferred.is_some() => "the session is there".to_owned(),
                _ => "drawn by share".to_owned(),
            };
            (policy.pools[pool.0].name.clone(), how)
        });
        done(Some(site), Some(route), Outcome::Forward(Forward { pool, preferred, arms, session }))
    }
}

fn done<'p>(site: Option<SiteId>, route: Option<RouteId>, outcome: Outcome<'p>) -> Step<'p> {
    Step::Done(Decided { site, route, outcome })
}

/// An arm by its share.
fn draw(arms: &[Arm], dice: &mut Dice, name: impl Fn(PoolId) -> String, trace: &mut impl Trace) -> PoolId {
    if let [only] = arms {
        return only.pool;
    }
    let drawn = dice.below(arms.iter().map(|arm| arm.share).sum());
    let mut end = 0;
    let hit = arms.iter().find(|arm| {
        end += arm.share;
        drawn < end
    });
    let pool = hit.map_or(arms[0].pool, |arm| arm.pool);
    trace.tell("split", true, || {
        let shares: Vec<String> =
            arms.iter().map(|arm| format!("{}: {}", name(arm.pool), percent(arm.share))).collect();
        (name(pool), format!("{} drawn among {}", percent(drawn), shares.join(", ")))
    });
    pool
}
