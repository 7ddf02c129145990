//! Answers that their pool lists are asked of another server instead, and reach the client where none is left.

use crate::support::Tidegate;
use std::net::SocketAddr;
use testkit::exchange::{Answer, Connection, Request, To, Transport};
use testkit::grpc::{GrpcServer, WebBody, message};
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

const CLIENTS: [Transport; 2] = [Transport::H1, Transport::H2c];
const SERVERS: [&str; 2] = ["h1", "h2c"];

struct Rig {
    /// First, so that it ends first.
    tidegate: Tidegate,
    origins: Vec<Origin>,
}

fn start(servers: &[SocketAddr], pool: &str, route: &str) -> Tidegate {
    let servers: Vec<String> = servers.iter().map(|server| format!("\"{server}\"")).collect();
    Tidegate::start(&format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\", protocols: [h1, h2] }}]\n\
         pools: {{ app: {{ servers: [{}], {pool} }} }}\nsites: {{ '*': {{ routes: [{{ {route} to: app }}] }} }}\n",
        servers.join(", ")
    ))
}

impl Rig {
    fn start(names: &[&str], pool: &str) -> Rig {
        let origins: Vec<Origin> = names.iter().map(|name| Origin::start(name).unwrap()).collect();
        let addresses: Vec<SocketAddr> = origins.iter().map(|origin| origin.address).collect();
        Rig { tidegate: start(&addresses, pool, ""), origins }
    }

    fn connect(&self, transport: Transport) -> Connection {
        connect(&self.tidegate, transport)
    }

    /// Requests that all servers together have had.
    fn requests(&self) -> u64 {
        self.origins.iter().map(Origin::requests).sum()
    }

    /// What the log says of how many attempts there were beyond the first, request by request.
    fn retries(&self, count: usize) -> Vec<u64> {
        self.tidegate.logs(count).iter().map(|line| line["retries"].as_u64().unwrap()).collect()
    }
}

fn connect(tidegate: &Tidegate, transport: Transport) -> Connection {
    To::plain(tidegate.address(), transport).connect().unwrap()
}

/// A call of gRPC.
fn call(path: &str) -> Request {
    Request::post(path, message(b"hello")).field("content-type", "application/grpc").field("te", "trailers")
}

fn each_pairing(mut check: impl FnMut(Transport, &str)) {
    for server in SERVERS {
        for client in CLIENTS {
            check(client, server);
        }
    }
}

#[track_caller]
fn is(answer: &Answer, status: u16, server: &str) {
    assert!(answer.is_complete(), "{answer:?}");
    assert_eq!((answer.status(), answer.server()), (status, server), "{answer:?}");
}

#[test]
fn a_listed_status_is_asked_of_another_server() {
    each_pairing(|client, server| {
        let rig = Rig::start(&["good", "bad"], &format!("protocol: {server}, retries: [503]"));
        let mut connection = rig.connect(client);
        for _ in 0..4 {
            is(&connection.ask(Request::get("/status-at/503/bad")), 200, "good");
            let put = connection.ask(Request::new("PUT", "a.example", "/status-at/503/bad").body("abc"));
            is(&put, 200, "good");
            assert_eq!(put.json()["body_length"], 3);
        }
        let bad = rig.origins[1].requests();
        assert!(bad > 0, "the bad one was tried");
        assert_eq!(rig.retries(8).iter().sum::<u64>(), bad);
        assert_eq!(rig.origins[1].connections(), 1, "an answer that was read leaves a good connection");
        assert!(rig.tidegate.log().iter().all(|line| line["status"] == 200 && line["reason"].is_null()));
    });
}

#[test]
fn no_answer_is_tried_again_by_default_nor_one_that_is_not_listed() {
    for pool in ["", "retries: [502, unavailable]"] {
        let rig = Rig::start(&["one", "two"], pool);
        assert_eq!(rig.connect(Transport::H1).ask(Request::get("/status/503")).status(), 503);
        assert_eq!(rig.requests(), 1);
    }
}

