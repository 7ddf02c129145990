//! From host and path to site and route.
//!
//! Hosts are found by hash; inside a site a trie over path segments gives the routes whose path fits, so that the
//! cost of a decision does not grow with routes that differ in host or path. Among those the first as
//! written wins, as if all had been tried in order.

mod conditions;
pub(crate) mod language;
mod reach;
mod table;
mod trie;

pub use conditions::{Miss, check};
pub use reach::unreachable;

use crate::decide::Request;
use crate::model::{
    HostPattern, ListenerId, PathPattern, Policy, Route, RouteId, Segment, Segments, Site, SiteId,
};
use table::Table;
use trie::Trie;

/// The index of all sites and routes.
#[derive(Debug)]
pub struct Index {
    exact: Hosts,
    /// Names begin with a dot.
    wildcard: Hosts,
    any: Box<[u32]>,
    routes: Box<[Trie]>,
}

/// Sites by the names of their hosts.
#[derive(Debug)]
struct Hosts {
    names: Table,
    /// Where the sites of each name begin, and where those of the last one end.
    starts: Box<[u32]>,
    /// Sites of all names, one name after the other, and of each in order.
    sites: Box<[u32]>,
}

impl Hosts {
    /// Indexes pairs of a name and a site.
    fn new<'n>(named: impl Iterator<Item = (&'n str, u32)>) -> Hosts {
        let mut names = table::Builder::default();
        let mut pairs: Vec<(u32, u32)> = named.map(|(name, site)| (names.number(0, name), site)).collect();
        pairs.sort_unstable();
        let mut starts = vec![0; names.len() as usize + 1];
        pairs.iter().for_each(|(name, _)| starts[*name as usize + 1] += 1);
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let sites = pairs.into_iter().map(|(_, site)| site).collect();
        Hosts { names: names.build(), starts: starts.into(), sites }
    }

    /// The sites of a name.
    fn get(&self, name: &str) -> &[u32] {
        let Some(number) = self.names.find(0, name) else { return &[] };
        let number = number as usize;
        &self.sites[self.starts[number] as usize..self.starts[number + 1] as usize]
    }
}

impl Index {
    /// Indexes a policy.
    pub fn new(policy: &Policy) -> Index {
        let hosts = || {
            let sites = (0..).zip(&policy.sites);
            sites.flat_map(|(number, site)| site.hosts.iter().map(move |host| (host, number)))
        };
        let exact = hosts().filter_map(|(host, site)| match host {
            HostPattern::Exact(name) => Some((name.as_str(), site)),
            _ => None,
        });
        let wildcard = hosts().filter_map(|(host, site)| match host {
            HostPattern::Wildcard(name) => Some((name.as_str(), site)),
            _ => None,
        });
        let any = hosts().filter(|(host, _)| **host == HostPattern::Any);
        Index {
            exact: Hosts::new(exact),
            wildcard: Hosts::new(wildcard),
            any: any.map(|(_, site)| site).collect(),
            routes: policy.sites.iter().map(|site| Trie::new(&site.routes)).collect(),
        }
    }

    /// The site for a host (in lower case, without port): exact, then the longest wildcard, then any.
    pub fn site(
        &self,
        policy: &Policy,
        host: &str,
        listener: Option<ListenerId>,
        tls: bool,
    ) -> Option<SiteId> {
        let seen = |sites: &[u32]| {
            let mut sites = sites.iter().map(|site| SiteId(*site as usize));
            sites.find(|site| is_visible(policy, &policy.sites[site.0], listener, tls))
        };
        if let Some(site) = seen(self.exact.get(host)) {
            return Some(site);
        }
        if !self.wildcard.sites.is_empty() {
            // A wildcard stands for one label at least.
            for (at, _) in host.match_indices('.').filter(|(at, _)| *at > 0) {
                if let Some(site) = seen(self.wildcard.get(&host[at..])) {
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
    segments: &Segments,
    rest: bool,
    path: &'a str,
    mut captured: impl FnMut(&str, &'a str),
) -> Option<&'a str> {
    let mut left = path.strip_prefix('/');
    for segment in segments.iter() {
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
