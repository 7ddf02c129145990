//! What is reported is dead for every request, and what people write by mistake is reported.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::decide::Request;
use crate::file::load;
use crate::matching::check;
use crate::model::{self, Bounds, Networks, Target, ValueMatch};
use crate::source::{Files, Span};
use proptest::prelude::*;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// One file.
struct One(String);

impl Files for One {
    fn read(&self, _: &std::path::Path) -> std::io::Result<Vec<u8>> {
        Ok(self.0.clone().into_bytes())
    }

    fn glob(&self, _: &std::path::Path) -> std::io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

/// Whether the second of two routes is reported.
fn is_dead(first: &str, second: &str) -> bool {
    let text = format!(
        "listeners: [':80']\nsites: {{ a: {{ routes: [\n{{ {first}, to: {{ status: 200 }} }},\n\
         {{ {second}, to: {{ status: 200 }} }}] }} }}"
    );
    let loaded = load(&One(text), std::path::Path::new("t.yaml"), &|_| None);
    let messages: Vec<_> = loaded.diagnostics.iter().map(|found| found.message.as_str()).collect();
    let dead = messages.iter().any(|message| message.ends_with("is never reached"));
    assert_eq!(dead, !messages.is_empty(), "{first} / {second}: {messages:?}");
    dead
}

#[test]
fn routes_that_an_earlier_one_takes_are_dead() {
    for (first, second) in [
        ("path: { regex: '/a.*' }", "path: /abc"),
        ("path: { regex: '.*' }", "path: { regex: '/x[0-9]' }"),
        ("path: { regex: '.*' }", "path: /*"),
        ("path: { regex: '/.*' }", "path: '/a/{b}/*'"),
        ("path: { regex: '/(?P<all>.*)' }", "path: { regex: '/x[0-9]' }"),
        ("path: '/{a}'", "path: /b"),
        ("path: '/{a}/*'", "path: /b/c"),
        ("client: [0.0.0.0/0, '::/0']", "path: /*"),
        ("client: [0.0.0.0/1, 128.0.0.0/1, '::/0']", "method: GET"),
        ("client: [10.0.0.0/9, 10.128.0.0/9]", "client: 10.0.0.0/8"),
        ("client: ['::ffff:10.0.0.0/104']", "client: 10.1.0.0/16"),
        ("header: { x: { regex: '^a' } }", "header: { x: { in: [a, ab] } }"),
        ("header: { x: { regex: '^a' } }", "header: { x: abc }"),
        ("header: { x: { in: [a, b] } }", "header: { x: { in: [b] } }"),
        ("header: { x: a }", "header: { X: { in: [a] } }"),
        ("header: { x: { in: [a, b] } }", "header: { x: b, y: c }"),
        ("header: { x: { not: { not: a } } }", "header: { x: a }"),
        ("header: { x: { present: true } }", "header: { x: { not: { present: false } } }"),
        ("header: { x: { present: true } }", "header: { x: { not: { not: { prefix: b } } } }"),
        ("header: { x: { prefix: '' } }", "header: { x: { present: true } }"),
        ("header: { x: { not: a } }", "header: { x: { present: false } }"),
        ("header: { x: { not: a } }", "header: { x: { not: { in: [a, b] } } }"),
        ("cookie: { x: a }", "cookie: { x: a }, query: { y: { present: true } }"),
    ] {
        assert!(is_dead(first, second), "{first} takes {second}");
    }
}

#[test]
fn routes_that_some_request_reaches_are_alive() {
    for (first, second) in [
        ("path: { regex: '/a.*' }", "path: /b"),
        ("path: { regex: '/a.*' }", "path: '/{a}'"),
        ("path: { regex: '/.*' }", "path: /*"),
        ("path: { regex: '/.*' }", "path: { regex: '.*x?' }"),
        ("path: { regex: '/.+' }", "path: /"),
        ("path: '/{a}'", "path: /"),
        ("client: [0.0.0.0/0]", "path: /*"),
        ("client: [10.0.0.0/9, 10.128.0.0/10]", "client: 10.0.0.0/8"),
        ("header: { x: a }", "header: { x: { in: [a, b] } }"),
        ("header: { x: { regex: '^a' } }", "header: { x: { in: [a, b] } }"),
        // A field may be there twice.
        ("header: { x: { not: b } }", "header: { x: a }"),
        ("header: { x: { not: { not: a } } }", "header: { x: { not: a } }"),
        ("header: { x: a }", "query: { x: a }"),
        ("cookie: { x: a }", "cookie: { X: a }"),
    ] {
        assert!(!is_dead(first, second), "{first} does not take {second}");
    }
}

fn route(path: PathPattern) -> Route {
    Route {
        name: "".into(),
        path,
        others: None,
        to: Target::Split(Box::default()),
        grpc_web: false,
        own_timeouts: None,
        at: Span::default(),
    }
}

fn site(routes: Vec<Route>) -> Site {
    Site {
        name: "".into(),
        hosts: Box::default(),
        listeners: None,
        routes: routes.into(),
        redirect_to_https: None,
        tls: Arc::default(),
        bounds: Bounds { head_bytes: 1, fields: 1, body_bytes: 1, streams: 1 },
        errors: Box::default(),
        at: Span::default(),
    }
}

/// Few letters, so that chance makes routes meet.
fn text() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a", "b", "ab"]).prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = PathPattern> {
    let segment = prop_oneof![
        3 => prop::sample::select(vec!["a", "b", "ab"]).prop_map(Segment::Literal),
        1 => Just(Segment::Capture("c")),
    ];
    let segments = (prop::collection::vec(segment, 0..3), any::<bool>(), any::<bool>());
    let regexes = vec![".*", "/.*", "/a.*", "/[ab]+", "/(?P<x>.*)", "(/a|/b)(/.*)?", "\\*", "/a/?b?"];
    prop_oneof![
        1 => Just(PathPattern::Any),
        2 => prop::sample::select(regexes)
            .prop_map(|text| PathPattern::Regex(Box::new(regex::Regex::new(&format!("^(?:{text})$")).unwrap()))),
        4 => segments.prop_map(|(mut segments, rest, slash)| {
            if !rest && (slash || segments.is_empty()) {
                segments.push(Segment::Literal(""));
            }
            PathPattern::Segments { segments: segments.into_iter().collect(), rest }
        }),
    ]
}

