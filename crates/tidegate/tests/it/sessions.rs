//! Sessions that stay on their server, balancing, and servers that leave and come back.

use crate::support::{Tidegate, simple, wait_for};
use testkit::client::{Client, Response};
use testkit::load::Load;
use testkit::origin::Origin;

fn origins(names: &[&str]) -> Vec<Origin> {
    names.iter().map(|name| Origin::start(name).unwrap()).collect()
}

fn start(origins: &[Origin], pool: &str) -> Tidegate {
    let addresses: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    Tidegate::start(&simple(&addresses, pool, ""))
}

fn with_cookie(client: &mut Client, path: &str, cookie: &str) -> Response {
    client.request(format!("GET {path} HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).unwrap()
}

/// The pair `name=value` of the first `Set-Cookie`.
fn set_cookie(response: &Response) -> Option<String> {
    response.value("set-cookie").map(|value| value.split(';').next().unwrap().to_owned())
}

#[test]
fn our_cookie_keeps_a_session_on_its_server() {
    let origins = origins(&["a", "b", "c"]);
    let tidegate = start(&origins, ", sticky: cookie");
    let mut client = tidegate.client();
    for _ in 0..6 {
        let first = client.get("a", "/").unwrap();
        let attributes = first.value("set-cookie").unwrap().to_ascii_lowercase();
        assert!(attributes.contains("httponly") && attributes.contains("samesite=lax"), "{attributes}");
        assert!(!attributes.contains("secure"), "over plain HTTP it would be lost");
        let cookie = set_cookie(&first).unwrap();
        assert!(cookie.starts_with("tidegate="));
        for number in 0..10 {
            let next =
                with_cookie(&mut client, &format!("/{number}?x={number}"), &format!("other=1; {cookie}"));
            assert_eq!(next.server(), first.server());
            assert_eq!(set_cookie(&next), None, "a session that stays needs no new cookie");
        }
    }
}

#[test]
fn a_forged_cookie_is_worth_nothing() {
    let origins = origins(&["a", "b"]);
    let tidegate = start(&origins, ", sticky: cookie");
    let mut client = tidegate.client();
    let cookie = set_cookie(&client.get("a", "/").unwrap()).unwrap();
    for forged in [
        format!("{cookie}x"),
        cookie[..cookie.len() - 1].to_owned(),
        "tidegate=AAAA".to_owned(),
        "tidegate=".to_owned(),
    ] {
        let response = with_cookie(&mut client, "/", &forged);
        assert_eq!(response.status, 200);
        assert!(set_cookie(&response).is_some(), "{forged} was believed");
    }
}

#[test]
fn a_session_moves_once_when_its_server_is_gone() {
    let mut origins = origins(&["a", "b", "c"]);
    let tidegate = start(
        &origins,
        ", sticky: cookie, health: { path: /healthz, every: 100ms, timeout: 1s, rise: 1, fall: 1 }",
    );
    let mut client = tidegate.client();
    let first = client.get("a", "/").unwrap();
    let cookie = set_cookie(&first).unwrap();
    let at = origins.iter().position(|origin| origin.name == first.server()).unwrap();
    let gone = origins.remove(at);
    let address = gone.address;
    gone.kill();
    let moved = with_cookie(&mut client, "/", &cookie);
    assert_eq!(moved.status, 200);
    assert_ne!(moved.server(), first.server());
    let cookie = set_cookie(&moved).expect("a new cookie says where it is now");
    let _back = Origin::start_at(first.server(), address).unwrap();
    wait_for("the server's return", || {
        (0..6).any(|_| client.get("a", "/").unwrap().server() == first.server())
    });
    for _ in 0..10 {
        let next = with_cookie(&mut client, "/", &cookie);
        assert_eq!(next.server(), moved.server(), "it stays moved");
        assert_eq!(set_cookie(&next), None);
    }
    wait_for("the move in the log", || tidegate.log().iter().any(|line| line["session"] == "moved"));
}

#[test]
fn the_applications_own_cookie_keeps_a_session_too() {
    let origins = origins(&["a", "b", "c"]);
    let tidegate = start(&origins, ", sticky: { by: cookie.ID }");
    let mut client = tidegate.client();
    for id in 0..12 {
        let taught = client.get("a", &format!("/cookie/ID/s{id}")).unwrap();
        for number in 0..5 {
            let next = with_cookie(&mut client, &format!("/{number}"), &format!("ID=s{id}"));
            assert_eq!(next.server(), taught.server(), "the answer's Set-Cookie made the record");
            assert_eq!(next.value("set-cookie"), None, "nothing is added");
        }
        let presented = with_cookie(&mut client, "/", &format!("ID=p{id}"));
        for _ in 0..5 {
            assert_eq!(with_cookie(&mut client, "/", &format!("ID=p{id}")).server(), presented.server());
        }
    }
}

/// Two pools of three servers with that `sticky`, and the routes of one site.
fn two_pools(origins: &[Origin], sticky: &str, routes: &str) -> Tidegate {
    let list = |origins: &[Origin]| {
        let all: Vec<_> = origins.iter().map(|origin| format!("\"{}\"", origin.address)).collect();
        all.join(", ")
    };
    Tidegate::start(&format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\" }}]
pools:
  one: {{ servers: [{}], sticky: {sticky} }}
  two: {{ like: one, servers: [{}] }}
sites: {{ '*': {{ routes: [{routes}] }} }}\nworkers: 2\n",
        list(&origins[..3]),
        list(&origins[3..])
    ))
}

#[test]
fn two_pools_of_one_site_keep_their_sessions_with_one_jar() {
    let origins = origins(&["a", "b", "c", "d", "e", "f"]);
    let tidegate = two_pools(&origins, "cookie", "{ path: '/api/*', to: two }, { to: one }");
    let mut client = tidegate.client();
    let first = client.get("a", "/cart").unwrap();
    let second = with_cookie(&mut client, "/api/x", &set_cookie(&first).unwrap());
    let jar = set_cookie(&second).unwrap();
    for _ in 0..10 {
        for (path, home) in [("/cart", &first), ("/api/x", &second)] {
            let next = with_cookie(&mut client, path, &jar);
            assert_eq!((next.server(), set_cookie(&next)), (home.server(), None), "{path}");
        }
    }
}

#[test]
fn a_canary_stays_though_its_first_pool_has_a_route_of_its_own() {
    let origins = origins(&["a", "b", "c", "d", "e", "f"]);
    let routes = "{ path: /plain, to: one }, { to: { one: 50%, two: 50% } }";
    let tidegate = two_pools(&origins, "{ by: cookie.ID }", routes);
    let mut client = tidegate.client();
    let mut ask =
        |path: &str, id: u32| with_cookie(&mut client, path, &format!("ID={id}")).server().to_owned();
    for id in 0..20 {
        let (home, plain) = (ask("/", id), ask("/plain", id));
        for _ in 0..4 {
            assert_eq!((ask("/", id), ask("/plain", id)), (home.clone(), plain.clone()), "session {id}");
        }
    }
}

/// The servers that six requests with one cookie reach, which are sent at the same time.
fn in_parallel(tidegate: &Tidegate, cookie: &str) -> Vec<String> {
    let mut clients: Vec<Client> = (0..6).map(|_| tidegate.client()).collect();
    for client in &mut clients {
        client.send(format!("GET /slow/50 HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).unwrap();
    }
    let answer = |mut client: Client| client.read_final("GET").unwrap().server().to_owned();
    let mut servers: Vec<String> = clients.into_iter().map(answer).collect();
    servers.sort();
    servers.dedup();
    servers
}

#[test]
fn parallel_requests_are_one_session() {
    let mut origins = origins(&["a", "b", "c", "d"]);
    let tidegate = start(&origins, ", sticky: { by: cookie.ID }");
    let mut homes = Vec::new();
    for id in 0..12 {
        let servers = in_parallel(&tidegate, &format!("ID=s{id}"));
        assert_eq!(servers.len(), 1, "a new session {id}: {servers:?}");
        homes.extend(servers);
    }
    // No health check tells: the first whose connection fails moves the session.
    let gone = origins.remove(0);
    assert!(homes.contains(&gone.name));
    gone.kill();
    for (id, home) in homes.iter().enumerate() {
        let servers = in_parallel(&tidegate, &format!("ID=s{id}"));
        assert_eq!(servers.len(), 1, "the known session {id}: {servers:?}");
        assert!(home == "a" || servers[0] == *home, "session {id} had no reason to move");
    }
}

#[test]
fn parallel_requests_with_our_cookie_move_to_one_server() {
    let mut origins = origins(&["a", "b", "c", "d"]);
    let tidegate = start(&origins, ", sticky: cookie");
    let mut client = tidegate.client();
    let jars: Vec<_> = (0..12)
        .map(|_| {
            let first = client.get("a", "/").unwrap();
            (set_cookie(&first).unwrap(), first.server().to_owned())
        })
        .collect();
    origins.remove(0).kill();
    for (jar, home) in &jars {
        let servers = in_parallel(&tidegate, jar);
        assert_eq!(servers.len(), 1, "a session of {home}: {servers:?}");
    }
}

#[test]
fn our_cookie_ends_on_our_side_too() {
    let origins = origins(&["a", "b"]);
    let tidegate = start(&origins, ", sticky: { cookie: tidegate, expire: 2s }");
    let mut client = tidegate.client();
    let mut jar = set_cookie(&client.get("a", "/").unwrap()).unwrap();
    // It is set anew while it is used, whatever time goes by.
    let mut renewals = 0;
    wait_for("two renewals", || {
        if let Some(renewed) = set_cookie(&with_cookie(&mut client, "/", &jar)) {
            assert_eq!(renewed[..15], jar[..15], "the session is the same");
            (jar, renewals) = (renewed, renewals + 1);
        }
        renewals == 2
    });
    wait_for("the end of a cookie that is not renewed", || {
        let other = set_cookie(&with_cookie(&mut client, "/", &jar));
        other.is_some_and(|other| other[..15] != jar[..15])
    });
}

#[test]
fn sessions_hold_on_every_worker() {
    let origins = origins(&["a", "b", "c", "d"]);
    let tidegate = start(&origins, ", sticky: { by: header.x-user }");
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-User: 7\r\n\r\n";
    let server = tidegate.client().request(request).unwrap().server().to_owned();
    for _ in 0..40 {
        assert_eq!(tidegate.client().request(request).unwrap().server(), server);
    }
}

#[test]
fn round_robin_goes_round_by_weight() {
    let origins = origins(&["a", "b"]);
    let tidegate = Tidegate::start(&format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\" }}]
pools: {{ app: {{ servers: [{{ address: \"{}\", weight: 3 }}, \"{}\"] }} }}
sites: {{ '*': {{ to: app }} }}\nworkers: 1\n",
        origins[0].address, origins[1].address
    ));
    let mut client = tidegate.client();
    for _ in 0..40 {
        client.get("x", "/").unwrap();
    }
    assert_eq!((origins[0].requests(), origins[1].requests()), (30, 10));
}

#[test]
fn every_way_of_balancing_uses_all_servers() {
    for balance in ["round_robin", "least_requests", "p2c", "ring_hash(path)"] {
        let origins = origins(&["a", "b", "c"]);
        let tidegate = start(&origins, &format!(", balance: \"{balance}\""));
        let mut client = tidegate.client();
        for number in 0..90 {
            assert_eq!(client.get("x", &format!("/{number}")).unwrap().status, 200);
        }
        for origin in &origins {
            assert!(origin.requests() >= 8, "{balance}: {} had {}", origin.name, origin.requests());
        }
    }
}

/// Holds a request at one server, then asks forty times; how often that server was asked, and the request.
fn asked_while_busy(tidegate: &Tidegate, origins: &[Origin]) -> (u64, usize, Client) {
    // A server counts a request for a moment longer than the client waits for its answer.
    wait_for("all servers to be idle", || origins.iter().all(|origin| origin.in_flight() == 0));
    let mut busy = tidegate.client();
    busy.send("GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    wait_for("a server to be busy", || origins.iter().any(|origin| origin.in_flight() == 1));
    let at = origins.iter().position(|origin| origin.in_flight() == 1).unwrap();
    let before = origins[at].requests();
    let mut client = tidegate.client();
    for _ in 0..40 {
        assert_eq!(client.get("x", "/").unwrap().status, 200);
    }
    (origins[at].requests() - before, at, busy)
}

#[test]
fn a_busy_server_is_spared_until_its_client_has_gone() {
    // The two choices may be the same server in one of 65,536 cases.
    for (balance, spared, even) in
        [("least_requests", 0, false), ("p2c", 1, false), ("round_robin", 10, true)]
    {
        let origins = origins(&["a", "b", "c", "d"]);
        let tidegate = start(&origins, &format!(", balance: {balance}"));
        // If the count did not fall again, all would be equally busy after a few rounds.
        for round in 0..6 {
            let (asked, at, busy) = asked_while_busy(&tidegate, &origins);
            assert!(
                asked <= spared && (!even || asked == 10),
                "{balance}, round {round}: asked {asked} times"
            );
            busy.reset();
            wait_for("the end of its request", || origins[at].in_flight() == 0);
            let before = origins[at].requests();
            wait_for("requests at the server that is free again", || {
                assert_eq!(tidegate.client().get("x", "/").unwrap().status, 200);
                origins[at].requests() > before
            });
        }
        tidegate.log_with_reason("client_gone");
    }
}

#[test]
fn busy_servers_fill_up_evenly() {
    let origins = origins(&["a", "b", "c"]);
    let tidegate = start(&origins, ", balance: least_requests");
    let mut crowd = Vec::new();
    for number in 1..=9 {
        let mut client = tidegate.client();
        client.send("GET /slow/60000 HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        crowd.push(client);
        let busy = || origins.iter().map(Origin::in_flight).collect::<Vec<_>>();
        wait_for("the request at a server", || busy().iter().sum::<u64>() == number);
        let (least, most) = (busy().into_iter().min().unwrap(), busy().into_iter().max().unwrap());
        assert!(most - least <= 1, "after {number} requests: {:?}", busy());
    }
    crowd.into_iter().for_each(Client::reset);
}

/// Asks as one user.
fn ask_as(client: &mut Client, user: &str) -> String {
    let request = format!("GET / HTTP/1.1\r\nHost: a\r\nX-User: {user}\r\n\r\n");
    let response = client.request(request).unwrap();
    assert_eq!(response.status, 200, "{user}");
    response.server().to_owned()
}

#[test]
fn a_remembered_session_moves_once_when_its_server_is_gone() {
    let mut origins = origins(&["a", "b", "c"]);
    let tidegate = start(
        &origins,
        ", sticky: { by: header.x-user }, health: { path: /healthz, every: 100ms, timeout: 1s, rise: 1, fall: 1 }",
    );
    let mut client = tidegate.client();
    let users: Vec<String> = (0..12).map(|number| format!("user-{number}")).collect();
    let homes: Vec<String> = users.iter().map(|user| ask_as(&mut client, user)).collect();
    let gone = origins.remove(1);
    let address = gone.address;
    gone.kill();
    let moved: Vec<String> = users.iter().map(|user| ask_as(&mut client, user)).collect();
    for ((user, home), moved) in users.iter().zip(&homes).zip(&moved) {
        if home == "b" {
            assert_ne!(moved, "b", "{user} had to move");
        } else {
            assert_eq!(moved, home, "{user} had no reason to move");
        }
    }
    assert!(homes.iter().any(|home| home == "b"));
    let _back = Origin::start_at("b", address).unwrap();
    wait_for("the server's return", || (0..6).any(|_| client.get("a", "/").unwrap().server() == "b"));
    for _ in 0..3 {
        let now: Vec<String> = users.iter().map(|user| ask_as(&mut client, user)).collect();
        assert_eq!(now, moved, "nobody moves back");
    }
    let is_moved = |line: &serde_json::Value| line["session"] == "moved";
    let count = homes.iter().filter(|home| *home == "b").count();
    wait_for("the moves in the log", || tidegate.log().iter().filter(|line| is_moved(line)).count() == count);
}

#[test]
fn a_signed_cookie_outlives_a_restart() {
    let origins = origins(&["a", "b", "c"]);
    let addresses: Vec<_> = origins.iter().map(|origin| origin.address).collect();
    let state = tempfile::tempdir().unwrap();
    let yaml = simple(&addresses, ", sticky: cookie", &format!("state_dir: {:?}", state.path().join("kept")));
    let before = Tidegate::start(&yaml);
    let mut client = before.client();
    let sessions: Vec<_> = (0..6)
        .map(|_| {
            let first = client.get("a", "/").unwrap();
            (set_cookie(&first).unwrap(), first.server().to_owned())
        })
        .collect();
    drop(before);
    let after = Tidegate::start(&yaml);
    let mut client = after.client();
    for (cookie, server) in &sessions {
        let next = with_cookie(&mut client, "/", cookie);
        assert_eq!((next.server(), set_cookie(&next)), (server.as_str(), None));
    }
    // With another key it is a stranger's.
    let other = Tidegate::start(&simple(&addresses, ", sticky: cookie", ""));
    for (cookie, _) in &sessions {
        assert!(set_cookie(&with_cookie(&mut other.client(), "/", cookie)).is_some());
    }
}

#[test]
fn no_more_sessions_are_remembered_than_the_bound() {
    const USERS: usize = 100;
    // By chance, three in four of those who are forgotten come to another one of four servers.
    for (max, forgotten) in [(16, USERS / 4..=USERS), (10_000, 0..=0)] {
        let origins = origins(&["a", "b", "c", "d"]);
        let addresses: Vec<_> = origins.iter().map(|origin| origin.address).collect();
        let pool = format!(", balance: p2c, sticky: {{ by: header.x-user, max: {max} }}");
        let tidegate = Tidegate::start(&simple(&addresses, &pool, "workers: 1"));
        let mut client = tidegate.client();
        let mut round = || (0..USERS).map(|user| ask_as(&mut client, &user.to_string())).collect::<Vec<_>>();
        let (first, second) = (round(), round());
        let moved = first.iter().zip(&second).filter(|(first, second)| first != second).count();
        assert!(forgotten.contains(&moved), "{moved} of {USERS} were forgotten with a bound of {max}");
    }
}

#[test]
fn clients_are_told_apart_by_their_address() {
    let origins = origins(&["a", "b", "c"]);
    let tidegate = start(&origins, ", sticky: { by: client.ip }");
    let ask = |number: u8| {
        let source = std::net::IpAddr::from([127, 0, 2, number]);
        let mut client = Client::connect_from(source, tidegate.address()).unwrap();
        client.get("a", "/").unwrap().server().to_owned()
    };
    let homes: Vec<String> = (1..=9).map(ask).collect();
    for _ in 0..4 {
        assert_eq!((1..=9).map(ask).collect::<Vec<_>>(), homes, "each address stays");
    }
    for origin in &origins {
        assert!(homes.contains(&origin.name), "{} has nobody: {homes:?}", origin.name);
    }
}

#[test]
fn a_hash_ring_sends_the_same_to_the_same() {
    let origins = origins(&["a", "b", "c"]);
    let tidegate = start(&origins, ", balance: ring_hash(path)");
    for number in 0..20 {
        let path = format!("/{number}");
        let first = tidegate.client().get("x", &path).unwrap().server().to_owned();
        for _ in 0..4 {
            assert_eq!(tidegate.client().get("x", &path).unwrap().server(), first);
        }
    }
}

#[test]
fn a_failing_server_is_left_and_taken_back() {
    let origins = origins(&["a", "b"]);
    let tidegate =
        start(&origins, ", health: { path: /healthz, every: 50ms, timeout: 1s, rise: 2, fall: 2 }");
    let mut client = tidegate.client();
    let mut both = |wanted: &[&str]| {
        let mut seen: Vec<String> =
            (0..8).map(|_| client.get("x", "/").unwrap().server().to_owned()).collect();
        seen.sort();
        seen.dedup();
        seen == wanted
    };
    assert!(both(&["a", "b"]));
    origins[0].fail(true);
    wait_for("a to be left", || both(&["b"]));
    origins[0].fail(false);
    wait_for("a to be taken back", || both(&["a", "b"]));
    assert!(
        tidegate.stderr().iter().any(|line| line.contains("500")),
        "the log says why:\n{}",
        tidegate.stderr().join("\n")
    );
}

#[test]
fn without_a_server_that_is_up_it_is_503() {
    let origins = origins(&["a"]);
    origins[0].fail(true);
    let tidegate = start(&origins, ", health: { path: /healthz, every: 50ms }");
    assert_eq!(tidegate.client().get("x", "/").unwrap().status, 503, "from the first request on");
    let line = tidegate.log_with_reason("no_server_up");
    assert_eq!((&line["pool"], &line["retries"]), (&"app".into(), &0.into()), "{line}");
    origins[0].fail(false);
    wait_for("its return", || tidegate.client().get("x", "/").unwrap().status == 200);
}

#[test]
fn checks_by_connecting_only() {
    let mut origins = origins(&["a", "b"]);
    let tidegate = start(&origins, ", health: { tcp: true, every: 50ms, fall: 1, rise: 1 }");
    origins.remove(0).kill();
    let mut client = tidegate.client();
    for _ in 0..10 {
        assert_eq!(client.get("x", "/").unwrap().server(), "b");
    }
}

#[test]
fn killing_one_of_three_under_load_fails_no_request() {
    let mut origins = origins(&["a", "b", "c"]);
    let tidegate =
        start(&origins, ", health: { path: /healthz, every: 100ms, timeout: 1s, rise: 1, fall: 1 }");
    const CLIENTS: usize = 8;
    const KILLS: usize = 3;
    let load = Load::start(tidegate.address(), "x", CLIENTS, 4000);
    let progress = |count: u64| {
        let goal = load.answered() + count;
        wait_for("the load to go on", || load.answered() >= goal);
    };
    progress(500);
    for _ in 0..KILLS {
        let one = origins.remove(0);
        let (name, address) = (one.name.clone(), one.address);
        one.kill();
        progress(1000);
        let back = Origin::start_at(&name, address).unwrap();
        progress(500);
        wait_for("requests at the server that is back", || back.requests() > 0);
        origins.push(back);
    }
    let report = load.stop();
    assert_eq!(report.failed(), 0, "{report:?}");
    assert!(report.good > 4000, "{report:?}");
    // A kill can cut the one answer that each client is reading, and no more.
    assert!(report.cut <= (CLIENTS * KILLS) as u64, "{report:?}");
    println!("{report:?}");
}
