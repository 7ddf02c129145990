//! The file's `tests:`: that they see what a live request would meet, and say what is wrong.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{load, rendered};
use policy::decide::{CookieKeys, Rules};
use policy::testing::{HandState, Simulation, TestRequest, run_all};
use std::sync::Arc;

fn rules(yaml: &str) -> Rules {
    let loaded = load(yaml);
    assert!(!loaded.failed(), "{}", rendered(&loaded));
    Rules::new(Arc::new(loaded.policy.unwrap()), CookieKeys { current: [7; 32], previous: None })
}

/// The messages of the tests that fail.
fn failures(yaml: &str) -> Vec<String> {
    run_all(&rules(yaml)).into_iter().map(|failure| failure.message).collect()
}

/// All tests of the file must hold.
#[track_caller]
fn holds(yaml: &str) {
    assert_eq!(failures(yaml), [""; 0]);
}

/// A file that is refused, with these words among what is said of it.
#[track_caller]
fn refused(yaml: &str, words: &[&str]) {
    let loaded = load(yaml);
    let text = rendered(&loaded);
    assert!(loaded.failed(), "{yaml}");
    for word in words {
        assert!(text.contains(word), "{word} in {text}");
    }
}

const BEHIND: &str = "
listeners: [{ name: web, address: ':80' }, { name: secure, address: ':443', tls: true }]
tls: { internal: true }
trusted_proxies: [127.0.0.0/8]
pools: { a: { servers: ['10.0.0.1:80'] }, b: { servers: ['10.0.0.2:80'] } }
sites:
  shop.example:
    routes: [{ client: 203.0.113.0/24, to: a }, { to: b }]
  other.example: { redirect_to_https: false, to: b }
tests:
";

