//! What good files mean.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Memory, environment, load, rendered};
use policy::Loaded;
use policy::model::{
    Balance, HostPattern, ListenerId, LogTarget, Policy, Probe, Protocol, Protocols, Retries, ServerTls,
    Sticky,
};
use std::path::Path;
use std::time::Duration;

/// The policy of a text that must be without any fault.
fn good(text: &str) -> Policy {
    policy_of(load(text))
}

fn policy_of(loaded: Loaded) -> Policy {
    assert!(loaded.diagnostics.is_empty(), "{}", rendered(&loaded));
    loaded.policy.unwrap()
}

/// A policy for comparisons: without the places, which are checked by the diagnostics.
fn shown(policy: &Policy) -> String {
    let text = format!("{policy:#?}");
    let places = regex::Regex::new(r"(?m)^ *(?:\w+_)?at: Span \{[^}]*\},\n").unwrap();
    let wrapped = regex::Regex::new(r"(\w+)\(\n\s*([^\n{}\[\]()]*),\n\s*\)").unwrap();
    wrapped.replace_all(&places.replace_all(&text, ""), "$1($2)").into_owned()
}

const PLAIN: &str = "listeners: [\":8080\"]\n";

#[test]
fn a_file_with_every_key_is_resolved() {
    let files = Memory::new(&[
        ("etc/tidegate.yaml", include_str!("good/every_key.yaml")),
        (
            "etc/parts/one.yaml",
            "pools: { extra: { servers: [10.0.9.1:80] } }\nsites: { extra.example.com: { to: extra } }\n",
        ),
        ("etc/pages/gone.html", "<h1>gone</h1>"),
    ]);
    let policy = policy_of(policy::load(&files, Path::new("etc/tidegate.yaml"), &environment));
    insta::with_settings!({ snapshot_path => "good", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("every_key", shown(&policy));
    });
}

#[test]
fn an_empty_file_is_the_defaults() {
    let loaded = load("");
    assert!(rendered(&loaded).contains("no site"), "{}", rendered(&loaded));
    let policy = loaded.policy.unwrap();
    insta::with_settings!({ snapshot_path => "good", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("defaults", shown(&policy));
    });
}

#[test]
fn short_forms_mean_their_long_forms() {
    let short = "listeners: [\":8080\"]
pools: { app: { servers: [10.0.0.1:80], health: /h, sticky: cookie }, b: { servers: [10.0.0.2:80], health: tcp, sticky: cookie, retries: [503, unavailable] } }
sites:
  a.example.com: { to: { app: 95%, b: 5% } }
  b.example.com: { routes: [{ method: get, client: 10.0.0.1, to: app }] }
observe: { access_log: stdout }
";
    let long = "listeners: [{ address: \":8080\" }]
pools:
  app:
    servers: [{ address: 10.0.0.1:80, weight: 1 }]
    health: { path: /h, every: 2s, timeout: 1s, rise: 2, fall: 3, expect: [200-399] }
    sticky: { cookie: tidegate, path: /, http_only: true, same_site: lax }
  b:
    servers: [{ address: 10.0.0.2:80 }]
    health: { tcp: true }
    sticky: { cookie: tidegate }
    retries: { on: [unavailable, '503'], max: 1 }
sites:
  a.example.com: { to: { split: { app: 95.00%, b: 5.0% } } }
  b.example.com: { routes: [{ method: [GET], client: [10.0.0.1/32], to: app }] }
observe: { access_log: { to: stdout } }
";
    assert_eq!(shown(&good(short)), shown(&good(long)));
}

#[test]
fn json_means_what_yaml_means() {
    let yaml = "listeners: [\":8080\"]
pools: { app: { servers: [10.0.0.1:80], health: { every: 5s, path: /h, rise: 4 } } }
sites: { '*': { routes: [{ path: '/a/*', header: { x: { in: [a, '1.10'] } }, to: app }, { to: { status: 404 } }] } }
";
    let json = "{
\t\"listeners\": [\":8080\"],
\t\"pools\": {\"app\":{\"servers\":[\"10.0.0.1:80\"],\"health\":{\"every\":\"5s\",\"path\":\"/h\",\"rise\":4}}},
\t\"sites\": { \"*\": { \"routes\": [
\t\t{ \"path\": \"/a/*\", \"header\": { \"x\": { \"in\": [\"a\", \"1.10\"] } }, \"to\": \"app\" },
\t\t{ \"to\": { \"status\": 404 } }
\t] } }
}
";
    assert_eq!(shown(&good(yaml)), shown(&good(json)));
}

