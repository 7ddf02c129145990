//! Where requests go, and answers of our own.

use super::Case;
use super::bed::{Plan, Running};
use testkit::exchange::{Answer, Request};

pub const CASES: &[Case] = &[
    Case::own("our cookie keeps a session on its server", OUR_COOKIE, our_cookie),
    Case::own("the application's own cookie keeps a session", THEIR_COOKIE, their_cookie),
    Case::own("a field of the application's keeps a session", THEIR_FIELD, their_field),
    Case::own("a split shares out as it says", SPLIT, split),
    Case::own("routes match on method, path, fields, query and cookies", ROUTES, routes),
    Case::own("hosts are compared in normal form", HOSTS, hosts),
    Case::own("redirects and fixed answers are given", ANSWERS, own_answers),
    Case::own("error pages are in the form that is asked for", PAGES, error_pages),
];

const OUR_COOKIE: Plan = Plan { pool: ", sticky: cookie", ..Plan::THREE };
const THEIR_COOKIE: Plan = Plan { pool: ", sticky: { by: cookie.ID }", ..Plan::THREE };
const THEIR_FIELD: Plan = Plan { pool: ", sticky: { by: header.x-session }", ..Plan::THREE };
const SPLIT: Plan =
    Plan { servers: &["a"], other: &["b"], sites: "{ '*': { to: { app: 75%, other: 25% } } }", ..Plan::ONE };
const ROUTES: Plan = Plan {
    servers: &["a"],
    other: &["b"],
    sites: "{ '*': { routes: [{ path: /exact, to: other }, { path: '/api/*', method: PUT, to: other }, \
            { header: { x-tier: gold }, to: other }, { query: { v: '2' }, to: other }, \
            { cookie: { beta: '1' }, to: other }, { to: app }] } }",
    ..Plan::ONE
};
const HOSTS: Plan = Plan {
    servers: &["a"],
    other: &["b"],
    sites: "{ a.example: { to: app, redirect_to_https: false }, '*.b.example': { to: other, redirect_to_https: false } }",
    ..Plan::ONE
};
const ANSWERS: Plan = Plan {
    sites: "{ '*': { routes: [{ path: '/old/*', to: { redirect: '/new/{rest}', status: 301 } }, \
            { path: /gone, to: { status: 410, body: 'gone for {host}', headers: { X-Why: moved } } }, \
            { path: /empty, to: { status: 204 } }, { to: app }] } }",
    ..Plan::ONE
};
const PAGES: Plan = Plan {
    servers: &["nowhere"],
    sites: "{ a.example: { to: app, redirect_to_https: false, \
            errors: { 5xx: { html: '<p>{status}</p>', json: '{\"status\":{status}}' } } } }",
    ..Plan::ONE
};

/// The pair `name=value` of the first `Set-Cookie`.
fn set_cookie(answer: &Answer) -> Option<String> {
    answer.value("set-cookie").map(|value| value.split(';').next().unwrap().to_owned())
}

fn our_cookie(running: &mut Running) {
    let mut connection = running.connect();
    for _ in 0..4 {
        let first = connection.ask(Request::get("/"));
        let attributes = first.value("set-cookie").expect("a cookie").to_ascii_lowercase();
        assert!(attributes.contains("httponly") && attributes.contains("samesite=lax"), "{attributes}");
        assert_eq!(attributes.contains("secure"), running.is_tls_client(), "{attributes}");
        let cookie = set_cookie(&first).unwrap();
        for round in 0..5 {
            let request = Request::get(&format!("/{round}")).field("cookie", &format!("other=1; {cookie}"));
            let next = connection.ask(request);
            assert_eq!((next.server(), set_cookie(&next)), (first.server(), None));
        }
    }
    assert!(running.origins.iter().all(|origin| origin.requests() > 0), "new sessions are shared out");
}

fn their_cookie(running: &mut Running) {
    let mut connection = running.connect();
    for id in 0..6 {
        let taught = connection.ask(Request::get(&format!("/cookie/ID/s{id}")));
        assert_eq!(set_cookie(&taught).as_deref(), Some(format!("ID=s{id}").as_str()));
        for _ in 0..4 {
            let next = connection.ask(Request::get("/").field("cookie", &format!("ID=s{id}")));
            assert_eq!((next.server(), next.value("set-cookie")), (taught.server(), None), "session {id}");
        }
    }
}

fn their_field(running: &mut Running) {
    let mut connection = running.connect();
    for id in 0..6 {
        let mut ask = || {
            let answer = connection.ask(Request::post("/", "x").field("x-session", &id.to_string()));
            answer.server().to_owned()
        };
        let home = ask();
        assert!(!home.is_empty());
        for _ in 0..4 {
            assert_eq!(ask(), home, "session {id}");
        }
    }
}

