//! Sites: hosts, listeners, certificates, and their routes.

use super::hosts::{self, Claims};
use super::{Names, PoolNames, filters, general, pages, route_names, routes, with_help};
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{Bounds, Listener, ListenerId, OwnTimeouts, Pool, Route, Site, Tls};
use crate::source::{Diagnostic, Files, Span};
use std::collections::HashMap;
use std::sync::Arc;

/// What sites and routes are read against.
pub struct Context<'a, 's> {
    /// All listeners.
    pub listeners: &'a [Listener],
    /// Listeners by name.
    pub listener_names: &'a Names<'a, ListenerId>,
    /// Whether there may be listeners besides.
    pub listeners_in_doubt: bool,
    /// All pools that could be read.
    pub pools: &'a [Pool],
    /// Pools by name.
    pub pool_names: &'a PoolNames<'a>,
    /// Which pools some route leads to.
    pub pools_used: Vec<bool>,
    /// Certificates of the top level.
    pub tls: &'a Tls,
    /// What sites without certificates of their own share.
    pub no_tls: Arc<Tls>,
    /// Bounds of the top level.
    pub bounds: Bounds,
    /// Reads the files of error pages.
    pub files: &'a dyn Files,
    /// Collects what is wrong.
    pub problems: &'a mut Problems<'s>,
}

/// All sites, in the order of the file.
pub fn resolve(file: &raw::File, context: &mut Context) -> Vec<Site> {
    let given = file.sites.value().map(|sites| sites.0.as_slice()).unwrap_or_default();
    let sites: Vec<Site> =
        given.iter().filter_map(|(name, own)| own.value().map(|own| site(name, own, context))).collect();
    let own = given.iter().filter_map(|(name, own)| Some((name, own.value()?)));
    claim_hosts(own.zip(&sites), context.problems);
    sites
}

/// No two sites have one host on one listener.
fn claim_hosts<'a>(
    sites: impl Iterator<Item = ((&'a At<String>, &'a raw::Site), &'a Site)>,
    problems: &mut Problems,
) {
    let mut claims = Claims::default();
    for ((name, own), site) in sites {
        for (number, host) in written_hosts(name, own).enumerate() {
            if let Ok(pattern) = hosts::read(&host.value) {
                claims.claim(&pattern, host, number == 0, site.listeners.as_deref(), problems);
            }
        }
    }
}

/// The hosts of a site as they are written, its key first.
fn written_hosts<'a>(name: &'a At<String>, own: &'a raw::Site) -> impl Iterator<Item = &'a At<String>> {
    let aliases = own.aliases.value().map(|aliases| aliases.0.as_slice()).unwrap_or_default();
    std::iter::once(name).chain(aliases)
}

fn site(name: &At<String>, own: &raw::Site, context: &mut Context) -> Site {
    let listeners = own.listeners.given().map(|names| chosen(&names.value.0, names.at, context));
    let mut tls = match own.tls {
        Field::Absent => Arc::clone(&context.no_tls),
        _ => Arc::new(general::tls(&own.tls, context.problems)),
    };
    let times = general::request_timeouts(&own.timeouts, None);
    let routes = site_routes(name, own, times.as_ref(), context);
    let hosts: Vec<_> =
        written_hosts(name, own).filter_map(|host| hosts::pattern(host, context.problems)).collect();
    let aliases = own.aliases.value().map_or(0, |aliases| aliases.0.len());
    let hosts_in_doubt = matches!(own.aliases, Field::Broken) || hosts.len() <= aliases;
    let mut site = Site {
        name: name.value.as_str().into(),
        hosts: hosts.into(),
        redirect_to_https: redirect(own, listeners.as_deref(), context),
        listeners: listeners.map(Into::into),
        routes: routes.into(),
        tls: Arc::clone(&tls),
        bounds: general::site_bounds(&own.bounds, context.bounds),
        errors: pages::resolve(&own.errors, context.files, context.problems).into(),
        at: name.at,
    };
    check_certificates(&site, context);
    // A certificate may be for the host that could not be read.
    if hosts_in_doubt {
        Arc::make_mut(&mut tls).in_doubt = true;
        site.tls = tls;
    }
    check_reachable(&site, context);
    site
}

/// The listeners of a site by their names.
fn chosen(names: &[At<String>], at: Span, context: &mut Context) -> Vec<ListenerId> {
    if names.is_empty() {
        let problem = Diagnostic::error(at, "a site without any listener");
        context
            .problems
            .push(problem.label("nobody can reach it").help("leave `listeners` out for all of them"));
    }
    names
        .iter()
        .filter_map(|name| {
            let found = context.listener_names.find(&name.value);
            if found.is_none() {
                let problem = Diagnostic::error(name.at, format!("no listener is named `{}`", name.value));
                let known = || context.listeners.iter().map(|listener| listener.name.as_str());
                let nearest = context.problems.nearest(&name.value, known());
                let help = nearest
                    .unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
                context.problems.push(problem.label("unknown listener").help(help));
            }
            found.flatten()
        })
        .collect()
}

