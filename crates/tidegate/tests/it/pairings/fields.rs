//! Fields on their way: which pass, which stay on their hop, and which are ours.

use super::bed::{HOST, Plan, Running};
use super::{Case, Except, Which};
use testkit::exchange::{Ending, Request};

pub const CASES: &[Case] = &[
    Case::shared("fields keep their values, order and duplicates", duplicates),
    Case::shared("fields for one hop are not passed on to the server", request_hop).except(&[Except {
        client: Which::H2,
        server: Which::Any,
        why: "HTTP/2 has no fields for one hop: a request with one is malformed",
    }]),
    Case::shared("fields for one hop are not passed on to the client", answer_hop),
    Case::shared("cookie crumbs are joined", crumbs).except(&[Except {
        client: Which::H1,
        server: Which::Any,
        why: "only HTTP/2 lets a client send its cookies in crumbs",
    }]),
    Case::shared("cookies pass as they are", cookies),
    Case::shared("strangers cannot say who they are", strangers),
    Case::own("trusted proxies are believed and added to", TRUSTED, trusted),
    Case::own("the standard field can be used instead", STANDARD, standard),
    Case::own("a request has one id, for the server and the log", Plan::ONE, request_id),
    Case::shared("the server is told the client's host", told_host),
    Case::own("the server is told the pool's host", POOL_HOST, pools_host),
    Case::shared("a host that contradicts another is refused", contradiction),
    Case::shared("a host may take the place of the authority", host_only),
    Case::shared("the target passes as it is", target),
];

const TRUSTED: Plan = Plan { more: "trusted_proxies: [127.0.0.0/8]", ..Plan::ONE };
const STANDARD: Plan = Plan { more: "forwarded: { style: forwarded }", ..Plan::ONE };
const POOL_HOST: Plan = Plan { pool: ", host: internal.example", ..Plan::ONE };

fn duplicates(running: &Running) {
    let request = Request::get("/")
        .field("x-odd", "one")
        .field("x-between", "a, b;c=\"d\"")
        .field("x-odd", "two")
        .field("x-empty", "")
        .field("X-MiXeD", "kept");
    // Names of HTTP/2 are in lower case, which its library makes sure of on either side.
    let answer = running.ask(request);
    assert_eq!(answer.seen("x-odd"), ["one", "two"]);
    assert_eq!(answer.seen("x-between"), ["a, b;c=\"d\""]);
    assert_eq!(answer.seen("x-empty"), [""]);
    assert_eq!(answer.seen("x-mixed"), ["kept"]);
    let answer = running.ask(Request::get("/hop"));
    assert_eq!(answer.values("x-twice"), ["one", "two"]);
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(answer.values("x-mixed-case"), ["kept"]);
}

fn request_hop(running: &Running) {
    let request = Request::get("/")
        .field("Connection", "keep-alive, X-Secret")
        .field("X-Secret", "1")
        .field("Keep-Alive", "timeout=5")
        .field("Proxy-Connection", "keep-alive")
        .field("TE", "gzip")
        .field("Upgrade", "x");
    let answer = running.ask(request);
    assert_eq!(answer.status(), 200);
    for name in ["x-secret", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert!(answer.seen(name).is_empty(), "{name}");
    }
}

fn answer_hop(running: &Running) {
    let answer = running.ask(Request::get("/hop"));
    assert_eq!((answer.status(), answer.text().as_str()), (200, "hop\n"));
    for name in ["x-private", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert_eq!(answer.value(name), None, "{name}");
    }
    if running.is_h2_client() {
        assert_eq!(answer.value("connection"), None);
    }
}

fn crumbs(running: &Running) {
    let request = Request::get("/").field("cookie", "a=1").field("x-odd", "1").field("cookie", "b=2; c=3");
    let seen = running.ask(request).seen("cookie");
    assert_eq!(seen.join("; "), "a=1; b=2; c=3");
    assert!(running.is_h2_server() || seen.len() == 1, "{seen:?}: HTTP/1 has one field for all");
}

fn cookies(running: &Running) {
    let seen = running.ask(Request::get("/").field("cookie", "a=1; b=\"2\"; c=3")).seen("cookie");
    assert_eq!(seen.join("; "), "a=1; b=\"2\"; c=3");
}

