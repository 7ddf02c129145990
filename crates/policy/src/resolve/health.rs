//! Health checks: by a path, or by a connection that opens.

use super::general;
use super::pools::checked_host;
use super::together::{Place, at, together};
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{Health, Probe};
use crate::source::{Diagnostic, Span};
use std::time::Duration;

/// The health checks of a pool.
pub fn resolve(own: &At<raw::Health>, place: Place, problems: &mut Problems) -> Option<Health> {
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
