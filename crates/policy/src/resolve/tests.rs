//! The file's `tests:`: that what they speak of exists.

use super::{Names, PoolNames, find_pool, with_help};
use crate::file::decode::{Field, Problems};
use crate::file::raw;
use crate::file::scalar::Count;
use crate::file::tree::At;
use crate::model::{Expect, ExpectTo, Listener, ListenerId, Pool, Site, Test};
use crate::source::Diagnostic;
use crate::testing::{Url, server_address};
use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use wire::field::is_token;

/// More repetitions say nothing more, and take their time before each start.
const REPEAT_MAX: u32 = 100_000;

/// The client of a test that names none: an address for documentation (RFC 5737).
const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// All tests, in the order of the file.
pub fn resolve(
    file: &raw::File,
    listeners: &[Listener],
    pools: &[Pool],
    pool_names: &PoolNames,
    sites: &[Site],
    problems: &mut Problems,
) -> Vec<Test> {
    let given = file.tests.value().map(Vec::as_slice).unwrap_or_default();
    if given.is_empty() {
        return Vec::new();
    }
    let known = Known {
        listeners,
        addresses: pools.iter().flat_map(|pool| &pool.servers).map(|server| server.address).collect(),
        pools: pool_names,
        servers: server_names(file, pools, problems),
        sites: site_names(file, problems),
        routes: route_names(file, sites, problems),
    };
    given.iter().filter_map(|own| test(own, &known, problems)).collect()
}

/// What tests may speak of.
struct Known<'a> {
    listeners: &'a [Listener],
    addresses: HashSet<SocketAddr>,
    pools: &'a PoolNames<'a>,
    servers: Names<'a, ()>,
    sites: Names<'a, ()>,
    routes: Names<'a, ()>,
}

/// The servers of all pools.
fn server_names<'a>(file: &raw::File, pools: &'a [Pool], problems: &Problems) -> Names<'a, ()> {
    let mut names = Names::new(problems);
    pools.iter().flat_map(|pool| &pool.servers).for_each(|server| names.add(&server.name, Some(())));
    let own = file.pools.value().map(|pools| pools.0.as_slice()).unwrap_or_default();
    let servers = own.iter().map(|(_, pool)| match pool.value().map(|pool| &pool.servers) {
        Some(Field::Given(servers)) => Some(servers.value.len()),
        _ => None,
    });
    // A server or pool that could not be read may have any address.
    let whole: Option<usize> = servers.sum();
    if matches!(file.pools, Field::Broken) || whole != Some(pools.iter().map(|pool| pool.servers.len()).sum())
    {
        names.doubt();
    }
    names
}

/// The keys of all sites.
fn site_names<'a>(file: &'a raw::File, problems: &Problems) -> Names<'a, ()> {
    let mut names = Names::new(problems);
    if let Field::Broken = file.sites {
        names.doubt();
    }
    for (name, _) in file.sites.value().map(|sites| sites.0.as_slice()).unwrap_or_default() {
        names.add(&name.value, Some(()));
    }
    names
}

/// The routes of all sites, with those that are broken and were given a name.
fn route_names<'a>(file: &'a raw::File, sites: &'a [Site], problems: &Problems) -> Names<'a, ()> {
    let mut names = Names::new(problems);
    let own = file.sites.value().map(|sites| sites.0.as_slice()).unwrap_or_default();
    let read: Vec<&raw::Site> = own.iter().filter_map(|(_, own)| own.value()).collect();
    if matches!(file.sites, Field::Broken) || read.len() != own.len() {
        names.doubt();
    }
    for (own, site) in read.into_iter().zip(sites) {
        let resolved: HashSet<&str> = site.routes.iter().map(|route| &*route.name).collect();
        let given = own.routes.value().map(Vec::as_slice).unwrap_or_default();
        let named = || given.iter().filter_map(|route| route.value.name.value());
        let broken_and_named = named().filter(|name| !resolved.contains(name.as_str())).count();
        let all = given.len() + usize::from(!own.to.is_absent());
        if matches!(own.routes, Field::Broken) || site.routes.len() + broken_and_named < all {
            names.doubt();
        }
        resolved.into_iter().for_each(|name| names.add(name, Some(())));
        named().for_each(|name| names.add(name, None));
    }
    names
}

fn test(own: &At<raw::Test>, known: &Known, problems: &mut Problems) -> Option<Test> {
    let At { value: own, at } = own;
    let keys = &own.keys;
    if keys.expects_nothing() {
        let problem = Diagnostic::error(*at, "a test that expects nothing");
        problems.push(
            problem.help("add `to`, `server`, `site`, `route`, `status`, `expect_headers` or `sticky`"),
        );
    }
    let expect = expect(keys, known, problems);
    let down = keys.down.value().map(|down| down.0.as_slice()).unwrap_or_default();
    for server in down {
        check_server(server, known, problems);
    }
    check_names(keys, problems);
    let url = url(&own.url, problems)?;
    let listener = keys.listener.given().and_then(|name| listener(name, &url, known, problems));
    Some(Test {
        method: own.method.value.to_ascii_uppercase(),
        tls: url.tls,
        authority: url.authority,
        path_and_query: url.path_and_query,
        headers: lower_pairs(&keys.headers),
        cookies: raw::pairs(&keys.cookies)
            .map(|(name, value)| (name.value.clone(), value.to_owned()))
            .collect(),
        client: keys.client.value().map_or(CLIENT, |client| client.0),
        listener,
        down: down.iter().map(|server| server.value.clone()).collect(),
        repeat: keys.repeat.given().map_or(1, |count| repeat(count, problems)),
        seed: keys.seed.value().map_or(1, |seed| seed.0),
        expect,
        at: own.method.at,
    })
}

