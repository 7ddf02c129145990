//! Large configurations load quickly.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{load, rendered};
use policy::decide::{CookieKeys, Rules};
use policy::testing::run_all;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUTES: usize = 100_000;
const HEAD: &str = "tls: { internal: true }\npools: { app: { servers: [10.0.0.1:80] } }\nsites:\n";

/// What is promised of a release build, which needs less than half a second; far above what a debug build takes, so
/// that only a wrong order of growth fails, not a busy machine.
const LIMIT: Duration = if cfg!(debug_assertions) { Duration::from_secs(40) } else { Duration::from_secs(2) };

fn check(name: &str, text: &str, sites: usize, routes: usize) {
    let start = Instant::now();
    let loaded = load(text);
    let took = start.elapsed();
    println!("{name}: {} MB in {took:?}", text.len() >> 20);
    assert!(loaded.diagnostics.is_empty(), "{}", rendered(&loaded));
    let policy = loaded.policy.unwrap();
    assert_eq!(policy.sites.len(), sites);
    assert_eq!(policy.sites.iter().map(|site| site.routes.len()).sum::<usize>(), routes);
    assert!(took < LIMIT, "{name} took {took:?}");
}

#[test]
fn a_hundred_thousand_hosts_load_quickly() {
    let mut text = String::from(HEAD);
    for index in 0..ROUTES {
        writeln!(text, "  h{index}.example.com: {{ to: app }}").unwrap();
    }
    check("hosts", &text, ROUTES, ROUTES);
}

#[test]
fn a_hundred_thousand_paths_load_quickly() {
    let mut text = String::from(HEAD);
    text.push_str("  example.com:\n    routes:\n");
    for index in 0..ROUTES {
        writeln!(text, "      - {{ path: /section{}/page{index}/*, to: app }}", index % 100).unwrap();
    }
    check("paths", &text, 1, ROUTES);
}

#[test]
fn tests_of_a_hundred_thousand_routes_run_quickly() {
    let mut text = String::from(HEAD);
    text.push_str("  example.com:\n    routes:\n");
    for index in 0..ROUTES {
        writeln!(text, "      - {{ path: /page{index}, to: app }}").unwrap();
    }
    text.push_str("tests:\n");
    for _ in 0..1000 {
        writeln!(text, "  - {{ get: https://example.com/page{}, to: app }}", ROUTES - 1).unwrap();
    }
    writeln!(text, "  - {{ get: https://example.com/page{}, to: app, repeat: 1000 }}", ROUTES - 1).unwrap();
    let loaded = load(&text);
    assert!(loaded.diagnostics.is_empty(), "{}", rendered(&loaded));
    let keys = CookieKeys { current: [7; 32], previous: None };
    let rules = Rules::new(Arc::new(loaded.policy.unwrap()), keys);
    let start = Instant::now();
    assert!(run_all(&rules).is_empty());
    let took = start.elapsed();
    // Two thousand decisions take some ten milliseconds; telling of each route took seconds, in a release build.
    assert!(took < Duration::from_secs(4), "{took:?}");
}