/// The listeners that serve a site.
fn serving<'a>(chosen: Option<&'a [ListenerId]>, all: &'a [Listener]) -> impl Iterator<Item = &'a Listener> {
    all.iter()
        .enumerate()
        .filter(move |(index, _)| chosen.is_none_or(|ids| ids.contains(&ListenerId(*index))))
        .map(|(_, listener)| listener)
}

/// The port that plain requests are sent to: by default that of the site's first TLS listener.
fn redirect(own: &raw::Site, chosen: Option<&[ListenerId]>, context: &mut Context) -> Option<u16> {
    let port = serving(chosen, context.listeners).find(|listener| listener.tls).map(|tls| tls.address.port());
    match own.redirect_to_https.given() {
        Some(wish) if !wish.value => None,
        Some(wish) if port.is_none() && !context.listeners_in_doubt => {
            let problem = Diagnostic::error(wish.at, "no TLS listener serves this site");
            context
                .problems
                .push(problem.label("nowhere to redirect to").help("give a listener `tls: true`"));
            None
        }
        _ => port,
    }
}

/// A site that a TLS listener serves needs a certificate from somewhere.
fn check_certificates(site: &Site, context: &mut Context) {
    let Some(listener) = serving(site.listeners.as_deref(), context.listeners).find(|listener| listener.tls)
    else {
        return;
    };
    let sources = [&*site.tls, context.tls];
    let has_source = sources.iter().any(|tls| tls.internal || !tls.certificates.is_empty());
    // What was broken may have been the source.
    if has_source || sources.iter().any(|tls| tls.in_doubt) {
        return;
    }
    let message = format!(
        "`{}` is served over TLS by the listener {} and has no certificate",
        site.name, listener.name
    );
    let problem = Diagnostic::error(site.at, message).label("no source of a certificate");
    context.problems.push(problem.help(
        "write `tls: { certificates: [{ cert: FILE.pem, key: FILE.pem }] }` at the site or at the top level, \
         `tls: { internal: true }` for development, or list plain `listeners` only",
    ));
}

/// `to`, or `routes`: one of the two.
fn site_routes(
    name: &At<String>,
    own: &raw::Site,
    times: Option<&Arc<OwnTimeouts>>,
    context: &mut Context,
) -> Vec<Route> {
    match (&own.to, &own.routes) {
        (Field::Absent, Field::Absent) => {
            let problem = Diagnostic::error(name.at, format!("the site `{}` leads nowhere", name.value));
            context.problems.push(problem.label("neither `to` nor `routes`").help("write `to: POOL`"));
            Vec::new()
        }
        (Field::Given(to), Field::Given(routes)) => {
            let problem = Diagnostic::error(to.at, "a site has `to` or `routes`, not both");
            let problem = problem.other(routes.at.part(0, 1), "the routes");
            context
                .problems
                .push(problem.help("write the target of all other requests as a last route: `- to: POOL`"));
            Vec::new()
        }
        (Field::Given(to), _) => {
            routes::of_target(to, times, filters::of_site(own), context).into_iter().collect()
        }
        (_, Field::Given(given)) => {
            if given.value.is_empty() {
                context
                    .problems
                    .push(Diagnostic::error(given.at, "a site without any route").label("an empty list"));
            }
            let names = route_names::names(&given.value);
            let named = given.value.iter().zip(names);
            let used = filters::of_site(own);
            let routes =
                named.filter_map(|(own, name)| routes::resolve(own, name, times, used, context)).collect();
            same_names(&given.value, context.problems);
            routes
        }
        _ => Vec::new(),
    }
}

/// Names that routes were given are theirs alone: tests and logs speak of them.
fn same_names(routes: &[At<raw::Route>], problems: &mut Problems) {
    let mut seen: HashMap<&str, Span> = HashMap::new();
    for name in routes.iter().filter_map(|route| route.value.name.given()) {
        if let Some(first) = seen.insert(&name.value, name.at) {
            let problem = Diagnostic::error(name.at, format!("two routes are named `{}`", name.value));
            problems.push(problem.label("again here").other(first, "first here"));
        }
    }
}

/// A route that no request can reach is a mistake.
fn check_reachable(site: &Site, context: &mut Context) {
    for (dead, by) in crate::matching::unreachable(site) {
        let (dead, by) = (&site.routes[dead.0], &site.routes[by.0]);
        let problem = Diagnostic::error(dead.at, format!("the route `{}` is never reached", dead.name));
        let problem =
            problem.label("every request that fits here").other(by.at, "is taken by this earlier route");
        let help =
            Some("the first route whose conditions hold is taken: move it up, or take it out".to_owned());
        context.problems.push(with_help(problem, help));
    }
}
