//! Where requests go: hosts, paths, fields, splits, redirects, fixed answers, own error pages.

use crate::support::Tidegate;
use testkit::client::Client;
use testkit::origin::Origin;

/// Three origins `a`, `b`, `c` as pools of the same names, with these sites.
fn start(sites: &str) -> (Tidegate, Vec<Origin>) {
    let origins: Vec<Origin> = ["a", "b", "c"].iter().map(|name| Origin::start(name).unwrap()).collect();
    let pools: String = origins
        .iter()
        .map(|origin| format!("  {}: {{ servers: [\"{}\"] }}\n", origin.name, origin.address))
        .collect();
    let yaml = format!("listeners: [{{ name: web, address: \"127.0.0.1:0\" }}]\npools:\n{pools}{sites}");
    (Tidegate::start(&yaml), origins)
}

/// Which origin answers, or the status.
fn reached(client: &mut Client, request: &str) -> String {
    let (line, fields) = request.split_once('|').unwrap_or((request, ""));
    let (host, path) = line.split_at(line.find('/').unwrap());
    let fields = if fields.is_empty() { String::new() } else { format!("{fields}\r\n") };
    let response = client.request(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n")).unwrap();
    match response.server() {
        "" => response.status.to_string(),
        server => server.to_owned(),
    }
}

#[test]
fn requests_go_where_host_path_and_fields_say() {
    let (tidegate, _origins) = start(
        "sites:
  one.example:
    routes:
      - { path: /exact, to: b }
      - { path: \"/api/*\", to: b }
      - { path: \"/users/{id}\", to: c }
      - { path: { regex: \"/v[0-9]+/.*\" }, to: c }
      - { header: { x-tier: gold }, to: b }
      - { cookie: { beta: { present: true } }, to: c }
      - { query: { v: { in: [\"2\", \"3\"] } }, to: c }
      - { client: [10.0.0.0/8], to: c }
      - { to: a }
  \"*.wild.example\": { to: b }
  deep.wild.example: { to: c }
",
    );
    let mut client = tidegate.client();
    for (request, wanted) in [
        ("one.example/", "a"),
        ("ONE.example:8080/", "a"),
        ("one.example./", "a"),
        ("one.example/exact", "b"),
        ("one.example/exact/", "a"),
        ("one.example/api", "b"),
        ("one.example/api/x/y", "b"),
        ("one.example/apix", "a"),
        ("one.example/x/../api/y", "b"),
        ("one.example/%61pi/y", "b"),
        ("one.example/users/7", "c"),
        ("one.example/users/", "a"),
        ("one.example/users/7/8", "a"),
        ("one.example/v12/x", "c"),
        ("one.example/|X-Tier: gold", "b"),
        ("one.example/|X-Tier: silver", "a"),
        ("one.example/|Cookie: alpha=1; beta=2", "c"),
        ("one.example/?v=2", "c"),
        ("one.example/?v=4", "a"),
        ("x.wild.example/", "b"),
        ("x.y.wild.example/", "b"),
        ("deep.wild.example/", "c"),
        ("wild.example/", "404"),
        ("other.example/", "404"),
    ] {
        assert_eq!(reached(&mut client, request), wanted, "{request}");
    }
}

#[test]
fn sites_may_be_bound_to_listeners() {
    let origin = Origin::start("a").unwrap();
    let tidegate = Tidegate::start(&format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\" }}, {{ name: internal, address: \"127.0.0.2:0\" }}]
pools: {{ a: {{ servers: [\"{}\"] }} }}
sites: {{ admin.example: {{ listeners: [internal], to: a }} }}
",
        origin.address
    ));
    assert_eq!(tidegate.client().get("admin.example", "/").unwrap().status, 404);
    let mut client = Client::connect(tidegate.addresses["internal"]).unwrap();
    assert_eq!(client.get("admin.example", "/").unwrap().status, 200);
}

#[test]
fn a_split_shares_out_as_it_says() {
    let (tidegate, origins) = start("sites: { '*': { to: { a: 75%, b: 25%, c: 0% } } }\n");
    let mut client = tidegate.client();
    for _ in 0..1000 {
        assert_eq!(client.get("x", "/").unwrap().status, 200);
    }
    // Five standard deviations of a fair draw.
    let (a, b) = (origins[0].requests(), origins[1].requests());
    assert!((681..=819).contains(&a) && a + b == 1000, "{a} {b}");
    assert_eq!(origins[2].requests(), 0);
}

#[test]
fn redirects_and_fixed_answers_are_given() {
    let (tidegate, _origins) = start(
        "sites:
  '*':
    routes:
      - { path: \"/old/*\", to: { redirect: \"/new/{rest}\", status: 301 } }
      - { path: /away, to: { redirect: \"https://other.example/?own\" } }
      - { path: /gone, to: { status: 410, body: \"gone for {host}\", headers: { X-Why: \"moved\" } } }
      - { to: a }
",
    );
    let mut client = tidegate.client();
    let response = client.get("h", "/old/x/y?q=1").unwrap();
    assert_eq!((response.status, response.value("location")), (301, Some("/new/x/y?q=1")));
    let response = client.get("h", "/old/x%0d%0aSet-Cookie:%20a=1").unwrap();
    assert_eq!(response.value("set-cookie"), None);
    let response = client.get("h", "/away?q=1").unwrap();
    assert_eq!(response.value("location"), Some("https://other.example/?own"));
    let response = client.get("h", "/gone").unwrap();
    assert_eq!((response.status, response.text().as_str()), (410, "gone for h"));
    assert_eq!(response.value("x-why"), Some("moved"));
    let head = client.request("HEAD /gone HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
    assert_eq!((head.status, head.value("content-length")), (410, Some("10")));
    let post = "POST /gone HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    assert_eq!(client.request(post).unwrap().status, 410);
    let mut client = tidegate.client();
    assert_eq!(client.get("h", "/x").unwrap().status, 200);
    for (path, status, reason) in
        [("/old/x/y", 301, "redirect"), ("/away", 308, "redirect"), ("/gone", 410, "fixed_answer")]
    {
        let line = tidegate.logs(7).into_iter().find(|line| line["path"] == path).unwrap();
        assert_eq!((&line["status"], &line["reason"]), (&status.into(), &reason.into()), "{line}");
        assert!(line["server"].is_null() && line["site"] == "*" && line["route"].is_string(), "{line}");
    }
}

#[test]
fn the_log_says_why_nothing_was_found() {
    let (tidegate, _origins) = start("sites:\n  h: { routes: [{ path: /only, to: a, name: the-only }] }\n");
    let mut client = tidegate.client();
    for (host, path, status) in [("h", "/only", 200), ("h", "/x", 404), ("other", "/only", 404)] {
        assert_eq!(client.get(host, path).unwrap().status, status, "{host}{path}");
    }
    let lines = tidegate.logs(3);
    for (line, site, route, reason) in [
        (&lines[0], Some("h"), Some("the-only"), None),
        (&lines[1], Some("h"), None, Some("no_route")),
        (&lines[2], None, None, Some("no_site")),
    ] {
        let told = (line["site"].as_str(), line["route"].as_str(), line["reason"].as_str());
        assert_eq!(told, (site, route, reason), "{line}");
    }
}

#[test]
fn errors_are_told_in_the_form_that_is_asked_for() {
    let (tidegate, _origins) = start(
        "errors: { 404: { html: \"<b>own {status} {reason}</b>\" } }
sites:
  h: { routes: [{ path: /only, to: a }] }
  own: { routes: [{ path: /only, to: a }], errors: { 4xx: { json: '{\"own\":{status}}' } } }
",
    );
    let mut client = tidegate.client();
    let mut ask = |host: &str, accept: &str| {
        client.request(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nAccept: {accept}\r\n\r\n")).unwrap()
    };
    let html = ask("h", "text/html,*/*;q=0.8");
    assert_eq!((html.status, html.text().as_str()), (404, "<b>own 404 Not Found</b>"));
    assert!(html.value("content-type").unwrap().starts_with("text/html"));
    let json = ask("h", "*/*");
    assert_eq!(json.value("content-type"), Some("application/json"));
    assert_eq!(json.json()["status"], 404);
    assert_eq!(ask("own", "application/json").text(), "{\"own\":404}");
}
