//! Draining, the access log, descriptors, many connections, and long runs.

use crate::support::{Pair, Tidegate, simple, tool, wait_for};
use std::net::{IpAddr, Ipv4Addr};
use testkit::client::{Client, End};
use testkit::message::pattern;
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

const TENTH: std::time::Duration = std::time::Duration::from_millis(100);

#[test]
fn a_drain_lets_running_requests_finish() {
    let mut pair = Pair::start();
    let mut idle = pair.client();
    assert_eq!(idle.get("a", "/").unwrap().status, 200);
    let mut running = pair.running("/slow/700");
    pair.tidegate.signal("TERM");
    assert_eq!(idle.read_to_end(), (Vec::new(), End::Closed), "idle connections are closed");
    let response = running.read("GET").unwrap();
    assert_eq!(response.status, 200);
    assert!(response.head.has_token("connection", "close"));
    assert_eq!(pair.tidegate.wait().code(), Some(0));
    assert!(Client::connect(pair.tidegate.address()).is_err());
    assert_eq!(pair.tidegate.log().len(), 2, "the log is complete");
}

#[test]
fn a_port_that_is_drained_refuses() {
    let mut pair = Pair::start();
    let mut running = pair.running("/slow/3000");
    pair.tidegate.signal("TERM");
    wait_for("a refusal", || Client::connect(pair.tidegate.address()).is_err());
    assert_eq!(pair.origin.in_flight(), 1, "while the request goes on");
    assert_eq!(running.read("GET").unwrap().status, 200);
    assert_eq!(pair.tidegate.wait().code(), Some(0));
}

