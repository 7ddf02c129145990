//! Pools: servers, health checks, persistence.

use super::{PoolNames, general};
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{
    Balance, Health, Pool, PoolId, Probe, SameSite, Server, Sticky, StickyBy, StickyCookie, Timeouts,
};
use crate::source::{Diagnostic, Span};
use std::collections::HashMap;
use std::time::Duration;
use wire::field::is_token;

/// Servers of one pool. Each choice may look at all of them; nobody has that many, and a larger list is made by a
/// script that went wrong.
pub const SERVERS_MAX: usize = 10_000;

/// The pools that could be read, in the order of the file.
pub fn resolve(file: &raw::File, timeouts: Timeouts, problems: &mut Problems) -> Vec<Pool> {
    let pools = file.pools.value().map(|pools| pools.0.as_slice()).unwrap_or_default();
    pools
        .iter()
        .filter_map(|(name, own)| {
            check_name(name, problems);
            own.given().map(|own| pool(name, own, timeouts, problems))
        })
        .collect()
}

/// The pools by name, in step with what [`resolve`] returns.
pub fn names<'f>(file: &'f raw::File, problems: &Problems) -> PoolNames<'f> {
    let mut names = PoolNames::new(problems);
    if let Field::Broken = file.pools {
        names.doubt();
    }
    let mut next = 0;
    for (name, own) in file.pools.value().map(|pools| pools.0.as_slice()).unwrap_or_default() {
        let id = own.value().map(|_| PoolId(next));
        next += usize::from(id.is_some());
        names.add(&name.value, id);
    }
    names
}

fn check_name(name: &At<String>, problems: &mut Problems) {
    if raw::RESERVED.contains(&name.value.as_str()) {
        let message = format!("`{}` cannot be a pool's name", name.value);
        let problem = Diagnostic::error(name.at, message).label("a key of `to` has this name");
        problems.push(problem.help(format!("reserved: {}", raw::RESERVED.join(", "))));
    } else if name.value.is_empty() {
        problems.push(Diagnostic::error(name.at, "a pool without a name"));
    }
}

fn pool(name: &At<String>, own: &At<raw::Pool>, timeouts: Timeouts, problems: &mut Problems) -> Pool {
    let place = Place { name: &name.value, at: own.at, inherits: !own.value.like.is_absent() };
    let own = &own.value;
    Pool {
        name: name.value.clone(),
        servers: servers(name, own, problems),
        balance: own.balance.value().map_or(Balance::default(), |balance| balance.0.clone()),
        sticky: own.sticky.given().and_then(|own| sticky(own, place, problems)),
        health: own.health.given().and_then(|own| health(own, place, problems)),
        host: own.host.given().map(|host| checked_host(host, problems)),
        timeouts: general::pool_timeouts(&own.timeouts, timeouts),
        at: name.at,
    }
}

/// Where a pool is written.
#[derive(Clone, Copy)]
struct Place<'f> {
    name: &'f str,
    at: Span,
    /// Whether it takes over another pool's keys.
    inherits: bool,
}

/// Reports a mistake that keys make together: at the pool's own one, since what it takes over by `like` may be right
/// where it is written. `keys` begins with the one to blame where all are of one place. `finish` says the rest.
fn together(
    message: &str,
    keys: &[Option<Span>],
    place: Place,
    problems: &mut Problems,
    finish: impl FnOnce(Diagnostic) -> Diagnostic,
) {
    let keys = || keys.iter().copied().flatten();
    let own = keys().find(|key| place.at.holds(*key));
    let problem = match (own, keys().find(|key| !place.at.holds(*key))) {
        (Some(own), Some(base)) => {
            let message = format!("in the pool `{}`, {message}", place.name);
            Diagnostic::error(own, message).other(base, "taken over from here")
        }
        // All of it is another pool's mistake, which is reported there.
        (None, _) if place.inherits => return,
        _ => Diagnostic::error(keys().next().unwrap_or(place.at), message),
    };
    problems.push(finish(problem));
}

/// The place of a field's value.
fn at<T>(field: &Field<T>) -> Option<Span> {
    field.given().map(|given| given.at)
}

/// A `Host` to send: no white space, nothing that could break a head.
fn checked_host(host: &At<String>, problems: &mut Problems) -> String {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    if host.value.is_empty() || !host.value.bytes().all(allowed) {
        let problem = Diagnostic::error(host.at, format!("`{}` is not a host", host.value));
        problems.push(problem.label("expected a name such as app.internal, with a port if need be"));
    }
    host.value.clone()
}

