//! Health checks: by a path, by gRPC, or by a connection that opens.

use super::general;
use super::pools::checked_host;
use super::together::{Place, at, together};
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{Health, Probe};
use crate::source::{Diagnostic, Span};
use std::time::Duration;

/// The health checks of a pool that speaks this protocol.
pub fn resolve(
    own: &At<raw::Health>,
    protocol: &Field<raw::PoolProtocol>,
    place: Place,
    problems: &mut Problems,
) -> Option<Health> {
    let At { value: own, at } = own;
    let probe = probe(own, protocol, *at, place, problems)?;
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

fn probe(
    own: &raw::Health,
    protocol: &Field<raw::PoolProtocol>,
    whole: Span,
    place: Place,
    problems: &mut Problems,
) -> Option<Probe> {
    let tcp = own.tcp.given().filter(|tcp| tcp.value).map(|tcp| tcp.at);
    let service = own.grpc.given().and_then(|grpc| Some((grpc.value.0.as_ref()?, grpc.at)));
    match (own.path.given(), service, tcp) {
        (Some(path), None, None) => Some(http(own, path, problems)),
        (None, Some((service, at)), None) => grpc(own, service, at, protocol, place, problems),
        (None, None, Some(_)) => {
            without_meaning(own, "tcp", &["expect", "host"], tcp, place, problems);
            Some(Probe::Tcp)
        }
        (None, None, None) => {
            if own.path.is_absent() && !matches!(own.grpc, Field::Broken) {
                let problem = Diagnostic::error(whole, "a health check without anything to ask");
                problems.push(problem.help("write `path: /healthz`, `tcp: true` or `grpc: true`"));
            }
            None
        }
        (Some(path), None, Some(_)) => {
            let message = "a health check asks for a path, or opens a connection: not both";
            let keys = [Some(path.at), tcp];
            together(message, &keys, place, problems, |found| found.label("either `path` or `tcp: true`"));
            None
        }
        (path, Some((_, at)), _) => {
            let message = "a health check by gRPC asks nothing else";
            let other = path.map(|path| path.at).or(tcp);
            together(message, &[other, Some(at)], place, problems, |found| {
                found.label("either this or `grpc`")
            });
            None
        }
    }
}

fn http(own: &raw::Health, path: &At<String>, problems: &mut Problems) -> Probe {
    if !path.value.starts_with('/') || path.value.bytes().any(|byte| byte <= b' ' || byte >= 0x7f) {
        let problem = Diagnostic::error(path.at, format!("`{}` is not a path", path.value));
        problems.push(problem.label("expected a path such as /healthz, escaped where needed"));
    }
    if let Some(expect) = own.expect.given().filter(|expect| expect.value.0.is_empty()) {
        let problem = Diagnostic::error(expect.at, "no status at all");
        problems.push(problem.label("no answer has one of an empty list"));
    }
    let expect = own.expect.value().map(|list| list.0.iter().map(|at| (at.value.0, at.value.1)).collect());
    Probe::Http {
        path: path.value.clone(),
        host: own.host.given().map(|host| checked_host(host, problems)),
        expect: expect.unwrap_or_else(|| vec![(200, 399)]),
    }
}

fn grpc(
    own: &raw::Health,
    service: &str,
    at: Span,
    protocol: &Field<raw::PoolProtocol>,
    place: Place,
    problems: &mut Problems,
) -> Option<Probe> {
    without_meaning(own, "grpc", &["expect"], Some(at), place, problems);
    let over_http2 = match protocol {
        Field::Absent => false,
        Field::Broken => true,
        Field::Given(given) => given.value != raw::PoolProtocol::H1,
    };
    if !over_http2 {
        let message = "gRPC needs HTTP/2, and this pool speaks HTTP/1.1";
        let keys = [Some(at), protocol.given().map(|given| given.at)];
        together(message, &keys, place, problems, |found| {
            found.help("write `protocol: h2`, or `protocol: h2c` without TLS, in the pool")
        });
        return None;
    }
    let host = own.host.given().map(|host| checked_host(host, problems));
    Some(Probe::Grpc { service: service.to_owned(), host })
}

/// Reports keys that say nothing in a check of this kind.
fn without_meaning(
    own: &raw::Health,
    kind: &str,
    names: &[&str],
    kind_at: Option<Span>,
    place: Place,
    problems: &mut Problems,
) {
    for (key, name) in [(at(&own.expect), "expect"), (at(&own.host), "host")] {
        if key.is_some() && names.contains(&name) {
            let message = format!("`{name}` has no meaning with `{kind}`");
            together(&message, &[key, kind_at], place, problems, |found| found);
        }
    }
}