#[test]
fn texts_stay_as_they_are_written() {
    let policy = good(&format!(
        "{PLAIN}pools: {{ on: {{ servers: [10.0.0.1:80] }}, 1.10: {{ servers: [10.0.0.2:80] }} }}
sites: {{ '*': {{ routes: [{{ path: /a, name: no, to: on }}, {{ header: {{ x: 007 }}, to: 1.10 }}] }} }}\n"
    ));
    let names: Vec<_> = policy.pools.iter().map(|pool| pool.name.as_str()).collect();
    assert_eq!(names, ["on", "1.10"]);
    assert_eq!(&*policy.sites[0].routes[0].name, "no");
    assert!(format!("{:?}", policy.sites[0].routes[1].conditions().headers).contains("Exact(\"007\")"));
}

#[test]
fn a_pool_that_is_like_another_merges_replaces_and_clears() {
    let policy = good(&format!(
        "{PLAIN}pools:
  base:
    servers: [10.0.0.1:80, 10.0.0.2:80]
    health: /healthz
    sticky: {{ cookie: shop, expire: 8h }}
    timeouts: {{ connect: 1s, first_byte: 9s }}
    balance: p2c
  merged: {{ like: base, health: {{ every: 7s }}, timeouts: {{ connect: 3s }} }}
  cleared: {{ like: merged, health: null, sticky: ~, servers: [10.0.0.3:80] }}
  by: {{ like: base, sticky: {{ by: cookie.ID }}, health: {{ tcp: true }} }}
sites:
  a: {{ to: base }}
  b: {{ to: merged }}
  c: {{ to: cleared }}
  d: {{ to: by }}
"
    ));
    let [_, merged, cleared, by] = &policy.pools[..] else { panic!("four pools") };
    let health = merged.health.as_ref().unwrap();
    assert!(matches!(&health.probe, Probe::Http { path, .. } if path == "/healthz"));
    assert_eq!(health.every, Duration::from_secs(7));
    assert_eq!(
        (merged.timeouts.connect, merged.timeouts.first_byte),
        (Duration::from_secs(3), Duration::from_secs(9))
    );
    assert!(matches!(merged.balance, Balance::P2c));
    assert!(cleared.health.is_none() && cleared.sticky.is_none());
    assert_eq!(cleared.timeouts.connect, Duration::from_secs(3));
    assert_eq!(cleared.servers.len(), 1);
    assert!(matches!(by.sticky, Some(Sticky::By(_))));
    assert!(matches!(by.health.as_ref().unwrap().probe, Probe::Tcp));
}

#[test]
fn null_clears_beside_another_form_too() {
    let pool = |base: &str, own: &str| {
        let text = format!(
            "{PLAIN}pools:
  a: {{ servers: [10.0.0.1:80], {base} }}
  c: {{ like: a, {own} }}
sites: {{ a: {{ to: a }}, c: {{ to: c }} }}
"
        );
        good(&text).pools.pop().unwrap()
    };
    let by = |base, own| matches!(pool(base, own).sticky, Some(Sticky::By(_)));
    assert!(by("sticky: cookie", "sticky: { cookie: null, by: header.x }"));
    assert!(by("sticky: { cookie: s, expire: 8h }", "sticky: { by: header.x, cookie: ~ }"));
    assert!(by("health: tcp", "sticky: { cookie: null, by: header.x }"), "nothing to clear");
    assert!(!by("sticky: { by: header.x }", "sticky: { cookie: s, by: null }"));
    assert!(by("sticky: { by: header.x }", "sticky: { cookie: null }"), "what only clears is no other form");
    let tcp = |base, own| matches!(pool(base, own).health.unwrap().probe, Probe::Tcp);
    assert!(tcp("health: /h", "health: { path: null, tcp: true }"));
    assert!(!tcp("health: tcp", "health: { tcp: null, path: /h }"));
    assert!(!tcp("health: /h", "health: { tcp: null, every: 7s }"));
    assert!(tcp("health: tcp", "health: { path: null, every: 7s }"));
    assert!(!tcp("balance: p2c", "health: { path: /h, every: null }"), "nothing to clear");
}

