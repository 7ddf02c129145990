//! Listeners: their defaults, names, and addresses that cannot be bound twice.

use super::{Names, general};
use crate::file::decode::{Field, OneOrMore, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{Bounds, Listener, ListenerId, Protocols, Timeouts};
use crate::source::{Diagnostic, Span};
use std::net::{Ipv6Addr, SocketAddr};

/// The listeners of the file; without any, `:80` without and `:443` with TLS.
pub fn resolve(
    file: &raw::File,
    bounds: Bounds,
    timeouts: Timeouts,
    problems: &mut Problems,
) -> Vec<Listener> {
    let Some(given) = file.listeners.given() else {
        if in_doubt(file, problems) {
            return Vec::new();
        }
        let default = |port, tls| Listener {
            name: format!(":{port}"),
            address: (Ipv6Addr::UNSPECIFIED, port).into(),
            any_address: true,
            tls,
            protocols: default_protocols(tls),
            bounds,
            timeouts,
            at: Span::default(),
        };
        return vec![default(80, false), default(443, true)];
    };
    if given.value.is_empty() {
        let problem = Diagnostic::error(given.at, "no listener at all");
        problems.push(problem.help("leave `listeners` out to listen on :80 and :443"));
    }
    let listeners: Vec<Listener> =
        given.value.iter().filter_map(|own| listener(own, bounds, timeouts, problems)).collect();
    same_addresses(&listeners, problems);
    same_names(&listeners, problems);
    listeners
}

/// The listeners by name, in step with what [`resolve`] returns.
pub fn names<'f>(file: &'f raw::File, problems: &Problems) -> Names<'f, ListenerId> {
    let mut names = Names::new(problems);
    match &file.listeners {
        Field::Broken => names.doubt(),
        Field::Absent => {
            names.add(":80", Some(ListenerId(0)));
            names.add(":443", Some(ListenerId(1)));
        }
        Field::Given(_) => {}
    }
    let mut next = 0;
    for At { value: own, .. } in file.listeners.value().map(Vec::as_slice).unwrap_or_default() {
        let id = own.address.given().map(|_| ListenerId(next));
        next += usize::from(id.is_some());
        match (own.name.value(), own.address.value()) {
            (Some(name), _) => names.add(name, id),
            (None, Some(address)) if own.name.is_absent() => names.add(&address.text, id),
            _ => names.doubt(),
        }
    }
    names
}

/// Whether there may be listeners that could not be read, or ones that are meant for TLS.
pub fn in_doubt(file: &raw::File, problems: &Problems) -> bool {
    let broken = |own: &At<raw::Listener>| {
        own.value.address.given().is_none() || matches!(own.value.tls, Field::Broken)
    };
    match &file.listeners {
        Field::Absent => problems.incomplete,
        Field::Broken => true,
        Field::Given(given) => problems.incomplete || given.value.iter().any(broken),
    }
}

fn listener(
    own: &At<raw::Listener>,
    bounds: Bounds,
    timeouts: Timeouts,
    problems: &mut Problems,
) -> Option<Listener> {
    if own.value.address.is_absent() {
        let problem = Diagnostic::error(own.at, "a listener without `address`");
        problems.push(problem.label("expected an address such as :443"));
    }
    let address = own.value.address.given()?;
    let tls = own.value.tls.value().copied().unwrap_or(false);
    Some(Listener {
        name: own.value.name.value().cloned().unwrap_or_else(|| address.value.text.clone()),
        address: address.value.address,
        any_address: address.value.any,
        tls,
        protocols: protocols(&own.value.protocols, tls, problems),
        bounds: general::listener_bounds(&own.value.bounds, bounds),
        timeouts: general::listener_timeouts(&own.value.timeouts, timeouts),
        at: address.at,
    })
}

/// Over TLS clients say what they speak (ALPN); a plain client of HTTP/2 must have been told, so it is not expected.
fn default_protocols(tls: bool) -> Protocols {
    Protocols { h1: true, h2: tls }
}

fn protocols(
    field: &Field<OneOrMore<raw::ListenerProtocol>>,
    tls: bool,
    problems: &mut Problems,
) -> Protocols {
    let Some(given) = field.given() else { return default_protocols(tls) };
    let list = &given.value.0;
    if list.is_empty() {
        let problem = Diagnostic::error(given.at, "no protocol at all");
        problems.push(problem.label("expected [h1], [h2] or [h1, h2]"));
    }
    for (index, later) in list.iter().enumerate() {
        if let Some(earlier) = list[..index].iter().find(|earlier| earlier.value == later.value) {
            let problem = Diagnostic::error(later.at, "this protocol is there twice");
            problems.push(problem.label("again here").other(earlier.at, "first here"));
        }
    }
    let has = |wanted| list.iter().any(|one| one.value == wanted);
    Protocols { h1: has(raw::ListenerProtocol::H1), h2: has(raw::ListenerProtocol::H2) }
}

/// Whether two listeners cannot both be bound. Without a host (`:443`) an address takes IPv6 and IPv4; one that is
/// written out takes its own family only, so `[::]:443` and `0.0.0.0:443` go together.
fn collide(one: &Listener, other: &Listener) -> bool {
    let (a, b) = (one.address, other.address);
    // Port 0 is a free port, another one each time.
    if a.port() != b.port() || a.port() == 0 {
        return false;
    }
    let whole = |address: SocketAddr| address.ip().is_unspecified();
    one.any_address || other.any_address || a == b || (a.is_ipv4() == b.is_ipv4() && (whole(a) || whole(b)))
}

fn same_addresses(listeners: &[Listener], problems: &mut Problems) {
    for (index, later) in listeners.iter().enumerate() {
        let Some(earlier) = listeners[..index].iter().find(|earlier| collide(earlier, later)) else {
            continue;
        };
        let message = format!("port {} is in use by another listener", later.address.port());
        let problem = Diagnostic::error(later.at, message);
        if earlier.address == later.address {
            problems.push(problem.label("the same address again").other(earlier.at, "first here"));
            continue;
        }
        let problem = problem.label("this address and the other overlap").other(earlier.at, "the other");
        problems.push(problem.help("give one of them another port, or write out the addresses of both"));
    }
}

fn same_names(listeners: &[Listener], problems: &mut Problems) {
    for (index, later) in listeners.iter().enumerate() {
        let Some(earlier) = listeners[..index].iter().find(|earlier| earlier.name == later.name) else {
            continue;
        };
        // Reported as the same address; or both are free ports, and nobody gave them names.
        let free_ports = later.address.port() == 0 && later.name.ends_with(":0");
        if !free_ports && !collide(earlier, later) {
            let problem = Diagnostic::error(later.at, format!("two listeners are named `{}`", later.name));
            problems.push(problem.other(earlier.at, "the other").help("give them a `name` each"));
        }
    }
}