fn strangers(running: &Running) {
    let answer = running.ask(
        Request::get("/")
            .authority("a.example:81")
            .field("x-forwarded-for", "9.9.9.9")
            .field("x-forwarded-for", "8.8.8.8")
            .field("x-forwarded-proto", "gopher")
            .field("x-forwarded-host", "evil")
            .field("forwarded", "for=9.9.9.9")
            .field("x-request-id", "mine"),
    );
    assert_eq!(answer.seen("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(answer.seen("x-forwarded-proto"), [running.scheme()]);
    assert_eq!(answer.seen("x-forwarded-host"), ["a.example:81"]);
    assert!(answer.seen("forwarded").is_empty());
    let id = answer.seen("x-request-id");
    assert!(id.len() == 1 && id[0].len() == 32, "{id:?}");
}

fn trusted(running: &mut Running) {
    let answer = running.ask(
        Request::get("/")
            .field("x-forwarded-for", "192.0.2.9")
            .field("x-forwarded-proto", "https")
            .field("x-forwarded-host", "outer.example")
            .field("x-request-id", "abc-1"),
    );
    assert_eq!(answer.seen("x-forwarded-for").join(", "), "192.0.2.9, 127.0.0.1");
    assert_eq!(answer.seen("x-forwarded-proto"), ["https"]);
    assert_eq!(answer.seen("x-forwarded-host"), ["outer.example"]);
    assert_eq!(answer.seen("x-request-id"), ["abc-1"]);
    let line = running.tidegate.logs(1).remove(0);
    assert_eq!((&line["client"], &line["scheme"]), (&"192.0.2.9".into(), &"https".into()));
}

fn standard(running: &mut Running) {
    let request = Request::get("/").field("forwarded", "for=9.9.9.9").field("x-forwarded-for", "9.9.9.9");
    let answer = running.ask(request);
    let seen = answer.seen("forwarded");
    assert_eq!(seen, [format!("for=127.0.0.1;proto={};host=\"a.example\"", running.scheme())]);
    assert!(answer.seen("x-forwarded-for").is_empty());
}

fn request_id(running: &mut Running) {
    let mut connection = running.connect();
    let mut ids: Vec<_> =
        (0..3).map(|_| connection.ask(Request::get("/")).seen("x-request-id").remove(0)).collect();
    let lines = running.tidegate.logs(3);
    let mut logged: Vec<_> =
        lines.iter().map(|line| line["request_id"].as_str().unwrap().to_owned()).collect();
    ids.sort_unstable();
    logged.sort_unstable();
    assert_eq!(ids, logged);
    logged.dedup();
    assert_eq!(logged.len(), 3, "each its own");
}

fn told_host(running: &Running) {
    for authority in ["a.example", "a.example:81", "A.example"] {
        let answer = running.ask(Request::get("/").authority(authority));
        assert_eq!(answer.json()["authority"], authority);
        let fields = answer.seen("host");
        assert!(fields.len() <= 1 && fields.iter().all(|host| host == authority), "{fields:?}");
    }
}

fn pools_host(running: &mut Running) {
    let answer = running.ask(Request::get("/"));
    assert_eq!(answer.json()["authority"], "internal.example");
    let fields = answer.seen("host");
    assert!(fields.iter().all(|host| host == "internal.example"), "{fields:?}");
    assert_eq!(answer.seen("x-forwarded-host"), [HOST]);
}

fn contradiction(running: &Running) {
    let answer = running.ask(Request::get("/").field("host", "b.example"));
    let is_refused =
        answer.status() == 400 || answer.status() == 0 && matches!(answer.ending, Ending::Reset(_));
    assert!(is_refused, "{} {:?}", answer.status(), answer.ending);
    assert_eq!(running.ask(Request::get("/")).status(), 200);
}

fn host_only(running: &Running) {
    let answer = running.ask(Request::new("GET", "", "/x").field("host", "a.example"));
    assert_eq!(answer.status(), 200, "{:?}", answer.ending);
    assert_eq!(answer.json()["authority"], "a.example");
}

fn target(running: &Running) {
    let mut connection = running.connect();
    for target in ["/", "/a/b?c=d&e", "/%61%2fb?x=%20", "/?", "//double//", "/semi;colon=1", "/a?b?c"] {
        let answer = connection.ask(Request::get(target));
        assert_eq!((answer.status(), &answer.json()["target"]), (200, &target.into()));
    }
}