fn value() -> impl Strategy<Value = ValueMatch> {
    let regex = prop::sample::select(vec!["", "a", "^a", "b$", "^(a|b)$"]);
    let leaf = prop_oneof![
        text().prop_map(ValueMatch::Exact),
        any::<bool>().prop_map(ValueMatch::Present),
        text().prop_map(ValueMatch::Prefix),
        regex.prop_map(|text| ValueMatch::Regex(regex::bytes::Regex::new(text).unwrap())),
        prop::collection::vec(text(), 1..3).prop_map(ValueMatch::In),
    ];
    leaf.prop_recursive(2, 4, 1, |inner| inner.prop_map(|inner| ValueMatch::Not(Box::new(inner))))
        .prop_map(ValueMatch::simplified)
}

fn values() -> impl Strategy<Value = Vec<(String, ValueMatch)>> {
    let names = prop::sample::subsequence(vec!["x", "y"], 0..2);
    (names, prop::collection::vec(value(), 2))
        .prop_map(|(names, values)| names.into_iter().map(str::to_owned).zip(values).collect())
}

fn networks() -> impl Strategy<Value = Option<Networks>> {
    let all =
        vec!["0.0.0.0/0", "::/0", "0.0.0.0/1", "128.0.0.0/1", "10.0.0.0/8", "10.0.0.0/9", "10.128.0.0/9"];
    let some = prop::collection::vec(prop::sample::select(all), 1..4);
    let some = some.prop_map(|texts| Networks(texts.iter().map(|text| text.parse().unwrap()).collect()));
    prop::option::weighted(0.3, some)
}

fn any_route() -> impl Strategy<Value = Route> {
    let methods = prop::sample::subsequence(vec!["GET", "PUT"], 0..2);
    (path(), methods, values(), values(), values(), networks()).prop_map(
        |(path, methods, headers, queries, cookies, client)| {
            let methods = methods.into_iter().map(str::to_owned).collect();
            let others = model::Conditions { methods, headers, queries, cookies, client };
            Route { others: others.kept(), ..route(path) }
        },
    )
}

#[derive(Clone, Debug)]
struct Asked {
    method: &'static str,
    path: String,
    query: String,
    fields: Vec<(String, String)>,
    client: IpAddr,
}

fn pairs() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    prop::collection::vec((prop::sample::select(vec!["x", "y"]), text()), 0..3)
}

fn asked() -> impl Strategy<Value = Asked> {
    let paths = vec!["*", "/", "/a", "/b", "/ab", "/a/", "/a/b", "/b/a/ab", "/a/a", "/c"];
    let clients = vec!["10.1.2.3", "10.200.0.1", "200.0.0.1", "1.1.1.1", "::1"];
    let choice = (
        prop::sample::select(vec!["GET", "PUT", "POST"]),
        prop::sample::select(paths),
        prop::sample::select(clients),
    );
    (choice, pairs(), pairs(), pairs()).prop_map(|((method, path, client), headers, queries, cookies)| {
        let joined = |pairs: Vec<(&str, String)>, by: &str| {
            pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(by)
        };
        let mut fields: Vec<_> = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        fields.push(("cookie".to_owned(), joined(cookies, "; ")));
        let (path, query) = (path.to_owned(), joined(queries, "&"));
        Asked { method, path, query, fields, client: client.parse().unwrap() }
    })
}

impl Asked {
    fn fulfils(&self, route: &Route) -> bool {
        let request = Request {
            method: self.method,
            tls: false,
            host: "a",
            path: &self.path,
            raw_path: self.path.as_bytes(),
            query: Some(self.query.as_bytes()),
            fields: &self.fields,
            client: self.client,
            listener: None,
        };
        path_fits(&route.path, &self.path) && check(route, &request).is_ok()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_reported_is_taken_by_the_earlier_route(
        routes in prop::collection::vec(any_route(), 2..12),
        requests in prop::collection::vec(asked(), 40),
    ) {
        let site = site(routes);
        for (dead, by) in unreachable(&site) {
            prop_assert!(by < dead);
            for request in &requests {
                let (dead, by) = (&site.routes[dead.0], &site.routes[by.0]);
                prop_assert!(!request.fulfils(dead) || request.fulfils(by), "{request:?}: {dead:?} by {by:?}");
            }
        }
    }
}