fn expect(keys: &raw::TestKeys, known: &Known, problems: &mut Problems) -> Expect {
    if let Some(server) = keys.server.given() {
        check_server(server, known, problems);
    }
    for (field, noun, names) in [(&keys.site, "site", &known.sites), (&keys.route, "route", &known.routes)] {
        if let Some(given) = field.given() {
            check(given, noun, names, problems);
        }
    }
    Expect {
        to: keys.to.given().map(|to| expected_target(to, known, problems)),
        server: keys.server.value().cloned(),
        site: keys.site.value().cloned(),
        route: keys.route.value().cloned(),
        status: keys.status.value().map(|status| status.0),
        headers: lower_pairs(&keys.expect_headers),
        sticky: keys.sticky.value().copied(),
    }
}

fn expected_target(to: &At<raw::ExpectedTarget>, known: &Known, problems: &mut Problems) -> ExpectTo {
    match &to.value {
        raw::ExpectedTarget::Pool(name) => {
            find_pool(name, to.at, known.pools, problems);
            ExpectTo::Pool(name.clone())
        }
        raw::ExpectedTarget::Split(shares) => {
            let arm = |(name, share): &(At<String>, Field<crate::file::scalar::Share>)| {
                Some((name.value.clone(), share.value()?.0))
            };
            for (name, _) in &shares.0 {
                find_pool(&name.value, name.at, known.pools, problems);
            }
            ExpectTo::Split(shares.0.iter().filter_map(arm).collect())
        }
    }
}

fn repeat(count: &At<Count>, problems: &mut Problems) -> u32 {
    if count.value.0 > REPEAT_MAX {
        let problem = Diagnostic::error(count.at, format!("a test is repeated {} times", count.value.0));
        problems.push(problem.label(format!("expected at most {REPEAT_MAX}")));
    }
    count.value.0.min(REPEAT_MAX)
}

/// The listener of that name, which must be of the kind that the URL's scheme says.
fn listener(name: &At<String>, url: &Url, known: &Known, problems: &mut Problems) -> Option<ListenerId> {
    let names = || known.listeners.iter().map(|listener| listener.name.as_str());
    let Some(found) = known.listeners.iter().position(|listener| listener.name == name.value) else {
        let problem = Diagnostic::error(name.at, format!("no listener is named `{}`", name.value));
        let help = problems
            .nearest(&name.value, names())
            .unwrap_or_else(|| format!("there are: {}", names().collect::<Vec<_>>().join(", ")));
        problems.push(problem.label("unknown listener").help(help));
        return None;
    };
    if known.listeners[found].tls != url.tls {
        let (kind, scheme) = if url.tls { ("plain", "http") } else { ("TLS", "https") };
        let problem = Diagnostic::error(name.at, format!("`{}` is a {kind} listener", name.value));
        problems
            .push(problem.label("not of the kind that the URL says").help(format!("write `{scheme}://`")));
    }
    Some(ListenerId(found))
}

/// Reports a server that no pool has, by name or by address (`localhost:80` is `127.0.0.1:80`).
fn check_server(given: &At<String>, known: &Known, problems: &mut Problems) {
    let same_address = server_address(&given.value).is_some_and(|address| known.addresses.contains(&address));
    if !same_address {
        check(given, "server", &known.servers, problems);
    }
}

/// Reports a name that is not among those known.
fn check(given: &At<String>, noun: &str, names: &Names<'_, ()>, problems: &mut Problems) {
    if names.find(&given.value).is_none() {
        let problem = Diagnostic::error(given.at, format!("there is no {noun} `{}`", given.value));
        let nearest = problems.nearest(&given.value, names.all());
        problems.push(with_help(problem.label(format!("unknown {noun}")), nearest));
    }
}

fn check_names(keys: &raw::TestKeys, problems: &mut Problems) {
    for (name, _) in [&keys.headers, &keys.cookies, &keys.expect_headers].into_iter().flat_map(raw::pairs) {
        if !is_token(name.value.as_bytes()) {
            let problem =
                Diagnostic::error(name.at, format!("`{}` is not the name of a field or cookie", name.value));
            problems.push(problem.label("expected letters, digits, - and _"));
        }
    }
}

fn lower_pairs(field: &Field<crate::file::decode::Named<raw::Words>>) -> Vec<(String, String)> {
    raw::pairs(field).map(|(name, value)| (name.value.to_ascii_lowercase(), value.to_owned())).collect()
}

fn url(own: &At<String>, problems: &mut Problems) -> Option<Url> {
    let parsed = Url::parse(&own.value);
    if parsed.is_none() {
        let problem = Diagnostic::error(own.at, format!("`{}` is not a URL", own.value));
        problems.push(problem.label("expected http:// or https://, a host, and a path"));
    }
    parsed
}