#[test]
fn a_standard_error_that_takes_nothing_harms_nothing() {
    // Whoever reads it leaves after the two lines that say that it is ready.
    let reader_leaves = ["bash", "-c", r#"exec "$0" "$@" 2> >(head -n 2 >&2)"#];
    let origin = Origin::start("one").unwrap();
    let health = ", health: { path: /healthz, every: 50ms, timeout: 1s, rise: 1, fall: 1 }";
    let yaml = simple(&[origin.address], health, "");
    let tidegate = Tidegate::start_in(tempfile::tempdir().unwrap(), &yaml, &reader_leaves);
    let status = || tidegate.client().get("a", "/").map_or(0, |response| response.status);
    for _ in 0..2 {
        assert_eq!(status(), 200);
        origin.fail(true);
        wait_for("the server to be left", || status() == 503);
        origin.fail(false);
        wait_for("the server to be taken back", || status() == 200);
    }
    kill(tidegate.engine_pid());
    wait_for("another engine", || status() == 200);
}

#[test]
fn a_drain_ends_after_its_limit() {
    let mut pair = Pair::with("", "drain: { limit: 300ms }");
    let mut running = pair.running("/slow/60000");
    assert_eq!(pair.tidegate.stop().code(), Some(0));
    assert_ne!(running.read_to_end().1, End::StillOpen);
}

#[test]
fn a_second_signal_stops_now() {
    let mut pair = Pair::start();
    let _running = pair.running("/slow/60000");
    let mut idle = pair.client();
    assert_eq!(idle.get("a", "/").unwrap().status, 200);
    pair.tidegate.signal("TERM");
    assert_eq!(idle.read_to_end().1, End::Closed, "it is draining");
    pair.tidegate.signal("TERM");
    assert_eq!(pair.tidegate.wait().code(), Some(1), "requests were cut");
}

#[test]
fn grace_keeps_accepting() {
    let mut pair = Pair::with("", "drain: { grace: 1s }");
    pair.tidegate.signal("TERM");
    let asked = std::time::Instant::now();
    wait_for("the drain", || pair.tidegate.stderr().iter().any(|line| line.contains("draining")));
    while asked.elapsed() < std::time::Duration::from_millis(700) {
        assert_eq!(pair.client().get("a", "/").unwrap().status, 200);
    }
    assert_eq!(pair.tidegate.wait().code(), Some(0));
    assert!(asked.elapsed() >= std::time::Duration::from_secs(1), "only {:?}", asked.elapsed());
    assert!(Client::connect(pair.tidegate.address()).is_err());
}

#[test]
fn an_engine_that_dies_is_replaced() {
    let pair = Pair::start();
    assert_eq!(pair.client().get("a", "/").unwrap().status, 200);
    let engine = pair.tidegate.engine_pid();
    assert_eq!(tool::run("kill", &["-KILL", &engine.to_string()]).code, 0);
    // The sockets stay open: a client waits for the next engine instead of being refused.
    wait_for("the next engine", || Client::connect(pair.tidegate.address()).unwrap().get("a", "/").is_ok());
    assert_ne!(pair.tidegate.engine_pid(), engine);
    for told in ["the engine died", "signal: 9", "a new engine serves"] {
        wait_for(told, || pair.tidegate.stderr().iter().any(|line| line.contains(told)));
    }
}

/// Whether a process is there and no zombie.
fn lives(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The state stands behind the name, which is in parentheses.
    stat.rsplit(") ").next().and_then(|rest| rest.chars().next()).is_some_and(|state| !"ZX".contains(state))
}

fn kill(pid: u32) {
    assert_eq!(tool::run("kill", &["-KILL", &pid.to_string()]).code, 0);
}

#[test]
fn a_hangup_is_ignored_and_told() {
    let pair = Pair::start();
    let mut client = pair.client();
    assert_eq!(client.get("a", "/").unwrap().status, 200);
    let engine = pair.tidegate.engine_pid();
    for count in 1..=2 {
        pair.tidegate.signal("HUP");
        wait_for("a line about it", || {
            let told = |line: &&String| line.contains("SIGHUP ignored") && line.contains("restart");
            pair.tidegate.stderr().iter().filter(told).count() == count
        });
    }
    // A terminal that closes tells all of its processes.
    assert_eq!(tool::run("kill", &["-HUP", &engine.to_string()]).code, 0);
    assert_eq!(client.get("a", "/").unwrap().status, 200);
    assert_eq!(pair.client().get("a", "/").unwrap().status, 200);
    assert_eq!(pair.tidegate.engine_pid(), engine);
}

#[test]
fn signals_to_the_engine_are_left_to_the_supervisor() {
    let mut pair = Pair::start();
    let engine = pair.tidegate.engine_pid();
    let mut client = pair.client();
    for signal in ["-TERM", "-INT"] {
        assert_eq!(tool::run("kill", &[signal, &engine.to_string()]).code, 0);
        assert_eq!(client.get("a", "/").unwrap().status, 200, "{signal}");
    }
    assert_eq!(pair.tidegate.engine_pid(), engine);
    pair.tidegate.signal("INT");
    assert_eq!(pair.tidegate.wait().code(), Some(0), "INT drains as TERM does");
}

#[test]
fn an_engine_does_not_outlive_its_supervisor() {
    let mut pair = Pair::start();
    let mut running = pair.running("/slow/500");
    let engine = pair.tidegate.engine_pid();
    kill(pair.tidegate.pid());
    assert_eq!(pair.tidegate.wait().code(), None, "it was killed");
    assert_eq!(running.read("GET").unwrap().status, 200, "it drains");
    wait_for("the engine's end", || !lives(engine));
    assert!(Client::connect(pair.tidegate.address()).is_err(), "nobody listens any more");
}

#[test]
fn a_signal_during_the_start_ends_it() {
    // A check that is not answered holds the start up.
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::ReadToEnd]]).unwrap();
    let health = ", health: { path: /healthz, timeout: 1m }";
    let folder = tempfile::tempdir().unwrap();
    let mut tidegate = Tidegate::launch(folder, &simple(&[peer.address], health, ""), &[]);
    assert!(peer.wait(|seen| seen.first().is_some_and(|seen| !seen.bytes.is_empty())));
    let engine = tidegate.engine_pid();
    tidegate.signal("TERM");
    assert_eq!(tidegate.wait().code(), Some(0), "it was asked to");
    wait_for("the engine's end", || !lives(engine));
    assert!(!tidegate.stderr().iter().any(|line| line.contains("ready")), "{:?}", tidegate.stderr());
}

#[test]
fn an_engine_that_dies_while_it_drains_is_not_replaced() {
    let mut pair = Pair::start();
    let _running = pair.running("/slow/60000");
    let mut idle = pair.client();
    assert_eq!(idle.get("a", "/").unwrap().status, 200);
    pair.tidegate.signal("TERM");
    assert_eq!(idle.read_to_end().1, End::Closed, "it is draining");
    kill(pair.tidegate.engine_pid());
    assert_eq!(pair.tidegate.wait().code(), Some(1), "requests were cut");
}