fn split(running: &mut Running) {
    let mut connection = running.connect();
    for _ in 0..400 {
        assert_eq!(connection.ask(Request::get("/size/1")).status(), 200);
    }
    // Five standard deviations of a fair draw.
    let (a, b) = (running.origins[0].requests(), running.origins[1].requests());
    assert!((257..=343).contains(&a) && a + b == 400, "{a} {b}");
}

fn routes(running: &mut Running) {
    let mut connection = running.connect();
    for (request, wanted) in [
        (Request::get("/"), "a"),
        (Request::get("/exact"), "b"),
        (Request::get("/exact?x=1"), "b"),
        (Request::get("/x/../%65xact"), "b"),
        (Request::get("/api/x"), "a"),
        (Request::new("PUT", "a.example", "/api/x"), "b"),
        (Request::get("/").field("x-tier", "gold"), "b"),
        (Request::get("/").field("x-tier", "silver"), "a"),
        (Request::get("/?v=2"), "b"),
        (Request::get("/").field("cookie", "alpha=1; beta=1"), "b"),
        (Request::get("/").field("cookie", "alpha=1").field("cookie", "beta=1"), "b"),
    ] {
        let description = format!("{request:?}");
        assert_eq!(connection.ask(request).server(), wanted, "{description}");
    }
}

fn hosts(running: &mut Running) {
    let mut connection = running.connect();
    for (authority, wanted) in [
        ("a.example", "a"),
        ("A.Example", "a"),
        ("a.example.", "a"),
        ("a.example:8080", "a"),
        ("x.b.example", "b"),
        ("X.Y.B.EXAMPLE:80", "b"),
    ] {
        let answer = connection.ask(Request::get("/").authority(authority));
        assert_eq!(answer.server(), wanted, "{authority}: {} {:?}", answer.status(), answer.ending);
        // The server is told what the client said, normal or not.
        assert_eq!(answer.json()["authority"], authority);
    }
    for unknown in ["b.example", "other.example", "127.0.0.1", "[::1]:80"] {
        let answer = connection.ask(Request::get("/").authority(unknown));
        // Over TLS the connection was made for another one, and may be reused for it wrongly.
        let wanted = if running.is_tls_client() { 421 } else { 404 };
        assert_eq!(answer.status(), wanted, "{unknown}");
    }
}

fn own_answers(running: &mut Running) {
    let mut connection = running.connect();
    for _ in 0..2 {
        // Over a connection of its own: with HTTP/1 it may have to end, as nobody reads the body.
        let answer = running.ask(Request::post("/old/x/y?z=1", "a body that nobody reads"));
        assert_eq!((answer.status(), answer.value("location")), (301, Some("/new/x/y?z=1")));
        let answer = connection.ask(Request::get("/old/x/y?z=1"));
        assert_eq!((answer.status(), answer.value("location")), (301, Some("/new/x/y?z=1")));
        let answer = connection.ask(Request::get("/gone"));
        assert_eq!((answer.status(), answer.text().as_str()), (410, "gone for a.example"));
        assert_eq!((answer.value("x-why"), answer.value("content-length")), (Some("moved"), Some("18")));
        let answer = connection.ask(Request::new("HEAD", "a.example", "/gone"));
        assert_eq!((answer.status(), answer.body.len(), answer.is_complete()), (410, 0, true));
        let answer = connection.ask(Request::get("/empty"));
        assert_eq!((answer.status(), answer.body.len(), answer.value("content-length")), (204, 0, None));
        assert_eq!(connection.ask(Request::get("/")).status(), 200);
    }
    assert_eq!(running.requests(), 2);
}

fn error_pages(running: &mut Running) {
    let mut connection = running.connect();
    for (accept, kind, body) in [
        ("text/html", "text/html", "<p>502</p>"),
        ("application/json", "application/json", "{\"status\":502}"),
    ] {
        let answer = connection.ask(Request::get("/").field("accept", accept));
        assert_eq!((answer.status(), answer.text().as_str()), (502, body));
        assert!(
            answer.value("content-type").is_some_and(|known| known.starts_with(kind)),
            "{:?}",
            answer.head
        );
        let length = body.len().to_string();
        assert_eq!(answer.value("content-length"), Some(length.as_str()));
        let answer = connection.ask(Request::new("HEAD", "a.example", "/").field("accept", accept));
        assert_eq!((answer.status(), answer.body.len(), answer.is_complete()), (502, 0, true));
    }
}