#[test]
fn the_closest_time_holds() {
    let policy = good(
        "listeners: [':8080', { address: ':8081', timeouts: { body: 8s, idle: 9s } }]
timeouts: { connect: 1s, first_byte: 2s, body: 3s, idle: 3s, total: 4s }
pools: { app: { servers: [10.0.0.1:80], timeouts: { connect: 5s, idle: 1s } } }
sites:
  a:
    timeouts: { body: 6s }
    routes:
      - { path: /a, timeouts: { connect: 7s, total: none }, to: app }
      - { to: app }
  b: { to: app }
",
    );
    let seconds = Duration::from_secs;
    let times = |site: usize, route: usize, listener: usize| {
        let own = policy.sites[site].routes[route].timeouts();
        let times = own.over(&policy.listeners[listener].timeouts, Some(&policy.pools[0]));
        (times.connect, times.first_byte, times.body, times.idle, times.total)
    };
    let (four, none) = (Some(seconds(4)), None);
    assert_eq!(times(0, 0, 0), (seconds(7), seconds(2), seconds(6), seconds(3), none));
    assert_eq!(times(0, 1, 0), (seconds(5), seconds(2), seconds(6), seconds(3), four));
    assert_eq!(times(1, 0, 0), (seconds(5), seconds(2), seconds(3), seconds(3), four));
    // A listener's come before the top level's, and after those of site and route.
    assert_eq!(times(0, 1, 1), (seconds(5), seconds(2), seconds(6), seconds(9), four));
    assert_eq!(times(1, 0, 1), (seconds(5), seconds(2), seconds(8), seconds(9), four));
}

#[test]
fn plain_requests_are_sent_to_the_site_s_own_tls_listener() {
    let redirect = |listeners: &str, site: &str| {
        let text = format!(
            "tls: {{ internal: true }}\nlisteners: {listeners}\npools: {{ app: {{ servers: [10.0.0.1:80] }} }}
sites: {{ a.example.com: {{ to: app, {site} }} }}\n"
        );
        good(&text).sites[0].redirect_to_https
    };
    let both = "[':80', { address: ':8443', tls: true, name: s }, { address: ':9443', tls: true, name: t }]";
    assert_eq!(redirect(both, ""), Some(8443));
    assert_eq!(redirect(both, "listeners: [':80', t]"), Some(9443));
    assert_eq!(redirect(both, "listeners: ':80'"), None);
    assert_eq!(redirect(both, "redirect_to_https: false"), None);
    assert_eq!(redirect("[':443']", ""), None);
}

#[test]
fn hosts_and_listeners_are_found() {
    let policy = good(
        "listeners: [{ name: inside, address: 127.0.0.1:81 }, ':80']
pools: { app: { servers: ['localhost:80', '[::1]:81'] } }
sites:
  Shop.Example.com: { aliases: ['*.Example.org', '*'], to: app, listeners: inside }
",
    );
    let site = &policy.sites[0];
    let exact = HostPattern::Exact("shop.example.com".to_owned());
    assert_eq!(*site.hosts, [exact, HostPattern::Wildcard(".example.org".to_owned()), HostPattern::Any]);
    assert_eq!(site.listeners.as_ref().unwrap().len(), 1);
    assert!(policy.listeners[1].any_address && !policy.listeners[0].any_address);
    assert_eq!(policy.pools[0].servers[0].address.to_string(), "127.0.0.1:80");
}

