//! Large configurations load quickly and in bounded memory, the index of their routes included. `cargo xtask test` runs this in a release build
//! too.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{load, rendered};
use policy::decide::{CookieKeys, Rules};
use policy::model::{Route, Site};
use policy::testing::run_all;
use std::fmt::Write as _;
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const ROUTES: usize = 100_000;
const HEAD: &str = "tls: { internal: true }\npools: { app: { servers: [10.0.0.1:80] } }\nsites:\n";

/// What is promised of a release build, which needs less than half a second; far above what a debug build takes, so
/// that only a wrong order of growth fails, not a busy machine.
const LIMIT: Duration = if cfg!(debug_assertions) { Duration::from_secs(40) } else { Duration::from_secs(2) };

/// Time that this thread has run, which other programs and tests do not make longer; where the system does not tell,
/// time that has gone by.
fn time_used() -> Duration {
    static START: OnceLock<Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let ran = told.and_then(|told| told.split(' ').next()?.parse().ok());
    ran.map_or_else(|| START.get_or_init(Instant::now).elapsed(), Duration::from_nanos)
}

/// What reading may take at its peak, in megabytes, program included. Measured: some 170.
const PEAK_MAX: u64 = 230;

/// Set for the process whose memory is looked at: what its routes differ in.
const SCENE: &str = "TIDEGATE_SCALE_SCENE";

/// A configuration whose routes differ in host or path.
fn many(kind: &str) -> String {
    let mut text = String::from(HEAD);
    if kind == "paths" {
        text.push_str("  example.com:\n    routes:\n");
    }
    for index in 0..ROUTES {
        match kind {
            "hosts" => writeln!(text, "  h{index}.example.com: {{ to: app }}").unwrap(),
            _ => {
                writeln!(text, "      - {{ path: /section{}/page{index}/*, to: app }}", index % 100).unwrap();
            }
        }
    }
    text
}

#[test]
fn reading_many_routes_takes_bounded_memory() {
    if let Ok(kind) = std::env::var(SCENE) {
        let loaded = load(&many(&kind));
        let keys = CookieKeys { current: [7; 32], previous: None };
        let _rules = Rules::new(Arc::new(loaded.policy.unwrap()), keys);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        println!("{}", status.lines().find(|line| line.starts_with("VmHWM:")).unwrap());
        return;
    }
    if !std::path::Path::new("/proc/self/status").exists() {
        println!("SKIPPED: the system does not tell how much memory a process had");
        return;
    }
    for kind in ["hosts", "paths"] {
        // A process of its own, for the other tests need memory too.
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "reading_many_routes_takes_bounded_memory", "--nocapture"])
            .env(SCENE, kind)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{text}");
        let peak = text.lines().find_map(|line| line.split_once("VmHWM:")).unwrap().1;
        let peak = peak.split_whitespace().next().unwrap().parse::<u64>().unwrap() >> 10;
        println!("{kind}: {peak} MB at the peak");
        assert!(peak <= PEAK_MAX, "{kind}: {peak} MB");
    }
    // What stays: a route has its name and its path besides, a site the names of its hosts and its routes.
    assert!(size_of::<Route>() <= 96, "{}", size_of::<Route>());
    assert!(size_of::<Site>() <= 128, "{}", size_of::<Site>());
}

fn check(name: &str, text: &str, sites: usize, routes: usize) {
    let start = time_used();
    let loaded = load(text);
    let read = time_used() - start;
    assert!(loaded.diagnostics.is_empty(), "{}", rendered(&loaded));
    let policy = Arc::new(loaded.policy.unwrap());
    let rules = Rules::new(Arc::clone(&policy), CookieKeys { current: [7; 32], previous: None });
    let took = time_used() - start;
    println!("{name}: {} MB read in {read:?}, ready in {took:?}", text.len() >> 20);
    drop(rules);
    assert_eq!(policy.sites.len(), sites);
    assert_eq!(policy.sites.iter().map(|site| site.routes.len()).sum::<usize>(), routes);
    assert!(took < LIMIT, "{name} took {took:?}");
}

#[test]
fn a_hundred_thousand_hosts_load_quickly() {
    check("hosts", &many("hosts"), ROUTES, ROUTES);
}

#[test]
fn a_hundred_thousand_paths_load_quickly() {
    check("paths", &many("paths"), 1, ROUTES);
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

/// A pool of so many servers, with weights.
fn servers(count: usize, balance: &str) -> String {
    let mut text = format!("listeners: [':80']\npools:\n  app:\n    balance: {balance}\n    servers:\n");
    for index in 0..count {
        let (high, low, weight) = (index / 250, index % 250, 1 + index % 1000);
        writeln!(text, "      - {{ address: '10.0.{high}.{low}:80', weight: {weight} }}").unwrap();
    }
    text.push_str("sites: { '*': { to: app } }\n");
    text
}

#[test]
fn the_largest_pool_loads_quickly() {
    for balance in ["round_robin", "p2c", "ring_hash(client.ip)"] {
        check(balance, &servers(10_000, balance), 1, 1);
    }
    let loaded = load(&servers(10_001, "round_robin"));
    assert_eq!(loaded.diagnostics.len(), 1, "{}", rendered(&loaded));
    let shown = rendered(&loaded);
    assert!(shown.contains("the pool `app` has 10001 servers"), "{shown}");
    assert!(shown.contains("expected at most 10000"), "{shown}");
}

#[test]
fn routes_on_one_path_load_quickly() {
    const ON_ONE_PATH: usize = 40_000;
    // Each tells them apart by something else; the last one by nothing that an index knows.
    for condition in [
        "header: { x-tenant: tN }",
        "header: { x-all: same, x-tenant: { in: [tN, uN] } }",
        "cookie: { tenant: tN }, method: GET",
        "query: { tenant: { regex: '^tN$' } }",
        "client: 10.ADDRESS/32",
    ] {
        let mut text = String::from(HEAD);
        text.push_str("  example.com:\n    routes:\n");
        for index in 0..ON_ONE_PATH {
            let address = format!("{}.{}.{}", index >> 16, (index >> 8) & 255, index & 255);
            let condition = condition.replace("tN", &format!("t{index}")).replace("uN", &format!("u{index}"));
            let condition = condition.replace("ADDRESS", &address);
            writeln!(text, "      - {{ path: /api, {condition}, to: app }}").unwrap();
        }
        check(condition, &text, 1, ON_ONE_PATH);
    }
}

#[test]
fn hosts_and_paths_and_captures_load_quickly() {
    let mut text = String::from(HEAD);
    for host in 0..ROUTES / 100 {
        writeln!(text, "  h{host}.example.com:\n    aliases: ['*.h{host}.example.com']\n    routes:")
            .unwrap();
        for path in 0..25 {
            writeln!(text, "      - {{ path: '/a{path}/{{id}}/b/{{name}}/*', to: app }}").unwrap();
            writeln!(text, "      - {{ path: '/a{path}/b{host}/c/d/e', method: [GET, HEAD], to: app }}")
                .unwrap();
            writeln!(text, "      - {{ path: '/b{path}/c/d/{{id}}', header: {{ x: '1' }}, to: app }}")
                .unwrap();
            // Each takes tens of microseconds to compile.
            let pattern =
                if path < 5 { format!("{{ regex: '/c{path}/[a-z]+' }}") } else { format!("/c{path}") };
            writeln!(text, "      - {{ path: {pattern}, to: app }}").unwrap();
        }
    }
    check("all", &text, ROUTES / 100, ROUTES);
}
