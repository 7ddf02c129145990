//! From host and path to site and route.
//!
//! Hosts are found by hash; inside a site a trie over path segments gives the routes whose path fits, so that the
//! cost of a decision does not grow with routes that differ in host or path. Among those the first as
//! written wins, as if all had been tried in order.

mod conditions;
pub(crate) mod language;
mod reach;
mod trie;

pub use conditions::{Miss, check};
pub use reach::unreachable;

use crate::decide::Request;
use crate::hash::FoldState;
use crate::model::{HostPattern, ListenerId, PathPattern, Policy, Route, RouteId, Segment, Site, SiteId};
use std::collections::HashMap;
use trie::Trie;

/// The index of all sites and routes.
#[derive(Debug)]
pub struct Index {
    exact: HashMap<Box<str>, Vec<SiteId>, FoldState>,
    /// Keys begin with a dot.
    wildcard: HashMap<Box<str>, Vec<SiteId>, FoldState>,
    any: Vec<SiteId>,
    routes: Vec<Trie>,
}

impl Index {
    /// Indexes a policy.
    pub fn new(policy: &Policy) -> Index {
        let mut index = Index {
            exact: HashMap::default(),
            wildcard: HashMap::default(),
            any: Vec::new(),
            routes: policy.sites.iter().map(|site| Trie::new(&site.routes)).collect(),
        };
        for (number, site) in policy.sites.iter().enumerate() {
            for host in &site.hosts {
                match host {
                    HostPattern::Exact(name) => index.exact.entry(name.as_str().into()).or_default(),
                    HostPattern::Wildcard(name) => index.wildcard.entry(name.as_str().into()).or_default(),
                    HostPattern::Any => &mut index.any,
                }
                .push(SiteId(number));
            }
        }
        index
    }

    /// The site for a host (in lower case, without port): exact, then the longest wildcard, then any.
    pub fn site(
        &self,
        policy: &Policy,
        host: &str,
        listener: Option<ListenerId>,
        tls: bool,
    ) -> Option<SiteId> {
        let seen = |sites: &Vec<SiteId>| {
            sites.iter().copied().find(|site| is_visible(policy, &policy.sites[site.0], listener, tls))
        };
        if let Some(site) = self.exact.get(host).and_then(seen) {
            return Some(site);
        }
        if !self.wildcard.is_empty() {
            // A wildcard stands for one label at least.
            for (at, _) in host.match_indices('.').filter(|(at, _)| *at > 0) {
                if let Some(site) = self.wildcard.get(&host[at..]).and_then(seen) {
                    return Some(site);
                }
            }
        }
        seen(&self.any)
    }

    /// The first route of a site that a request fulfils.
    pub fn route(&self, policy: &Policy, site: SiteId, request: &Request<'_>) -> Option<RouteId> {
        let routes = &policy.sites[site.0].routes;
        self.routes[site.0].first(request.path, |route| check(&routes[route], request).is_ok()).map(RouteId)
    }
}

/// Whether a site is served on a listener; where none is named, on any of that kind.
fn is_visible(policy: &Policy, site: &Site, listener: Option<ListenerId>, tls: bool) -> bool {
    match (&site.listeners, listener) {
        (None, _) => true,
        (Some(listeners), Some(listener)) => listeners.contains(&listener),
        (Some(listeners), None) => listeners.iter().any(|listener| policy.listeners[listener.0].tls == tls),
    }
}

/// Whether a path (in normal form) fits a pattern.
pub fn path_fits(pattern: &PathPattern, path: &str) -> bool {
    match pattern {
        PathPattern::Any => true,
        PathPattern::Regex(regex) => regex.is_match(path),
        PathPattern::Segments { segments, rest } => walk(segments, *rest, path, |_, _| {}).is_some(),
    }
}

/// What a route's path captured under `name`; the remainder is `rest`.
pub fn capture<'a>(route: &Route, path: &'a str, name: &str) -> Option<&'a str> {
    match &route.path {
        PathPattern::Any => (name == "rest").then(|| path.strip_prefix('/')).flatten(),
        PathPattern::Regex(regex) => regex.captures(path)?.name(name).map(|found| found.as_str()),
        PathPattern::Segments { segments, rest } => {
            let mut found = None;
            let remainder = walk(segments, *rest, path, |captured, value| {
                if captured == name {
                    found = Some(value);
                }
            })?;
            if *rest && name == "rest" { Some(remainder) } else { found }
        }
    }
}

/// Walks a pattern along a path; gives the remainder when it fits.
fn walk<'a>(
    segments: &[Segment],
    rest: bool,
    path: &'a str,
    mut captured: impl FnMut(&str, &'a str),
) -> Option<&'a str> {
    let mut left = path.strip_prefix('/');
    for segment in segments {
        let (here, next) = split(left?);
        match segment {
            Segment::Literal(literal) if literal == here => {}
            Segment::Capture(name) if !here.is_empty() => captured(name, here),
            _ => return None,
        }
        left = next;
    }
    match left {
        None => Some(""),
        Some(left) => rest.then_some(left),
    }
}

/// The first segment, and what follows its slash.
fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('/') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    }
}