#[test]
fn paths_are_relative_to_the_file_that_names_them() {
    let files = Memory::new(&[
        (
            "etc/tidegate.yaml",
            "include: [sites/*.yaml]\nstate_dir: state\nobserve: { access_log: { to: logs/access.log } }
tls: { certificates: [{ cert: a.pem, key: /keys/a.key }] }\npools: { app: { servers: [10.0.0.1:80] } }\n",
        ),
        (
            "etc/sites/a.yaml",
            "sites: { a.b: { to: app, tls: { certificates: [{ cert: b.pem, key: b.key }] } } }",
        ),
        ("etc/sites/b.yaml", "sites: { b.b: { to: app } }\ntests: [{ get: https://b.b/, to: app }]"),
        ("etc/other.yaml", "nonsense"),
    ]);
    let policy = policy_of(policy::load(&files, Path::new("etc/tidegate.yaml"), &environment));
    assert_eq!(policy.sites.len(), 2);
    assert_eq!(policy.tests.len(), 1);
    assert_eq!(policy.state_dir, Path::new("etc/state"));
    assert_eq!(policy.access_log.unwrap().to, LogTarget::File("etc/logs/access.log".into()));
    assert_eq!(policy.tls.certificates[0].cert, Path::new("etc/a.pem"));
    assert_eq!(policy.tls.certificates[0].key, Path::new("/keys/a.key"));
    assert_eq!(policy.sites[0].tls.certificates[0].cert, Path::new("etc/sites/b.pem"));
}

