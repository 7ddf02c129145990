//! What the rules are told of a request, and what they have to say when its answer comes.

use crate::error::ProxyError;
use crate::http::h1::{Active, Client};
use crate::worker::Worker;
use policy::decide::{Decided, Excluded, Fields, Forward, Origin, Pick, Request};
use policy::model::{Bounds, ListenerId, OwnTimeouts, Policy, PoolId, Retries, Timeouts};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use wire::grpc_web::ContentType;
use wire::h1::{Field, Known, Method, TargetForm};

/// The peer itself.
pub fn peer(client: &Client) -> Origin {
    Origin::peer(client.peer.ip(), client.tls)
}

/// The peer, or whom it speaks for when it is trusted.
pub fn origin(policy: &Policy, client: &Client, active: &Active) -> Origin {
    let (head, buffer) = (&active.head, &active.input[..]);
    Origin::of(policy, peer(client), |known| {
        head.fields.iter().filter(move |field| field.known == known).map(|field| field.value.of(buffer))
    })
}

/// Brings host and path to normal form, into `active`.
///
/// # Errors
/// When the path has none, or means different things to different servers; or the method is CONNECT, which a
/// gateway does not serve.
pub fn normalise(active: &mut Active) -> Result<(), ProxyError> {
    let Active { head, input, host, path, .. } = active;
    if head.form == TargetForm::Authority {
        return Err(ProxyError::Refused { status: 405, reason: "connect_not_served" });
    }
    wire::uri::normal_host(head.host_name.of(input), host);
    wire::uri::normalise(head.path.of(input), path).map_err(|_| ProxyError::RequestPath)
}

/// A request's fields, for the rules.
pub struct HeadFields<'a> {
    fields: &'a [Field],
    buffer: &'a [u8],
}

impl<'a> HeadFields<'a> {
    /// Fields with their places in `buffer`.
    pub fn new(fields: &'a [Field], buffer: &'a [u8]) -> HeadFields<'a> {
        HeadFields { fields, buffer }
    }
}

impl Fields for HeadFields<'_> {
    fn each<'s>(&'s self, name: &str, each: &mut dyn FnMut(&'s [u8]) -> bool) {
        for field in self.fields {
            let matches = field.name.len() == name.len()
                && field.name.of(self.buffer).eq_ignore_ascii_case(name.as_bytes());
            if matches && !each(field.value.of(self.buffer)) {
                return;
            }
        }
    }
}

/// A request in the shape that the rules want; after [`normalise`].
pub struct Facts<'a> {
    origin: Origin,
    listener: usize,
    active: &'a Active,
    fields: HeadFields<'a>,
}

impl<'a> Facts<'a> {
    /// Of the request in `active`.
    pub fn of(origin: Origin, listener: usize, active: &'a Active) -> Facts<'a> {
        Facts { origin, listener, active, fields: HeadFields::new(&active.head.fields, &active.input) }
    }

    /// As the rules want it.
    pub fn request(&self) -> Request<'_> {
        let Active { head, input, host, path, .. } = self.active;
        let method = || std::str::from_utf8(head.method_text.of(input)).unwrap_or_default();
        let raw_path = head.path.of(input);
        Request {
            method: head.method.name().unwrap_or_else(method),
            tls: self.origin.tls,
            host,
            path,
            raw_path: if raw_path.is_empty() { b"/" } else { raw_path },
            query: head.query.map(|query| query.of(input)),
            fields: &self.fields,
            client: self.origin.client,
            listener: Some(ListenerId(self.listener)),
        }
    }

    /// Chooses a server among those that were not tried.
    pub fn pick(
        &self,
        worker: &Worker,
        decided: &Decided<'_>,
        target: &Forward<'_>,
        tried: &Excluded,
    ) -> Option<Pick> {
        let Worker { rules, pools, sessions, .. } = worker;
        let mut dice = worker.dice.borrow_mut();
        let pick = rules.pick(target, &self.request(), decided, tried, &**pools, &mut dice, &mut ())?;
        // Before the server hears of the request: so that parallel ones of the same session follow. The lock is that of
        // one shard, and only where the session's place is new.
        let Some(key) = rules.reservation(target, pick) else { return Some(pick) };
        sessions.change(key, |places| rules.reserve(target, pick, tried, &**pools, places)).or(Some(pick))
    }
}