fn servers(name: &At<String>, own: &raw::Pool, problems: &mut Problems) -> Vec<Server> {
    if own.servers.is_absent() || own.servers.value().is_some_and(Vec::is_empty) {
        let at = own.servers.given().map_or(name.at, |servers| servers.at);
        let problem = Diagnostic::error(at, format!("the pool `{}` has no servers", name.value));
        problems.push(problem.help("write `servers: [10.0.0.1:8080]`"));
    }
    let given = own.servers.value().map(Vec::as_slice).unwrap_or_default();
    if let Some(beyond) = given.get(SERVERS_MAX) {
        let message = format!("the pool `{}` has {} servers", name.value, given.len());
        let problem = Diagnostic::error(beyond.at, message);
        problems.push(problem.label(format!("expected at most {SERVERS_MAX}")));
    }
    let servers: Vec<Server> = given.iter().filter_map(|own| server(own, problems)).collect();
    let mut seen: HashMap<_, Span> = HashMap::with_capacity(servers.len());
    for server in &servers {
        if let Some(first) = seen.insert(server.address, server.at) {
            let problem = Diagnostic::error(server.at, format!("the server {} is there twice", server.name));
            let problem = problem.label("again here").other(first, "first here");
            problems.push(problem.help("a larger share is written as { address: …, weight: 2 }"));
        }
    }
    let idle = !servers.is_empty() && servers.iter().all(|server| server.weight == 0);
    if idle && servers.len() == given.len() {
        let message = format!("all servers of the pool `{}` have the weight 0", name.value);
        problems.push(Diagnostic::warning(name.at, message).label("takes no new sessions"));
    }
    servers
}

fn server(own: &At<raw::Server>, problems: &mut Problems) -> Option<Server> {
    if own.value.address.is_absent() {
        let problem = Diagnostic::error(own.at, "a server without `address`");
        problems.push(problem.label("expected { address: 10.0.0.1:8080, weight: 2 }"));
    }
    let address = own.value.address.given()?;
    Some(Server {
        name: address.value.text.clone(),
        address: address.value.address,
        weight: own.value.weight.value().map_or(1, |weight| weight.0),
        at: address.at,
    })
}

fn health(own: &At<raw::Health>, place: Place, problems: &mut Problems) -> Option<Health> {
    let At { value: own, at } = own;
    let probe = probe(own, *at, place, problems)?;
    let count =
        |field: &Field<crate::file::scalar::Count>, default| field.value().map_or(default, |count| count.0);
    Some(Health {
        probe,
        every: general::time(&own.every, Duration::from_secs(2)),
        timeout: general::time(&own.timeout, Duration::from_secs(1)),
        rise: count(&own.rise, 2),
        fall: count(&own.fall, 3),
        port: own.port.value().map(|port| port.0),
    })
}

fn probe(own: &raw::Health, whole: Span, place: Place, problems: &mut Problems) -> Option<Probe> {
    let tcp = own.tcp.value().copied().unwrap_or(false);
    match own.path.given() {
        Some(path) if tcp => {
            let message = "a health check asks for a path, or opens a connection: not both";
            let keys = [Some(path.at), at(&own.tcp)];
            together(message, &keys, place, problems, |found| found.label("either `path` or `tcp: true`"));
            None
        }
        Some(path) => {
            if !path.value.starts_with('/') || path.value.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
                let problem = Diagnostic::error(path.at, format!("`{}` is not a path", path.value));
                problems.push(problem.label("expected a path such as /healthz, escaped where needed"));
            }
            if let Some(expect) = own.expect.given().filter(|expect| expect.value.0.is_empty()) {
                let problem = Diagnostic::error(expect.at, "no status at all");
                problems.push(problem.label("no answer has one of an empty list"));
            }
            let expect =
                own.expect.value().map(|list| list.0.iter().map(|at| (at.value.0, at.value.1)).collect());
            Some(Probe::Http {
                path: path.value.clone(),
                host: own.host.given().map(|host| checked_host(host, problems)),
                expect: expect.unwrap_or_else(|| vec![(200, 399)]),
            })
        }
        None if tcp => {
            for (key, name) in [(at(&own.expect), "expect"), (at(&own.host), "host")] {
                if key.is_some() {
                    let message = format!("`{name}` has no meaning with `tcp`");
                    together(&message, &[key, at(&own.tcp)], place, problems, |found| found);
                }
            }
            Some(Probe::Tcp)
        }
        None => {
            if own.path.is_absent() {
                let problem = Diagnostic::error(whole, "a health check without anything to ask");
                problems.push(problem.help("write `path: /healthz` or `tcp: true`"));
            }
            None
        }
    }
}