#[test]
fn variables_and_anchors_are_replaced() {
    let policy = good(&format!(
        "{PLAIN}pools:
  a: {{ servers: &servers [\"10.0.0.1:${{SHOP_PORT}}\"] }}
  b: {{ servers: *servers }}
sites: {{ \"${{SHOP_PORT}}.example.com\": {{ to: {{ a: 50%, b: 50% }} }}, x.example.com: {{ routes: [{{ name: \"$${{HOME}}\", to: a }}] }} }}
"
    ));
    assert_eq!(policy.pools[1].servers[0].address.to_string(), "10.0.0.1:8080");
    assert_eq!(&*policy.sites[0].name, "8080.example.com");
    assert_eq!(&*policy.sites[1].routes[0].name, "${HOME}");
}

#[test]
fn state_is_kept_where_the_system_keeps_it() {
    let folder = |environment: &[(&str, &str)]| {
        let env = |name: &str| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        let files = Memory::new(&[("t.yaml", "")]);
        policy::load(&files, Path::new("t.yaml"), &env).policy.unwrap().state_dir
    };
    assert_eq!(folder(&[]), Path::new("/var/lib/tidegate"));
    assert_eq!(folder(&[("HOME", "/root")]), Path::new("/var/lib/tidegate"));
    assert_eq!(folder(&[("HOME", "/home/ada")]), Path::new("/home/ada/.local/state/tidegate"));
    assert_eq!(folder(&[("HOME", "/home/ada"), ("XDG_STATE_HOME", "/s")]), Path::new("/s/tidegate"));
    assert_eq!(folder(&[("HOME", "/root"), ("STATE_DIRECTORY", "/var/lib/x")]), Path::new("/var/lib/x"));
}

#[test]
fn a_file_that_is_not_there_is_an_error_with_its_name() {
    let loaded = policy::load(&Memory::default(), Path::new("gone.yaml"), &environment);
    assert!(loaded.policy.is_none());
    assert!(rendered(&loaded).contains("cannot read `gone.yaml`"), "{}", rendered(&loaded));
}

#[test]
fn positions_count_lines_and_characters_from_one() {
    let loaded =
        load("listeners: [\":8080\"]\nsites:\n  \"*\": { to: { status: 200, body: \"äöü\" }, tü: 1 }\n");
    let at = loaded.diagnostics[0].at;
    assert_eq!(loaded.sources.position(at), (Path::new("tidegate.yaml"), 3, 44));
    let listed = policy::source::to_json(&loaded.diagnostics, &loaded.sources);
    assert_eq!(
        (&listed[0]["line"], &listed[0]["column"], &listed[0]["end_column"]),
        (&3.into(), &44.into(), &46.into())
    );
}

#[test]
fn free_ports_are_no_clash() {
    let policy = good("listeners: ['127.0.0.1:0', '127.0.0.1:0']\nsites: { a: { to: { status: 200 } } }\n");
    assert_eq!(policy.listeners.len(), 2);
}

#[test]
fn addresses_of_two_families_are_no_clash() {
    let listeners = "['0.0.0.0:80', '[::]:80', '127.0.0.1:81', '127.0.0.2:81', '[::1]:81', ':82']";
    let policy = good(&format!("listeners: {listeners}\nsites: {{ a: {{ to: {{ status: 200 }} }} }}\n"));
    assert_eq!(policy.listeners.len(), 6);
}

#[test]
fn a_host_may_have_a_site_on_each_listener() {
    let policy = good(
        "listeners: [{ name: int, address: ':81' }, { name: pub, address: ':80' }]
sites:
  internal: { aliases: [a.com], listeners: [int], to: { status: 200 } }
  a.com: { listeners: [pub], to: { status: 200 } }
",
    );
    let index = policy::matching::Index::new(&policy);
    let site = |listener| index.site(&policy, "a.com", Some(ListenerId(listener)), false).map(|site| site.0);
    assert_eq!((site(0), site(1)), (Some(0), Some(1)));
}

#[test]
fn an_expression_may_end_in_a_comment() {
    let policy = good(&format!(
        "{PLAIN}sites: {{ '*': {{ routes: [{{ path: {{ regex: '(?x) /a # all' }}, to: {{ status: 200 }} }}] }} }}\n"
    ));
    let fits = |path| policy::matching::path_fits(&policy.sites[0].routes[0].path, path);
    assert!(fits("/a") && !fits("/ab") && !fits("/"));
}

#[test]
fn a_health_check_of_another_kind_takes_nothing_over() {
    let policy = good(&format!(
        "{PLAIN}pools:
  a: {{ servers: [10.0.0.1:80], health: {{ path: /h, expect: [200], host: x, every: 7s }} }}
  b: {{ like: a, health: {{ tcp: true }} }}
  c: {{ like: b, health: {{ path: /c }} }}
  d: {{ like: a, health: {{ tcp: false }} }}
sites: {{ '*': {{ to: {{ a: 25%, b: 25%, c: 25%, d: 25% }} }} }}
"
    ));
    let health = |pool: usize| policy.pools[pool].health.as_ref().unwrap();
    assert!((0..4).all(|pool| health(pool).every == Duration::from_secs(7)));
    assert!(matches!(health(1).probe, Probe::Tcp));
    assert!(matches!(&health(2).probe, Probe::Http { path, host: None, .. } if path == "/c"));
    assert!(matches!(&health(3).probe, Probe::Http { path, host: Some(_), .. } if path == "/h"));
}

#[test]
fn a_health_check_by_grpc_is_of_a_kind_too() {
    let policy = good(&format!(
        "{PLAIN}pools:
  a: {{ servers: [10.0.0.1:80], protocol: h2c, health: {{ grpc: a.B, host: x, every: 7s }} }}
  b: {{ like: a, health: {{ path: /b }} }}
  c: {{ like: b, health: {{ grpc: true }} }}
  d: {{ like: c, health: {{ rise: 9 }} }}
  e: {{ like: d, health: {{ tcp: true }} }}
  f: {{ servers: [10.0.0.1:80], protocol: h2c, health: grpc }}
  g: {{ like: f, health: {{ fall: 8 }} }}
sites: {{ '*': {{ to: {{ a: 10%, b: 15%, c: 15%, d: 15%, e: 15%, f: 15%, g: 15% }} }} }}
"
    ));
    let health = |pool: usize| policy.pools[pool].health.as_ref().unwrap();
    assert!((0..5).all(|pool| health(pool).every == Duration::from_secs(7)));
    assert!(matches!(&health(0).probe, Probe::Grpc { service, host: Some(_) } if service == "a.B"));
    assert!(matches!(&health(1).probe, Probe::Http { path, host: None, .. } if path == "/b"));
    for pool in [2, 3, 5, 6] {
        assert!(matches!(&health(pool).probe, Probe::Grpc { service, host: None } if service.is_empty()));
    }
    assert!(matches!(health(4).probe, Probe::Tcp));
}

#[test]
fn retries_are_taken_over_in_either_form() {
    let policy = good(&format!(
        "{PLAIN}pools:
  a: {{ servers: [10.0.0.1:80], retries: [503, resource_exhausted] }}
  b: {{ like: a, retries: {{ max: 5 }} }}
  c: {{ like: b, retries: data_loss }}
  d: {{ like: b, retries: {{ on: 502 }} }}
  e: {{ like: b, retries: null }}
sites: {{ '*': {{ to: {{ a: 20%, b: 20%, c: 20%, d: 20%, e: 20% }} }} }}
"
    ));
    let retries = |pool: usize| policy.pools[pool].retries.as_ref();
    for (pool, statuses, grpc, max) in
        [(0, &[503][..], 1 << 8, 1), (1, &[503], 1 << 8, 5), (2, &[], 1 << 15, 1), (3, &[502], 0, 5)]
    {
        let expected = Retries { statuses: statuses.to_vec(), grpc, max };
        assert_eq!(retries(pool), Some(&expected), "{}", policy.pools[pool].name);
    }
    assert_eq!(retries(4), None);
    let said: Vec<&str> = ["8", "08", "14", "0", "", "-1", "8 ", "40", "99999999999"]
        .into_iter()
        .filter(|value| retries(0).unwrap().has_grpc_status(value.as_bytes()))
        .collect();
    assert_eq!(said, ["8", "08"]);
}

#[test]
fn protocol_and_tls_of_a_pool_go_together() {
    let pool = |keys: &str| {
        let text = format!(
            "{PLAIN}pools: {{ p: {{ servers: [\"[::1]:80\", localhost:81], {keys} }} }}\nsites: {{ '*': {{ to: p }} }}\n"
        );
        let pool = good(&text).pools.remove(0);
        let names = |tls: &ServerTls| {
            pool.servers.iter().map(|server| tls.name(server).to_owned()).collect::<Vec<_>>().join(" ")
        };
        let names = pool.tls.as_ref().map(names);
        (pool.protocol, names, pool.tls)
    };
    let check = |keys: &str, protocol: Protocol, names: Option<&str>| {
        let (found, named, _) = pool(keys);
        assert_eq!((found, named.as_deref()), (protocol, names), "{keys}");
    };
    check("balance: p2c", Protocol::H1, None);
    check("protocol: h1, tls: false", Protocol::H1, None);
    check("tls: true", Protocol::H1, Some("::1 localhost"));
    check("tls: {}", Protocol::H1, Some("::1 localhost"));
    check("protocol: h2c", Protocol::H2, None);
    check("protocol: h2", Protocol::H2, Some("::1 localhost"));
    check("protocol: h2, host: 'App.internal:8443'", Protocol::H2, Some("app.internal app.internal"));
    check("tls: { sni: b.internal }, host: a.internal", Protocol::H1, Some("b.internal b.internal"));
    check("tls: { sni: 10.0.0.7 }", Protocol::H1, Some("10.0.0.7 10.0.0.7"));
    assert!(pool("protocol: h2").2.unwrap().verify);
    assert!(!pool("tls: { verify: false }").2.unwrap().verify);
}

#[test]
fn files_of_a_pool_s_tls_are_relative_to_the_file_that_names_them() {
    let files = Memory::new(&[
        ("etc/tidegate.yaml", "include: [pools/*.yaml]\nlisteners: [':80']\nsites: { a: { to: app } }\n"),
        (
            "etc/pools/a.yaml",
            "pools: { app: { servers: [10.0.0.1:80], tls: { ca: ca.pem, cert: /keys/c.pem, key: c.key } } }\n",
        ),
    ]);
    let policy = policy_of(policy::load(&files, Path::new("etc/tidegate.yaml"), &environment));
    let tls = policy.pools[0].tls.as_ref().unwrap();
    let certificate = tls.certificate.as_ref().unwrap();
    assert_eq!(tls.ca.as_ref().unwrap().path, Path::new("etc/pools/ca.pem"));
    assert_eq!(
        (&*certificate.cert, &*certificate.key),
        (Path::new("/keys/c.pem"), Path::new("etc/pools/c.key"))
    );
}

#[test]
fn protocols_of_a_listener_follow_its_tls() {
    let protocols = |keys: &str| {
        let text = format!(
            "tls: {{ internal: true }}\nlisteners: [{{ address: ':80', {keys} }}]\nsites: {{ a: {{ to: {{ status: 200 }} }} }}\n"
        );
        let Protocols { h1, h2 } = good(&text).listeners[0].protocols;
        (h1, h2)
    };
    assert_eq!(protocols("name: web"), (true, false));
    assert_eq!(protocols("tls: true"), (true, true));
    assert_eq!(protocols("tls: true, protocols: h1"), (true, false));
    assert_eq!(protocols("tls: true, protocols: [h2]"), (false, true));
    assert_eq!(protocols("protocols: [h2, h1]"), (true, true));
}

#[test]
fn what_is_not_kept_is_counted() {
    let sites: String = (0..600).map(|number| format!("  h{number}: {{ tu: app }}\n")).collect();
    let loaded = load(&format!("{PLAIN}sites:\n{sites}"));
    assert!(loaded.policy.is_none());
    assert_eq!((loaded.diagnostics.len(), loaded.dropped), (500, 100));
}

#[test]
fn names_that_routes_are_not_given_tell_them_apart() {
    let policy = good(&format!(
        "{PLAIN}sites:
  '*':
    routes:
      - {{ path: /x, header: {{ x: a }}, to: {{ status: 200 }} }}
      - {{ path: /x, header: {{ x: b }}, to: {{ status: 200 }} }}
      - {{ path: /x, header: {{ x: {{ in: [c, d] }}, y: {{ not: {{ prefix: e }} }} }}, to: {{ status: 200 }} }}
      - {{ method: [GET, put], query: {{ q: {{ regex: ^f }} }}, cookie: {{ c: {{ present: false }} }}, to: {{ status: 200 }} }}
      - {{ client: [10.0.0.0/8, 192.0.2.1], to: {{ status: 200 }} }}
      - {{ path: /y, header: {{ x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa }}, to: {{ status: 200 }} }}
      - {{ path: /y, header: {{ x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaab }}, to: {{ status: 200 }} }}
      - {{ path: /y, header: {{ x: aaaaaaaaaaaaaaaaaaaaaaaaaaaaac }}, to: {{ status: 200 }} }}
      - {{ path: /w, timeouts: {{ total: 1s }}, to: {{ status: 200 }} }}
      - {{ path: /z, name: /w, to: {{ status: 200 }} }}
      - {{ to: {{ status: 200 }} }}
"
    ));
    let names: Vec<_> = policy.sites[0].routes.iter().map(|route| &*route.name).collect();
    assert_eq!(
        names,
        [
            "/x header.x=a",
            "/x header.x=b",
            "/x header.x=c|d !header.y=e*",
            "GET|PUT query.q~^f !cookie.c",
            "client=10.0.0.0/8|192.0.2.1/32",
            "/y header.x=aaaaaaaaaaaaaaaaaaaaaaaa…",
            "/y header.x=aaaaaaaaaaaaaaaaaaaaaaaa… #2",
            "/y header.x=aaaaaaaaaaaaaaaaaaaaaaaa… #3",
            "/w #2",
            "/w",
            "*",
        ]
    );
}

#[test]
fn a_file_is_read_once_whatever_it_is_called() {
    let files = Memory::new(&[
        (
            "etc/tidegate.yaml",
            "listeners: [':80']\ninclude: ['../etc/*.yaml', './a.yaml']\nsites: { b: { to: { status: 200 } } }\n",
        ),
        ("etc/a.yaml", "sites: { a: { to: { status: 200 } } }"),
    ]);
    let policy = policy_of(policy::load(&files, Path::new("etc/tidegate.yaml"), &environment));
    assert_eq!(policy.sites.len(), 2);
}

#[test]
fn routes_use_what_their_site_uses_and_more() {
    let policy = good(&format!(
        "{PLAIN}pools: {{ calls: {{ servers: [10.0.0.1:80], protocol: h2c }}, web: {{ servers: [10.0.0.2:80] }} }}
sites:
  a: {{ use: grpc_web, to: calls }}
  b: {{ use: [grpc_web], routes: [{{ path: /x, skip: grpc_web, to: web }}, {{ to: calls }}] }}
  c: {{ routes: [{{ path: /x, use: [grpc_web], to: calls }}, {{ to: web }}] }}
  d: {{ use: [], to: web }}
"
    ));
    let used: Vec<Vec<bool>> =
        policy.sites.iter().map(|site| site.routes.iter().map(|route| route.grpc_web).collect()).collect();
    assert_eq!(used, [vec![true], vec![false, true], vec![true, false], vec![false]]);
}
