//! A request's line in the access log.

use super::{Request, ServerChoice};
use crate::error::ProxyError;
use crate::http::h1::{Active, Client};
use crate::observe::access_log::key;
use crate::worker::Worker;
use policy::decide::{Decided, Outcome};

/// Why Tidegate answered itself, or cut the connection.
#[derive(Clone, Copy)]
pub struct Reason {
    word: &'static str,
    detail: Option<&'static str>,
}

impl From<&'static str> for Reason {
    fn from(word: &'static str) -> Reason {
        Reason { word, detail: None }
    }
}

impl From<&ProxyError> for Reason {
    fn from(error: &ProxyError) -> Reason {
        Reason { word: error.reason(), detail: error.detail() }
    }
}

/// Of a head that could not be read, this many bytes are shown.
const BAD_LINE_BYTES_MAX: usize = 200;

/// Writes the line, if there is a log.
pub fn write(
    worker: &Worker,
    client: &Client,
    active: &Active,
    request: &Request,
    decided: Option<&Decided<'_>>,
    server: Option<ServerChoice>,
    reason: Option<Reason>,
) {
    let Some(log) = &worker.log else { return };
    let policy = worker.policy();
    let buffer = &active.input[..];
    let head = &active.head;
    let site = decided.and_then(|decided| decided.site).map(|site| &policy.sites[site.0]);
    let route = decided.and_then(|decided| decided.route);
    let route = site.zip(route).map(|(site, route)| &site.routes[route.0]);
    log.record(|line| {
        line.address(key!("client"), request.origin.client);
        if request.origin.client != client.peer.ip().to_canonical() {
            line.address(key!("peer"), client.peer.ip());
        }
        line.str(key!("scheme"), if request.origin.tls { b"https" } else { b"http" });
        line.str(key!("protocol"), if client.stream.is_multiplexed() { b"h2" } else { b"h1" });
        if head.method_text.is_empty() {
            line.str(key!("line"), first_line(&buffer[..active.filled]));
        } else {
            line.str(key!("method"), head.method_text.of(buffer));
            line.str(key!("host"), head.host.of(buffer));
            let path = head.path.of(buffer);
            line.str(key!("path"), if path.is_empty() { b"/" } else { path });
            if let Some(query) = head.query {
                line.str(key!("query"), query.of(buffer));
            }
        }
        line.num(key!("status"), u64::from(request.tally.status));
        line.num(key!("bytes"), request.tally.bytes_out);
        line.num(key!("bytes_in"), request.tally.bytes_in);
        line.ms(key!("duration_ms"), request.started.elapsed());
        if let Some(connected) = request.connected_at {
            line.ms(key!("connect_ms"), connected - request.started);
            if let Some(answered) = request.tally.answered_at {
                line.ms(key!("first_byte_ms"), answered.saturating_duration_since(connected));
            }
        }
        if let Some(site) = site {
            line.str(key!("site"), site.name.as_bytes());
        }
        if let Some(route) = route {
            line.str(key!("route"), route.name.as_bytes());
        }
        // Where no server could be chosen, the pool that had none.
        let drawn = decided.and_then(|decided| match &decided.outcome {
            Outcome::Forward(target) => Some(target.pool.0),
            _ => None,
        });
        if let Some(pool) = server.map(|server| server.pool).or(drawn) {
            line.str(key!("pool"), policy.pools[pool].name.as_bytes());
            line.num(key!("retries"), u64::from(request.retries));
        }
        if let Some(server) = server {
            let pool = &policy.pools[server.pool];
            line.str(key!("server"), pool.servers[server.server].name.as_bytes());
            if server.moved {
                line.str(key!("session"), b"moved");
            }
        }
        if let Some(reason) = reason {
            line.str(key!("reason"), reason.word.as_bytes());
            if let Some(detail) = reason.detail {
                line.str(key!("detail"), detail.as_bytes());
            }
        }
        line.str(key!("request_id"), request.id.as_bytes());
    });
}

/// The start of what a client sent that is no head.
fn first_line(bytes: &[u8]) -> &[u8] {
    let bytes = &bytes[..bytes.len().min(BAD_LINE_BYTES_MAX)];
    bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty())
        .unwrap_or_default()
}
