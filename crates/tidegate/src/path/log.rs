//! A request's line in the access log.

use super::{Request, ServerChoice};
use crate::http::h1::{Active, Client};
use crate::worker::Worker;
use policy::decide::Decided;

/// Writes the line, if there is a log.
pub fn write(
    worker: &Worker,
    client: &Client,
    active: &Active,
    request: &Request,
    decided: Option<&Decided<'_>>,
    server: Option<ServerChoice>,
    reason: Option<&str>,
) {
    let Some(log) = &worker.log else { return };
    let policy = worker.policy();
    let buffer = &active.input[..];
    let head = &active.head;
    let site = decided.and_then(|decided| decided.site).map(|site| &policy.sites[site.0]);
    let route = decided.and_then(|decided| decided.route);
    let route = site.zip(route).map(|(site, route)| &site.routes[route.0]);
    log.record(|line| {
        line.address("client", request.origin.client);
        if request.origin.client != client.peer.ip().to_canonical() {
            line.address("peer", client.peer.ip());
        }
        line.str("scheme", if request.origin.tls { b"https" } else { b"http" });
        line.str("method", head.method_text.of(buffer));
        line.str("host", head.host.of(buffer));
        line.str("path", head.path.of(buffer));
        if let Some(query) = head.query {
            line.str("query", query.of(buffer));
        }
        line.num("status", u64::from(request.tally.status));
        line.num("bytes", request.tally.bytes_out);
        line.num("bytes_in", request.tally.bytes_in);
        line.ms("duration_ms", request.started.elapsed());
        if let Some(connected) = request.connected_at {
            line.ms("connect_ms", connected - request.started);
            if let Some(answered) = request.tally.answered_at {
                line.ms("first_byte_ms", answered.saturating_duration_since(connected));
            }
        }
        if let Some(site) = site {
            line.str("site", site.name.as_bytes());
        }
        if let Some(route) = route {
            line.str("route", route.name.as_bytes());
        }
        if let Some(server) = server {
            let pool = &policy.pools[server.pool];
            line.str("pool", pool.name.as_bytes());
            line.str("server", pool.servers[server.server].name.as_bytes());
            line.num("retries", u64::from(request.retries));
            if server.moved {
                line.str("session", b"moved");
            }
        }
        if let Some(reason) = reason {
            line.str("reason", reason.as_bytes());
        }
        line.str("request_id", request.id.as_str().as_bytes());
    });
}