#[test]
fn a_signal_while_no_engine_lives_ends_it() {
    let mut pair = Pair::start();
    kill(pair.tidegate.engine_pid());
    wait_for("its death to be noticed", || {
        pair.tidegate.stderr().iter().any(|line| line.contains("the engine died"))
    });
    assert_eq!(pair.tidegate.engine(), None, "the next one comes after a second");
    assert_eq!(pair.tidegate.stop().code(), Some(0), "nothing was cut");
}

#[test]
fn a_line_of_the_access_log_says_all() {
    let pair = Pair::start();
    let request = "POST /a%2Fb?x=\"1\" HTTP/1.1\r\nHost: Shop.Example:80\r\nContent-Length: 5\r\n\r\nhello";
    let bytes = pair.client().request(request).unwrap().body.len();
    let line = pair.tidegate.logs(1).remove(0);
    for (key, wanted) in [
        ("client", "127.0.0.1"),
        ("scheme", "http"),
        ("method", "POST"),
        ("path", "/a%2Fb"),
        ("query", "x=\"1\""),
        ("site", "*"),
        ("route", "*"),
        ("pool", "app"),
    ] {
        assert_eq!(line[key], wanted, "{line}");
    }
    assert!(line["peer"].is_null() && line["detail"].is_null() && line["line"].is_null(), "{line}");
    assert_eq!(line["bytes_in"], 5);
    let time = |key: &str| line[key].as_f64().unwrap();
    assert!(time("connect_ms") > 0.0 && time("first_byte_ms") > 0.0, "{line}");
    assert!(time("connect_ms") + time("first_byte_ms") <= time("duration_ms") + 0.01, "{line}");
    assert_eq!(line["server"], pair.origin.address.to_string());
    assert_eq!((&line["status"], &line["bytes"], &line["retries"]), (&200.into(), &bytes.into(), &0.into()));
    assert_eq!(line["time"].as_str().unwrap().len(), "2026-01-01T00:00:00.000Z".len());
    assert!(line["host"].as_str().unwrap().to_lowercase().starts_with("shop.example"));
    assert!(line["reason"].is_null());
}

#[test]
fn the_access_log_tells_how_long_each_phase_took() {
    // The first server is reached in no time and then resets; the second thinks for a while.
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::Pause(TENTH), Step::Reset]]).unwrap();
    let origin = Origin::start("one").unwrap();
    let tidegate = Tidegate::start(&simple(&[peer.address, origin.address], "", "workers: 1"));
    let mut client = tidegate.client();
    for _ in 0..2 {
        assert_eq!(client.get("a", "/slow/200").unwrap().status, 200);
    }
    let lines = tidegate.logs(2);
    let line = lines.iter().find(|line| line["retries"] == 1).expect("one of the two went round");
    let time = |key: &str| line[key].as_f64().unwrap();
    assert_eq!(line["server"], origin.address.to_string());
    assert!(time("connect_ms") >= 100.0, "earlier attempts are a part of it: {line}");
    assert!(time("first_byte_ms") >= 200.0 && time("duration_ms") >= 300.0, "{line}");
}

#[test]
fn the_access_log_names_what_is_no_head() {
    let pair = Pair::start();
    let mut client = pair.client();
    assert_eq!(client.request("\x16\x03\x01 hello\r\n\r\n").unwrap().status, 400);
    let line = pair.tidegate.logs(1).remove(0);
    assert_eq!((&line["line"], &line["status"]), (&"\x16\x03\x01 hello".into(), &400.into()), "{line}");
    for key in ["method", "host", "path", "site", "route", "pool", "server", "connect_ms"] {
        assert!(line[key].is_null(), "{key}: {line}");
    }
    assert!(line["reason"].is_string() && line["request_id"].as_str().unwrap().len() == 32, "{line}");
}