fn sticky(own: &At<raw::Sticky>, place: Place, problems: &mut Problems) -> Option<Sticky> {
    let At { value: own, at: whole } = own;
    match (own.cookie.given(), own.by.given()) {
        (Some(cookie), Some(by)) => {
            let problem =
                Diagnostic::error(by.at, "`sticky` is by a cookie of ours, or by a value: not both");
            problems.push(problem.label("a value").other(cookie.at, "a cookie of ours"));
            None
        }
        (Some(cookie), None) => Some(Sticky::Cookie(sticky_cookie(cookie, own, place, problems))),
        (None, Some(by)) => {
            only_with_cookie(own, place, problems);
            Some(Sticky::By(StickyBy {
                expression: by.value.0.clone(),
                expire: general::time(&own.expire, Duration::from_secs(60 * 60)),
                max: own.max.value().map_or(1_000_000, |max| max.0 as usize),
            }))
        }
        (None, None) => {
            if own.cookie.is_absent() && own.by.is_absent() {
                let problem =
                    Diagnostic::error(*whole, "`sticky` says nothing of how a session is recognised");
                problems.push(problem.help("write `cookie: NAME` or `by: cookie.ID`"));
            }
            None
        }
    }
}

/// Attributes of a cookie make no sense on a value of the application's own.
fn only_with_cookie(own: &raw::Sticky, place: Place, problems: &mut Problems) {
    let fields = [
        (at(&own.path), "path"),
        (at(&own.domain), "domain"),
        (at(&own.secure), "secure"),
        (at(&own.http_only), "http_only"),
        (at(&own.same_site), "same_site"),
    ];
    for (key, name) in fields {
        if key.is_some() {
            let message = format!("`{name}` is an attribute of a cookie of ours");
            let finish = |found: Diagnostic| found.label("has no meaning with `by`");
            together(&message, &[key, at(&own.by)], place, problems, finish);
        }
    }
}

fn sticky_cookie(
    name: &At<String>,
    own: &raw::Sticky,
    place: Place,
    problems: &mut Problems,
) -> StickyCookie {
    if !is_token(name.value.as_bytes()) {
        let problem = Diagnostic::error(name.at, format!("`{}` cannot be a cookie's name", name.value));
        problems.push(problem.label("expected letters, digits, - and _"));
    }
    if let Some(max) = own.max.given() {
        let message = "`max` bounds the sessions that we remember";
        let finish = |found: Diagnostic| found.label("has no meaning with `cookie`: the client remembers");
        together(message, &[Some(max.at), Some(name.at)], place, problems, finish);
    }
    let cookie = StickyCookie {
        name: name.value.clone(),
        path: own.path.value().cloned().unwrap_or_else(|| "/".to_owned()),
        domain: own.domain.value().cloned(),
        expire: own.expire.value().map(|time| time.0),
        secure: own.secure.value().copied(),
        http_only: own.http_only.value().copied().unwrap_or(true),
        same_site: own.same_site.value().copied().unwrap_or_default(),
    };
    check_attributes(&cookie, own, place, problems);
    cookie
}

fn check_attributes(cookie: &StickyCookie, own: &raw::Sticky, place: Place, problems: &mut Problems) {
    // RFC 6265 section 4.1.1: an attribute ends at a semicolon or a control character.
    let broken = |value: &str| value.bytes().any(|byte| byte == b';' || byte <= b' ' || byte >= 0x7f);
    if let Some(path) = own.path.given().filter(|path| !path.value.starts_with('/') || broken(&path.value)) {
        let problem = Diagnostic::error(path.at, format!("`{}` is not a path of a cookie", path.value));
        problems.push(problem.label("expected a path such as /"));
    }
    if let Some(domain) = own.domain.given().filter(|domain| domain.value.is_empty() || broken(&domain.value))
    {
        let problem = Diagnostic::error(domain.at, format!("`{}` is not a domain", domain.value));
        problems.push(problem.label("expected a domain such as example.com"));
    }
    if let Some(same_site) = own.same_site.given()
        && cookie.same_site == SameSite::None
        && cookie.secure != Some(true)
    {
        let message = "`same_site: none` needs `secure: true`";
        let label = "browsers refuse such a cookie otherwise";
        let finish = |found: Diagnostic| found.label(label).help("add `secure: true`");
        together(message, &[Some(same_site.at), at(&own.secure)], place, problems, finish);
    }
    let prefixed = [("__Host-", cookie.path == "/" && cookie.domain.is_none()), ("__Secure-", true)];
    for (prefix, fits) in prefixed {
        if cookie.name.starts_with(prefix)
            && !(fits && cookie.secure == Some(true))
            && let Some(name) = own.cookie.given()
        {
            let message = format!(
                "a cookie named `{prefix}…` must be secure, and with `__Host-` have the path / and no domain"
            );
            let keys = [Some(name.at), at(&own.secure), at(&own.path), at(&own.domain)];
            let finish = |found: Diagnostic| found.label("browsers refuse it").help("add `secure: true`");
            together(&message, &keys, place, problems, finish);
        }
    }
}