#[test]
fn a_request_that_may_have_had_an_effect_is_not_tried_again() {
    each_pairing(|client, server| {
        let rig = Rig::start(&["one", "two"], &format!("protocol: {server}, retries: [503, unavailable]"));
        let mut connection = rig.connect(client);
        assert_eq!(connection.ask(Request::post("/status/503", "abc")).status(), 503);
        // A status of HTTP says nothing of a call, and one of gRPC nothing of other requests.
        assert_eq!(connection.ask(call("/status/503")).status(), 503);
        assert_eq!(connection.ask(Request::post("/grpc/14", "abc")).value("grpc-status"), Some("14"));
        assert_eq!(connection.ask(Request::get("/grpc/14")).value("grpc-status"), Some("14"));
        assert_eq!(rig.requests(), 4);
        assert_eq!(rig.retries(4), [0; 4]);
    });
}

#[test]
fn there_are_as_many_more_attempts_as_max_says_and_as_there_are_servers() {
    for (pool, requests) in
        [("retries: 503", 2), ("retries: { on: 503, max: 2 }", 3), ("retries: { on: 503, max: 5 }", 4)]
    {
        let rig = Rig::start(&["a", "b", "c", "d"], pool);
        let answer = rig.connect(Transport::H1).ask(Request::get("/status/503"));
        assert_eq!((answer.status(), answer.text().as_str()), (503, "status 503\n"), "{pool}");
        assert_eq!(rig.requests(), requests, "{pool}");
        assert_eq!(rig.retries(1), [requests - 1], "{pool}");
        assert!(rig.origins.iter().all(|origin| origin.requests() <= 1), "no server is asked twice");
    }
}

#[test]
fn where_no_other_server_is_left_the_answer_arrives() {
    each_pairing(|client, server| {
        let rig =
            Rig::start(&["one"], &format!("protocol: {server}, retries: {{ on: [503, aborted], max: 5 }}"));
        let mut connection = rig.connect(client);
        let answer = connection.ask(Request::get("/status/503"));
        is(&answer, 503, "one");
        assert_eq!(answer.text(), "status 503\n");
        assert_eq!(connection.ask(call("/grpc/10")).value("grpc-status"), Some("10"));
        assert_eq!(rig.retries(2), [0, 0]);
    });
}

#[test]
fn a_body_that_is_not_at_hand_is_not_sent_again() {
    each_pairing(|client, server| {
        let rig = Rig::start(&["one", "two"], &format!("protocol: {server}, retries: 503"));
        let put = |body: usize| Request::new("PUT", "a.example", "/status/503").body(vec![b'x'; body]);
        let mut connection = rig.connect(client);
        assert_eq!(connection.ask(put(300_000)).status(), 503);
        assert_eq!(rig.requests(), 1, "more was sent than can be kept");
        assert_eq!(connection.ask(put(10_000)).status(), 503);
        assert_eq!(rig.requests(), 3);
        // The servers answer at once, and the client keeps its body back until it is told to send it.
        let waiting =
            Request::new("PUT", "a.example", "/status/503").field("expect", "100-continue").length(3);
        let mut exchange = connection.start(waiting.open());
        assert_eq!(exchange.head().map(|head| head.status), Some(503));
        assert_eq!(rig.requests(), 4);
    });
}

#[test]
fn a_call_of_grpc_is_tried_again_for_a_status_in_the_head() {
    each_pairing(|client, server| {
        let rig = Rig::start(&["good", "bad"], &format!("protocol: {server}, retries: [unavailable]"));
        let mut connection = rig.connect(client);
        for _ in 0..4 {
            let answer = connection.ask(call("/grpc-at/14/bad"));
            is(&answer, 200, "good");
            assert_eq!(answer.json()["body_length"], 10);
            assert_eq!(answer.value("grpc-status"), None);
        }
        assert!(rig.origins[1].requests() > 0, "the bad one was tried");
        let before = rig.requests();
        assert_eq!(connection.ask(call("/grpc/13")).value("grpc-status"), Some("13"), "it is not listed");
        assert_eq!(rig.requests(), before + 1);
    });
}

