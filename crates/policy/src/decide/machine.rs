//! From the head of a request to what is to be done with it.

use super::routes::explain_routes;
use super::rules::Rules;
use super::session::{Session, SessionKey};
use super::{Dice, Places, Request, Trace};
use crate::model::{Arm, PoolId, RouteId, SiteId, Sticky, Target};
use crate::text::percent;

/// One decision in the making.
pub struct Machine<'p> {
    rules: &'p Rules,
    /// What waits for a session.
    waiting: Option<(Way<'p>, Need)>,
}

/// The way to a pool, before it is known which.
#[derive(Clone, Copy)]
struct Way<'p> {
    site: SiteId,
    route: RouteId,
    arms: &'p [Arm],
}

/// What the machine is given.
#[derive(Clone, Debug)]
pub enum Input {
    /// The head of the request; to begin with.
    Head,
    /// What was asked for: the places kept under the key, if there are any.
    Session(Option<Places>),
    /// What was asked for: the time, in seconds since 1970.
    Now(u32),
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
    /// The places kept under that key.
    Session(SessionKey),
    /// The time; only where a cookie of ours keeps sessions.
    Now,
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
    /// What these arms are called in the places of sessions; 0 where none are kept.
    pub(super) to: u32,
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
            (Input::Session(places), Some((way, Need::Session(key)))) => {
                let session = Session::By { key, known: places.unwrap_or_default() };
                self.forward(way, session, dice, trace)
            }
            (Input::Now(now), Some((way, Need::Now))) => {
                let session = self.rules.session_by_cookie(way.site, way.arms, now, request, trace);
                self.forward(way, session, dice, trace)
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
        trace.tell("site", true, || (site.name.to_string(), format!("host {}", request.host)));
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
        if route.grpc_web {
            trace.tell("filter", true, || ("grpc_web".to_owned(), "the route uses it".to_owned()));
        }
        let way = Way { site: site_id, route: route_id, arms };
        let need = match &policy.pools[arms[0].pool.0].sticky {
            None => return self.forward(way, Session::None, dice, trace),
            Some(Sticky::Cookie(_)) => Need::Now,
            Some(Sticky::By(by)) => match self.rules.session_key(arms, by, request, route) {
                Some(key) => Need::Session(key),
                None => {
                    trace.tell("session", false, || (by.expression.text.clone(), "missing".to_owned()));
                    return self.forward(way, Session::Unknown, dice, trace);
                }
            },
        };
        self.waiting = Some((way, need));
        Step::Need(need)
    }

    /// The session's arm and server where they are known, else an arm by its share.
    fn forward(
        &self,
        way: Way<'p>,
        mut session: Session,
        dice: &mut Dice,
        trace: &mut impl Trace,
    ) -> Step<'p> {
        let Way { site, route, arms } = way;
        let rules = self.rules;
        let name = |pool: PoolId| rules.policy().pools[pool.0].name.clone();
        let to = if session == Session::None { 0 } else { rules.to(arms) };
        let place = rules.place_within(site, to, arms, &session);
        let (pool, preferred) = match place {
            Some((pool, server)) => (pool, Some(server)),
            None => {
                let pool = match session.number() {
                    // Parallel requests agree.
                    Some(number) => {
                        draw(arms, &mut Dice::new(u64::from(number) << 32 | u64::from(to)), name, trace)
                    }
                    None => draw(arms, dice, name, trace),
                };
                (pool, rules.server_in(pool, &session))
            }
        };
        if let Some(server) = preferred {
            let name = || rules.policy().pools[pool.0].servers[server].name.clone();
            trace.tell("session", true, || (name(), "the session is on this server".to_owned()));
        }
        trace.tell("pool", true, || {
            let how = match arms {
                [_] => "the route leads there".to_owned(),
                _ if place.is_some() => "the session is there".to_owned(),
                _ => "drawn by share".to_owned(),
            };
            (name(pool), how)
        });
        session.begin(dice);
        done(Some(site), Some(route), Outcome::Forward(Forward { pool, preferred, arms, to, session }))
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
