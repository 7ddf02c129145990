//! Listeners: their defaults, names, and addresses that cannot be bound twice.

use super::general;
use crate::file::decode::Problems;
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{Bounds, Listener, Timeouts};
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
        let default = |port, tls| Listener {
            name: format!(":{port}"),
            address: (Ipv6Addr::UNSPECIFIED, port).into(),
            any_address: true,
            tls,
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
    Some(Listener {
        name: own.value.name.value().cloned().unwrap_or_else(|| address.value.text.clone()),
        address: address.value.address,
        any_address: address.value.any,
        tls: own.value.tls.value().copied().unwrap_or(false),
        bounds: general::listener_bounds(&own.value.bounds, bounds),
        timeouts: general::listener_timeouts(&own.value.timeouts, timeouts),
        at: address.at,
    })
}

/// The whole of IPv6 takes IPv4 too, so its addresses collide with those of IPv4.
fn binding(address: SocketAddr) -> (Option<std::net::IpAddr>, u16) {
    let ip = address.ip().to_canonical();
    ((!ip.is_unspecified()).then_some(ip), address.port())
}

fn same_addresses(listeners: &[Listener], problems: &mut Problems) {
    for (index, later) in listeners.iter().enumerate() {
        let clash = |earlier: &&Listener| binding(earlier.address) == binding(later.address);
        // Port 0 is a free port, another one each time.
        if later.address.port() != 0
            && let Some(earlier) = listeners[..index].iter().find(clash)
        {
            let message = format!("port {} is in use by another listener", later.address.port());
            let problem = Diagnostic::error(later.at, message).label("the same address again");
            problems.push(problem.other(earlier.at, "first here"));
        }
    }
}

fn same_names(listeners: &[Listener], problems: &mut Problems) {
    for (index, later) in listeners.iter().enumerate() {
        let Some(earlier) = listeners[..index].iter().find(|earlier| earlier.name == later.name) else {
            continue;
        };
        // Reported as the same address; or both are free ports, and nobody gave them names.
        let same_address = binding(earlier.address) == binding(later.address);
        let free_ports = later.address.port() == 0 && later.name.ends_with(":0");
        if !free_ports && (!same_address || later.address.port() == 0) {
            let problem = Diagnostic::error(later.at, format!("two listeners are named `{}`", later.name));
            problems.push(problem.other(earlier.at, "the other").help("give them a `name` each"));
        }
    }
}