#[test]
fn a_call_that_had_messages_is_not_tried_again() {
    let servers = [GrpcServer::start().unwrap(), GrpcServer::start().unwrap()];
    let addresses = servers.each_ref().map(|server| server.address);
    let tidegate = start(&addresses, "protocol: h2c, retries: unavailable", "");
    let mut connection = connect(&tidegate, Transport::H2c);
    let calls = || servers.iter().map(|server| server.seen().len()).sum::<usize>();
    assert_eq!(connection.ask(call("/fail/14")).trailer("grpc-status"), Some("14"));
    assert_eq!(calls(), 1);
    assert_eq!(connection.ask(call("/only/14")).value("grpc-status"), Some("14"));
    assert_eq!(calls(), 3, "the other server says the same");
}

#[test]
fn a_call_of_grpc_web_is_tried_again_too() {
    let servers = [GrpcServer::start().unwrap(), GrpcServer::start().unwrap()];
    let addresses = servers.each_ref().map(|server| server.address);
    let tidegate = start(&addresses, "protocol: h2c, retries: unavailable", "use: [grpc_web],");
    for transport in CLIENTS {
        let request =
            |path| Request::post(path, message(b"hello")).field("content-type", "application/grpc-web+proto");
        let mut connection = connect(&tidegate, transport);
        assert_eq!(connection.ask(request("/only/14")).value("grpc-status"), Some("14"));
        let answer = connection.ask(request("/echo"));
        assert_eq!(WebBody::read(&answer.body).messages, [b"hello"], "{answer:?}");
    }
    let bodies = servers.iter().flat_map(GrpcServer::seen).map(|call| call.body);
    assert_eq!(bodies.collect::<Vec<_>>(), vec![message(b"hello"); 6], "each got the whole call");
}

#[test]
fn an_answer_that_is_not_whole_costs_its_connection_alone() {
    let good = Origin::start("good").unwrap();
    let unfinished = b"HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nabc".to_vec();
    let bad = Peer::start(vec![vec![Step::ReadRequest, Step::Send(unfinished), Step::ReadToEnd]]).unwrap();
    let tidegate = start(&[good.address, bad.address], "retries: 503", "");
    let mut connection = connect(&tidegate, Transport::H1);
    for _ in 0..6 {
        is(&connection.ask(Request::get("/")), 200, "good");
    }
    assert!(bad.wait(|seen| seen.len() > 1 && seen.iter().all(|one| one.over)), "{:?}", bad.seen());
}

#[test]
fn hints_that_came_before_do_not_hold_it_up() {
    let good = Origin::start("good").unwrap();
    let answer =
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    let bad = Peer::answering(answer.to_vec()).unwrap();
    let tidegate = start(&[good.address, bad.address], "retries: 503", "");
    for transport in CLIENTS {
        let mut connection = connect(&tidegate, transport);
        for _ in 0..4 {
            is(&connection.ask(Request::get("/")), 200, "good");
        }
    }
    assert!(!bad.seen().is_empty());
}

#[test]
fn a_session_moves_to_the_server_that_answers() {
    let rig = Rig::start(&["one", "two"], "sticky: cookie, retries: 503");
    let mut connection = rig.connect(Transport::H1);
    let first = connection.ask(Request::get("/"));
    let cookie = |answer: &Answer| {
        answer.value("set-cookie").map(|cookie| cookie.split(';').next().unwrap_or_default().to_owned())
    };
    let session = cookie(&first).unwrap();
    let (here, there) = if first.server() == "one" { ("one", "two") } else { ("two", "one") };
    let busy = format!("/status-at/503/{here}");
    let moved = connection.ask(Request::get(&busy).field("cookie", &session));
    is(&moved, 200, there);
    let session = cookie(&moved).unwrap();
    is(&connection.ask(Request::get("/").field("cookie", &session)), 200, there);
    assert_eq!(rig.tidegate.logs(3)[1]["session"], "moved");
}