#[test]
fn the_access_log_may_be_a_file_or_off() {
    let origin = Origin::start("one").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("access.log");
    let more = "observe: { access_log: { to: access.log } }";
    let mut tidegate = Tidegate::start_in(folder, &simple(&[origin.address], "", more), &[]);
    assert_eq!(tidegate.client().get("a", "/").unwrap().status, 200);
    assert_eq!(tidegate.stop().code(), Some(0));
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 1);
    assert!(tidegate.log().is_empty());
    let mut tidegate = Tidegate::start(&simple(&[origin.address], "", "observe: { access_log: off }"));
    assert_eq!(tidegate.client().get("a", "/").unwrap().status, 200);
    assert_eq!(tidegate.stop().code(), Some(0));
    assert!(tidegate.log().is_empty());
}

#[test]
fn running_out_of_descriptors_pauses_accepting_only() {
    const OLD: usize = 6;
    let origin = Origin::start("one").unwrap();
    let yaml = simple(&[origin.address], "", "workers: 1");
    let tidegate = Tidegate::start_in(tempfile::tempdir().unwrap(), &yaml, &["prlimit", "--nofile=64:64"]);
    let mut old: Vec<Client> = (0..OLD).map(|_| tidegate.client()).collect();
    for client in &mut old {
        assert_eq!(client.get("a", "/").unwrap().status, 200);
    }
    assert_eq!(origin.connections(), 1, "one is enough for one request after the other");
    let crowd: Vec<Client> = (0..200).map(|_| tidegate.client()).collect();
    wait_for("a warning", || {
        tidegate
            .stderr()
            .iter()
            .any(|line| line.contains("WARN") && line.contains("file descriptors have run out"))
    });
    for round in 0..5 {
        // All at once, so that each needs a connection to the server, and most of them a new one.
        for client in &mut old {
            client.send("GET /slow/300 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        }
        wait_for("all of them at the server", || origin.in_flight() == OLD as u64);
        for client in &mut old {
            assert_eq!(
                client.read("GET").unwrap().status,
                200,
                "round {round}: established connections go on"
            );
        }
    }
    assert!(origin.connections() >= OLD as u64, "{} connections to the server", origin.connections());
    let mut waiting = tidegate.client();
    waiting.send("GET /later HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    drop(crowd);
    assert_eq!(waiting.read("GET").unwrap().status, 200, "it was in the queue, and its turn comes");
    for _ in 0..100 {
        assert_eq!(tidegate.client().get("a", "/").unwrap().status, 200, "accepting goes on");
    }
    for client in &mut old {
        assert_eq!(client.get("a", "/").unwrap().status, 200);
    }
}

/// What one idle connection may cost the engine in user memory. Measured: some 1,700 bytes in a debug build, the allocator's share
/// included.
const IDLE_BYTES_MAX: i64 = 2 * 1024;

#[test]
fn ten_thousand_idle_connections_are_held_and_cost_little() {
    const COUNT: i64 = 10_000;
    let limit = tidegate::process::limits::raise_open_files();
    assert!(
        limit.is_none_or(|limit| limit >= COUNT as u64 + 2000),
        "{limit:?} open files are allowed, ten thousand connections need more: raise the hard limit (`ulimit -Hn`)"
    );
    let pair = Pair::start();
    // What the first requests make once does not count: buffers, records, the log.
    let connect = |number: i64| {
        // One source address has some 28,000 ports, and other tests use them too.
        let source = IpAddr::V4(Ipv4Addr::new(127, 0, 1, (number / 2500) as u8));
        let mut client = Client::connect_from(source, pair.tidegate.address()).unwrap();
        assert_eq!(client.get("a", "/size/10").unwrap().status, 200);
        client
    };
    let _first: Vec<Client> = (0..100).map(connect).collect();
    let before = pair.tidegate.resident_kb();
    let mut crowd: Vec<Client> = (0..COUNT).map(connect).collect();
    let each = (pair.tidegate.resident_kb() - before) * 1024 / COUNT;
    println!("{each} bytes of user memory for each idle connection");
    assert!(each < IDLE_BYTES_MAX, "{each} bytes for each");
    for client in crowd.iter_mut().step_by(7) {
        assert_eq!(client.get("a", "/size/10").unwrap().body, pattern(10));
    }
}

/// What one route of many may cost both processes together, its text included. Measured in a debug build: 540 bytes where
/// sites differ in host, 460 where routes of one differ in path; a fifth of it is what each process keeps of its pages.
const ROUTE_BYTES_MAX: u64 = 750;

#[test]
fn twenty_thousand_routes_cost_little() {
    const COUNT: u64 = 20_000;
    let origin = Origin::start("one").unwrap();
    let head = format!(
        "listeners: [{{ name: web, address: '127.0.0.1:0' }}]\npools: {{ app: {{ servers: ['{}'] }} }}\nsites:\n",
        origin.address
    );
    let hosts = |count: u64| -> String {
        head.clone()
            + &(0..count).map(|index| format!("  h{index}.example: {{ to: app }}\n")).collect::<String>()
    };
    let paths = |count: u64| -> String {
        let route = |index| format!("      - {{ path: /section{}/page{index}/*, to: app }}\n", index % 100);
        head.clone() + "  h0.example:\n    routes:\n" + &(0..count).map(route).collect::<String>()
    };
    let few = Tidegate::start(&hosts(1));
    for (kind, yaml) in [("host", hosts(COUNT)), ("path", paths(COUNT))] {
        let many = Tidegate::start(&yaml);
        let each = || many.private_kb().saturating_sub(few.private_kb()) * 1024 / COUNT;
        // What reading took is given back a while after.
        wait_for("memory to be given back", || each() < ROUTE_BYTES_MAX);
        println!("{} bytes of memory for each route by {kind}", each());
        assert_eq!(many.client().get("h0.example", "/section0/page0/x").unwrap().status, 200);
    }
}

#[test]
fn tens_of_thousands_of_mixed_requests_do_not_drift() {
    let pair = Pair::with("", "observe: { access_log: off }");
    std::thread::scope(|scope| {
        for seed in 0..4_usize {
            let mut client = pair.client();
            scope.spawn(move || mixed(&mut client, seed, 6000));
        }
    });
    assert!(pair.origin.connections() <= 40, "connections are kept: {}", pair.origin.connections());
}

/// Sends requests of all kinds over one connection and checks each answer.
fn mixed(client: &mut Client, seed: usize, count: usize) {
    let mut number = seed as u64 + 1;
    for _ in 0..count {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let size = 1 + (number >> 40) as usize % 3000;
        match number >> 61 {
            0 | 1 => assert!(client.get("a", &format!("/size/{size}")).unwrap().body == pattern(size)),
            2 => {
                let response = client.get("a", &format!("/chunked/3/{size}")).unwrap();
                assert!(response.body == pattern(3 * size), "chunks of {size}");
                assert_eq!(response.trailers.len(), 1, "chunks of {size}");
            }
            3 => {
                let head = client.request(format!("HEAD /size/{size} HTTP/1.1\r\nHost: a\r\n\r\n")).unwrap();
                assert_eq!(head.value("content-length"), Some(size.to_string().as_str()));
            }
            4 => {
                let mut request =
                    format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n\r\n").into_bytes();
                request.extend(pattern(size));
                assert!(client.request(&request).unwrap().body == pattern(size));
            }
            5 => {
                let mut request = format!(
                    "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n",
                    size + 1
                )
                .into_bytes();
                request.extend(pattern(size + 1));
                request.extend_from_slice(b"\r\n0\r\n\r\n");
                assert!(client.request(&request).unwrap().body == pattern(size + 1));
            }
            6 => assert_eq!(client.get("a", "/status/304").unwrap().status, 304),
            _ => {
                client
                    .send("GET /size/1 HTTP/1.1\r\nHost: a\r\n\r\nGET /size/2 HTTP/1.1\r\nHost: a\r\n\r\n")
                    .unwrap();
                assert_eq!(client.read("GET").unwrap().body.len(), 1);
                assert_eq!(client.read("GET").unwrap().body.len(), 2);
            }
        }
    }
}

#[test]
fn wrk_finds_no_error() {
    let pair = Pair::start();
    let url = format!("http://{}/size/1000", pair.tidegate.address());
    let output = tool::run("wrk", &["-t1", "-c16", "-d2s", &url]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(
        !output.stdout.contains("Socket errors") && !output.stdout.contains("Non-2xx"),
        "{}",
        output.stdout
    );
    let requests = output.stdout.lines().find_map(|line| line.trim().split_once(" requests in "));
    let requests: u64 = requests.expect("a number of requests").0.parse().unwrap();
    assert!(requests > 1000, "only {requests} requests in two seconds");
    assert!(pair.origin.requests() >= requests, "each was answered by the server");
}
