//! Pools and their servers.

use super::together::Place;
use super::{PoolNames, general, health, retries, server_tls, sticky};
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{Balance, Pool, PoolId, Server, Timeouts};
use crate::source::{Diagnostic, Span};
use std::collections::HashMap;

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
    let (protocol, tls) = server_tls::resolve(own, place, problems);
    Pool {
        name: name.value.clone(),
        servers: servers(name, own, problems),
        balance: own.balance.value().map_or(Balance::default(), |balance| balance.0.clone()),
        sticky: own.sticky.given().and_then(|own| sticky::resolve(own, place, problems)),
        health: own.health.given().and_then(|check| health::resolve(check, &own.protocol, place, problems)),
        host: own.host.given().map(|host| checked_host(host, problems)),
        protocol,
        tls,
        timeouts: general::pool_timeouts(&own.timeouts, timeouts),
        retries: own.retries.given().and_then(|own| retries::resolve(own, problems)),
        at: name.at,
    }
}

/// A `Host` to send: no white space, nothing that could break a head.
pub fn checked_host(host: &At<String>, problems: &mut Problems) -> String {
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
