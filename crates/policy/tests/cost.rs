//! What a decision costs does not grow with the number of routes: counted in instructions, which no busy machine
//! changes.
//!
//! Counting takes valgrind and a release build (`cargo test --release -p tidegate-policy --test cost`); elsewhere
//! the test says that it is skipped.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::load;
use policy::decide::{CookieKeys, Dice, Input, Machine, Rules, Step};
use policy::testing::TestRequest;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;

const FEW: usize = 10;
const MANY: usize = 100_000;
/// Decisions that are counted.
const DECISIONS: usize = 10_000;
/// How much more many routes may cost than few.
const RATIO_MAX: f64 = 1.1;

/// Set for the process that valgrind watches: what the routes differ in, and how many there are.
const SCENE: &str = "TIDEGATE_COST_SCENE";

#[test]
fn many_routes_cost_what_few_do() {
    if let Ok(scene) = std::env::var(SCENE) {
        return run(&scene);
    }
    if cfg!(debug_assertions) {
        println!("SKIPPED: instructions are counted in a release build");
        return;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIPPED: valgrind is not installed");
        return;
    }
    for kind in ["hosts", "paths"] {
        let (few, many) = (count(kind, FEW), count(kind, MANY));
        let ratio = many as f64 / few as f64;
        println!(
            "{kind}: {} instructions a decision among {FEW}, {} among {MANY}: {ratio:.3}",
            few / DECISIONS as u64,
            many / DECISIONS as u64
        );
        assert!(few > DECISIONS as u64 * 50, "{kind}: the decisions were not counted");
        assert!(ratio <= RATIO_MAX, "{kind}: {ratio:.3} times the instructions");
    }
}

/// The instructions of this very test, run in a scene, inside [`decide_many`] alone.
fn count(kind: &str, routes: usize) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*decide_many*", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "many_routes_cost_what_few_do", "--test-threads=1"])
        .env(SCENE, format!("{kind} {routes}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    collected.trim().parse().unwrap()
}

fn run(scene: &str) {
    let (kind, routes) = scene.split_once(' ').unwrap();
    let routes: usize = routes.parse().unwrap();
    let mut text =
        String::from("tls: { internal: true }\npools: { app: { servers: [10.0.0.1:80] } }\nsites:\n");
    if kind == "paths" {
        text.push_str("  example.com:\n    routes:\n");
    }
    for index in 0..routes {
        match kind {
            "hosts" => writeln!(text, "  {}: {{ to: app }}", host(index)).unwrap(),
            _ => writeln!(text, "      - {{ path: '{}/*', to: app }}", path(index)).unwrap(),
        }
    }
    let policy = load(&text).policy.unwrap();
    let rules = Rules::new(Arc::new(policy), CookieKeys { current: [7; 32], previous: None });
    // Spread over all of them; as many different requests in either case, so that only the routes differ.
    let requests: Vec<TestRequest> = (0..FEW)
        .map(|number| {
            let index = number * (routes / FEW);
            let url = match kind {
                "hosts" => format!("https://{}/a", host(index)),
                _ => format!("https://example.com{}/a", path(index)),
            };
            TestRequest::new("GET", &url, Vec::new(), None).unwrap()
        })
        .collect();
    assert_eq!(decide_many(&rules, &requests), DECISIONS);
}

/// Names of the same length, whatever the number.
fn host(index: usize) -> String {
    format!("h{index:06}.example.com")
}

fn path(index: usize) -> String {
    format!("/section{:02}/page{index:06}", index % 100)
}

/// The decisions that led to a route.
#[inline(never)]
fn decide_many(rules: &Rules, requests: &[TestRequest]) -> usize {
    let mut dice = Dice::new(1);
    let led = |request: &TestRequest, dice: &mut Dice| {
        let step = Machine::new(rules).step(&request.facts(rules.policy()), Input::Head, dice, &mut ());
        matches!(black_box(step), Step::Done(decided) if decided.route.is_some())
    };
    (0..DECISIONS).filter(|number| led(&requests[number % requests.len()], &mut dice)).count()
}