#[test]
fn trusted_proxies_speak_for_clients() {
    holds(&format!(
        "{BEHIND}
  - {{ get: https://shop.example/, client: 127.0.0.1, headers: {{ x-forwarded-for: 203.0.113.7 }}, to: a }}
  - {{ get: https://shop.example/, client: 127.0.0.1, to: b }}
  - {{ get: https://shop.example/, client: 192.0.2.9, headers: {{ x-forwarded-for: 203.0.113.7 }}, to: b }}
  - {{ get: https://shop.example/, client: 127.0.0.1, headers: {{ forwarded: for=203.0.113.7 }}, to: b }}
  - {{ get: http://shop.example/, client: 127.0.0.1, headers: {{ x-forwarded-proto: https }}, to: b }}
  - {{ get: https://shop.example/, client: 127.0.0.1, headers: {{ x-forwarded-proto: http }}, status: 308 }}
  - {{ get: http://x.example/, client: 127.0.0.1, headers: {{ x-forwarded-proto: https }}, status: 421 }}
  - {{ get: http://x.example/, headers: {{ x-forwarded-proto: https }}, status: 404 }}
"
    ));
    let forwarded = BEHIND.replace("pools:", "forwarded: { style: forwarded }\npools:");
    holds(&format!(
        "{forwarded}
  - {{ get: http://shop.example/, client: 127.0.0.1, headers: {{ forwarded: 'for=203.0.113.7;proto=\"https\"' }}, to: a }}
  - {{ get: https://shop.example/, client: 127.0.0.1, headers: {{ x-forwarded-for: 203.0.113.7 }}, to: b }}
"
    ));
}

#[test]
fn a_host_field_is_the_host() {
    holds(&format!(
        "{BEHIND}
  - {{ get: https://10.0.0.1/, headers: {{ host: other.example }}, site: other.example }}
  - {{ get: https://other.example/, headers: {{ Host: 'other.example:8443' }}, site: other.example }}
"
    ));
}

#[test]
fn stickiness_does_not_depend_on_the_rest_of_the_query() {
    holds(
        "listeners: [':80']
pools:
  a: { servers: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'], sticky: { by: query.session } }
  b: { servers: ['10.0.0.1:80', '10.0.0.2:80', '10.0.0.3:80'], sticky: cookie }
sites:
  a.example: { to: a }
  b.example: { routes: [{ query: { v: '2' }, to: b }, { to: { status: 404 } }] }
tests:
  - { get: 'http://a.example/?session=7', sticky: true }
  - { get: 'http://a.example/?x=7', sticky: false }
  - { get: 'http://b.example/?v=2', to: b, sticky: true }
",
    );
}

#[test]
fn what_tidegate_answers_itself_can_be_tested() {
    holds(
        "listeners: [':80']
pools: { app: { servers: ['10.0.0.1:80'] } }
errors: { 5xx: { html: <h1>wait</h1> } }
sites:
  a.com:
    routes:
      - { path: '/d/*', to: { redirect: '/{rest}' } }
      - { path: '/s', to: { redirect: 'https://{host}/?q={query.q}', status: 302 } }
      - { path: /app, to: app }
      - { path: /teapot, to: { status: 418, body: short and stout, headers: { x-kind: pot } } }
tests:
  - { get: 'http://a.com/a/../../b', status: 400 }
  - { get: 'http://a.com/%00', status: 400, expect_headers: { content-type: application/json } }
  - { get: 'http://a.com/', headers: { host: 'a b' }, status: 400 }
  - { connect: 'http://a.com/', status: 405 }
  - { get: 'http://a.com/none', headers: { accept: text/html }, status: 404, expect_headers: { content-type: text/html; charset=utf-8 } }
  - { get: 'http://b.com/', status: 404, expect_headers: { content-type: application/json } }
  - { get: 'http://a.com/app', down: '10.0.0.1:80', headers: { accept: '*/*, text/html' }, status: 503, expect_headers: { content-type: text/html; charset=utf-8 } }
  - { get: 'http://a.com/teapot', status: 418, expect_headers: { x-kind: pot, content-type: text/plain; charset=utf-8 } }
  - { get: 'http://a.com/d/https:evil.example', status: 308, expect_headers: { location: '/https:evil.example' } }
  - { get: 'http://a.com/s?q=a%26b%3D1', status: 302, expect_headers: { location: 'https://a.com/?q=a%26b%3D1' } }
",
    );
}

const INTERNAL: &str = "
listeners: [{ name: public, address: ':80' }, { name: internal, address: '127.0.0.1:81' }, { name: secure, address: ':443', tls: true }]
tls: { internal: true }
pools: { app: { servers: ['10.0.0.1:80'] }, admin: { servers: ['10.0.0.2:80'] } }
sites:
  a.example: { redirect_to_https: false, to: app }
  admin.example: { listeners: [internal], to: admin }
tests:
";

#[test]
fn a_test_can_name_its_listener() {
    holds(&format!(
        "{INTERNAL}
  - {{ get: http://admin.example/, listener: internal, to: admin }}
  - {{ get: http://admin.example/, listener: public, status: 404 }}
  - {{ get: http://admin.example/, to: admin }}
  - {{ get: https://admin.example/, listener: secure, status: 421 }}
"
    ));
    refused(
        &format!("{INTERNAL}  - {{ get: http://admin.example/, listener: internl, status: 404 }}\n"),
        &["no listener is named `internl`", "did you mean `internal`?"],
    );
    refused(
        &format!("{INTERNAL}  - {{ get: http://admin.example/, listener: secure, status: 404 }}\n"),
        &["`secure` is a TLS listener", "write `https://`"],
    );
}

#[test]
fn a_server_is_known_by_any_spelling_of_its_address() {
    let file = |test: &str| {
        format!(
            "listeners: [':80']
pools: {{ app: {{ servers: ['localhost:7', '10.0.0.1:80'] }}, b: {{ servers: ['127.0.0.1:7'] }} }}
sites: {{ a.example: {{ to: app }}, b.example: {{ to: b }} }}
tests:
{test}"
        )
    };
    holds(&file(
        "  - { get: http://a.example/, down: '127.0.0.1:7', server: '10.0.0.1:80' }
  - { get: http://a.example/, down: '10.0.0.1:80', server: '127.0.0.1:7' }
  - { get: http://a.example/, down: '10.0.0.1:80', server: 'localhost:7' }
  - { get: http://b.example/, down: 'localhost:7', status: 503 }
",
    ));
    refused(&file("  - { get: http://a.example/, down: '127.0.0.1:8', to: app }\n"), &["there is no server"]);
}

#[test]
fn urls_are_read_as_explain_reads_them() {
    holds(&format!(
        "{INTERNAL}
  - {{ get: 'HTTP://A.example/x#part', to: app }}
  - {{ get: 'http://a.example?x', to: app }}
"
    ));
    for url in ["http://u@a.example/", "http://a.example/a b", "ftp://a.example/", "http:///"] {
        refused(&format!("{INTERNAL}  - {{ get: '{url}', to: app }}\n"), &["is not a URL"]);
    }
}

#[test]
fn repetitions_are_bounded() {
    refused(
        &format!("{INTERNAL}  - {{ get: http://a.example/, to: app, repeat: 100001 }}\n"),
        &["a test is repeated 100001 times", "expected at most 100000"],
    );
}

#[test]
fn a_failure_in_a_later_round_shows_that_round() {
    let rules = rules(
        "listeners: [':80']
pools: { app: { servers: ['10.0.0.1:80', '10.0.0.2:80'] } }
sites: { a.example: { to: app } }
tests: [{ get: http://a.example/, server: '10.0.0.1:80', repeat: 2 }]
",
    );
    let failures = run_all(&rules);
    assert_eq!(failures[0].message, "expected server 10.0.0.1:80, got 10.0.0.2:80");
    assert!(failures[0].trace.ends_with("+ server    10.0.0.2:80  round_robin\n"), "{}", failures[0].trace);
}

fn explained(yaml: &str, url: &str, fields: &[(&str, &str)], client: &str) -> String {
    let rules = rules(yaml);
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = TestRequest::new("GET", url, fields, client.parse().ok()).unwrap();
    let mut simulation = Simulation::new(&rules, HandState::new(rules.policy(), &[]), 1);
    policy::explain::write(&simulation.explain(&request).1)
}

#[test]
fn explaining_says_what_was_wanted_and_what_was_there() {
    let text = explained(
        "listeners: [':80']
pools: { a: { servers: ['10.0.0.1:80'] }, b: { servers: ['10.0.0.2:80'] } }
sites:
  a.example:
    routes:
      - { name: one, header: { x-b: { not: z } }, to: a }
      - { name: two, query: { q: { in: ['1', '2'] } }, to: a }
      - { name: three, cookie: { c: { present: true } }, to: a }
      - { name: four, client: [10.0.0.0/8, '2001:db8::/32'], to: a }
      - { to: { a: 97.5%, b: 2.5% } }
",
        "http://a.example/?q=a+b&q=c",
        &[("X-B", "y"), ("x-b", "z")],
        "192.0.2.1",
    );
    insta::assert_snapshot!(text);
}

#[test]
fn explaining_says_which_filters_are_used() {
    let yaml = "listeners: [':80']
pools: { calls: { servers: ['10.0.0.1:80'], protocol: h2c } }
sites: { a.example: { use: [grpc_web], routes: [{ path: /plain, skip: [grpc_web], to: calls }, { to: calls }] } }
";
    let used = |path: &str| explained(yaml, &format!("http://a.example{path}"), &[], "192.0.2.1");
    assert!(used("/x").contains("\n+ filter    grpc_web     the route uses it\n"), "{}", used("/x"));
    assert!(!used("/plain").contains("grpc_web"));
}

#[test]
fn explaining_says_who_asks_behind_a_proxy() {
    let fields = [("X-Forwarded-For", "203.0.113.7"), ("X-Forwarded-Proto", "http")];
    let text = explained(BEHIND.trim_end_matches("tests:\n"), "https://other.example/", &fields, "127.0.0.1");
    let first = text.lines().next().unwrap();
    assert_eq!(first, "+ client    203.0.113.7    over http, says the proxy 127.0.0.1");
}

#[test]
fn many_routes_are_told_of_together() {
    let mut yaml =
        "listeners: [':80']\npools: { a: { servers: ['10.0.0.1:80'] } }\nsites:\n  a.example:\n    routes:\n"
            .to_owned();
    for number in 0..3000 {
        yaml.push_str(&format!("      - {{ path: /p{number}, to: a }}\n"));
        if number % 1000 == 500 {
            yaml.push_str(&format!("      - {{ path: '/x/*', header: {{ n: '{number}' }}, to: a }}\n"));
        }
    }
    yaml.push_str("      - { path: '/x/*', to: a }\n");
    let text = explained(&yaml, "http://a.example/x/y", &[], "192.0.2.1");
    insta::assert_snapshot!(text);
}