/// The time, in seconds since 1970; for cookies of ours alone.
pub fn seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

/// The bounds of a request: of heads its listener's, of a body its site's once that is known.
pub fn bounds(policy: &Policy, decided: Option<&Decided<'_>>, listener: usize) -> Bounds {
    let bounds = policy.listeners[listener].bounds;
    match decided.and_then(|decided| decided.site) {
        Some(site) => Bounds { body_bytes: policy.sites[site.0].bounds.body_bytes, ..bounds },
        None => bounds,
    }
}

/// The times of a request, and towards a pool where it goes to one: those of its route, site and listener, the closest
/// first.
pub fn timeouts(
    policy: &Policy,
    decided: Option<&Decided<'_>>,
    listener: usize,
    pool: Option<PoolId>,
) -> Timeouts {
    let place = decided.and_then(|decided| decided.site.zip(decided.route));
    let own =
        place.map_or(OwnTimeouts::default(), |(site, route)| policy.sites[site.0].routes[route.0].timeouts());
    own.over(&policy.listeners[listener].timeouts, pool.map(|pool| &policy.pools[pool.0]))
}

/// Whether gRPC-Web is translated on the route that was taken.
pub fn uses_grpc_web(policy: &Policy, decided: &Decided<'_>) -> bool {
    let place = decided.site.zip(decided.route);
    place.is_some_and(|(site, route)| policy.sites[site.0].routes[route.0].grpc_web)
}

/// Whether it is a call of gRPC or gRPC-Web.
pub fn is_grpc_call(active: &Active) -> bool {
    let Active { head, input, .. } = active;
    // All calls are POSTs; other requests are not looked at.
    head.method == Method::Post
        && head.known(Known::ContentType).map(|field| field.value.of(input)).is_some_and(|content_type| {
            wire::grpc::is_grpc(content_type) || ContentType::of(content_type).is_some()
        })
}

/// When the client of a call of gRPC or gRPC-Web gives up, from the request's start on.
pub fn grpc_deadline(active: &Active) -> Option<Duration> {
    if !is_grpc_call(active) {
        return None;
    }
    active.head.values(&active.input, "grpc-timeout").next().and_then(wire::grpc::timeout)
}

/// What the rules make of an answer's head.
pub struct AnswerHook<'a> {
    /// The rules, the state of servers, and where records are kept.
    pub worker: &'a Worker,
    /// Who asked.
    pub origin: Origin,
    /// Through which listener.
    pub listener: usize,
    /// What was decided.
    pub decided: &'a Decided<'a>,
    /// The way to the pool.
    pub forward: &'a Forward<'a>,
    /// The server.
    pub pick: Pick,
    /// Answers after which another server is tried; `None` where it is not, or not once more.
    pub retries: Option<&'a Retries>,
    /// Servers that were tried before this one.
    pub tried: &'a Excluded,
}

impl AnswerHook<'_> {
    /// Applies the effects; appends the lines that the answer's head gets to `lines`. `answer` begins with the head.
    pub fn apply(&self, active: &Active, answer: &[u8], lines: &mut Vec<u8>) {
        if matches!(self.forward.session, policy::decide::Session::None) {
            return;
        }
        let facts = Facts::of(self.origin, self.listener, active);
        let fields = HeadFields::new(&active.response.fields, answer);
        let effects =
            self.worker.rules.on_response(&facts.request(), self.decided, self.forward, self.pick, &fields);
        if let Some(cookie) = effects.set_cookie {
            lines.extend_from_slice(b"Set-Cookie: ");
            lines.extend_from_slice(cookie.as_bytes());
            lines.extend_from_slice(b"\r\n");
        }
        if let Some((key, place)) = effects.remember {
            self.worker.sessions.change(key, |places| places.set(place));
        }
    }

    /// A server that has not been tried, if one is left.
    pub fn another_server(&self, active: &Active) -> Option<Pick> {
        // Copied only when an answer is to be passed over.
        let mut tried = self.tried.clone();
        tried.add(self.pick.pool, self.pick.server);
        Facts::of(self.origin, self.listener, active).pick(self.worker, self.decided, self.forward, &tried)
    }
}
