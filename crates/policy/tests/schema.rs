//! The JSON Schema takes what the program takes, and refuses what it refuses as far as a schema can tell.
//!
//! Validators of JSON Schema come with dozens of crates; the keywords that ours uses are few, and one that is not
//! known here fails the test.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{documented, examples, load, rendered};
use policy::file::tree::{self, Kind, Node};
use policy::source::SourceId;
use serde_json::{Value, json};

/// What editors read a YAML text as: plain scalars by the core schema of YAML 1.2.
fn as_json(text: &str) -> Value {
    let node = tree::read(SourceId::default(), text, &mut Vec::new()).unwrap();
    value(&node)
}

fn value(node: &Node) -> Value {
    match &node.kind {
        Kind::Null => Value::Null,
        Kind::Broken => panic!("a broken value"),
        Kind::Scalar { text, plain: true } => plain(text),
        Kind::Scalar { text, .. } => json!(text),
        Kind::List(items) => items.iter().map(value).collect(),
        Kind::Map { entries, .. } => {
            entries.iter().map(|entry| (entry.key.value.clone(), value(&entry.value))).collect()
        }
    }
}

fn plain(text: &str) -> Value {
    match text {
        "true" | "True" | "TRUE" => json!(true),
        "false" | "False" | "FALSE" => json!(false),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<u64>().map_or_else(|_| json!(1e30), |number| json!(number))
        }
        _ if text.bytes().all(|byte| byte.is_ascii_digit() || b".-+eE".contains(&byte)) => {
            text.parse::<f64>().map_or_else(|_| json!(text), |number| json!(number))
        }
        _ => json!(text),
    }
}

/// Whether a value fits a schema.
fn fits(schema: &Value, value: &Value, root: &Value) -> bool {
    let Value::Object(keywords) = schema else { return schema.as_bool().unwrap() };
    keywords.iter().all(|(keyword, rule)| {
        let list = || rule.as_array().unwrap();
        let number = || usize::try_from(rule.as_u64().unwrap()).unwrap();
        match (keyword.as_str(), value) {
            ("$schema" | "$defs" | "title" | "description", _) => true,
            ("$ref", _) => {
                let name = rule.as_str().unwrap().trim_start_matches("#/$defs/");
                fits(&root["$defs"][name], value, root)
            }
            ("type", _) => match rule {
                Value::Array(types) => types.iter().any(|kind| is_kind(kind, value)),
                kind => is_kind(kind, value),
            },
            ("enum", _) => list().contains(value),
            ("const", _) => rule == value,
            ("not", _) => !fits(rule, value, root),
            ("anyOf", _) => list().iter().any(|schema| fits(schema, value, root)),
            ("allOf", _) => list().iter().all(|schema| fits(schema, value, root)),
            ("oneOf", _) => list().iter().filter(|schema| fits(schema, value, root)).count() == 1,
            ("pattern", Value::String(text)) => {
                regex::Regex::new(rule.as_str().unwrap()).unwrap().is_match(text)
            }
            ("minimum", Value::Number(number)) => number.as_f64() >= rule.as_f64(),
            ("maximum", Value::Number(number)) => number.as_f64() <= rule.as_f64(),
            ("minItems", Value::Array(items)) => items.len() >= number(),
            ("uniqueItems", Value::Array(items)) => {
                items.iter().enumerate().all(|(index, item)| !items[..index].contains(item))
            }
            ("dependentRequired", Value::Object(map)) => {
                rule.as_object().unwrap().iter().all(|(key, needed)| {
                    let needed = needed.as_array().unwrap();
                    !map.contains_key(key) || needed.iter().all(|key| map.contains_key(key.as_str().unwrap()))
                })
            }
            ("items", Value::Array(items)) => items.iter().all(|item| fits(rule, item, root)),
            ("minProperties", Value::Object(map)) => map.len() >= number(),
            ("maxProperties", Value::Object(map)) => map.len() <= number(),
            ("required", Value::Object(map)) => {
                list().iter().all(|key| map.contains_key(key.as_str().unwrap()))
            }
            ("propertyNames", Value::Object(map)) => map.keys().all(|key| fits(rule, &json!(key), root)),
            ("properties", Value::Object(map)) => {
                map.iter().all(|(key, value)| rule.get(key).is_none_or(|schema| fits(schema, value, root)))
            }
            ("additionalProperties", Value::Object(map)) => {
                let known =
                    |key: &String| keywords.get("properties").is_some_and(|all| all.get(key).is_some());
                map.iter().filter(|(key, _)| !known(key)).all(|(_, value)| fits(rule, value, root))
            }
            (
                "pattern"
                | "minimum"
                | "maximum"
                | "minItems"
                | "uniqueItems"
                | "dependentRequired"
                | "items"
                | "minProperties"
                | "maxProperties"
                | "required"
                | "propertyNames"
                | "properties"
                | "additionalProperties",
                _,
            ) => true,
            (unknown, _) => panic!("the schema uses `{unknown}`, which this test does not know"),
        }
    })
}

fn is_kind(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("the schema uses the type {other}"),
    }
}

fn is_valid(text: &str) -> bool {
    let schema = policy::schema();
    fits(&schema, &as_json(text), &schema)
}

#[test]
fn good_files_are_valid() {
    let mut all: Vec<String> = documented().into_iter().map(|(_, block)| block).collect();
    all.extend(
        examples().iter().map(|folder| std::fs::read_to_string(folder.join("tidegate.yaml")).unwrap()),
    );
    all.push(include_str!("good/every_key.yaml").to_owned());
    for text in all {
        assert!(is_valid(&text), "{text}");
    }
}

/// A file with these lines, which schema and program judge alike.
#[track_caller]
fn check(lines: &str, expected: bool) {
    let mut text = String::from("listeners: [':80']\n");
    for (key, default) in [
        ("pools:", "pools: { app: { servers: [10.0.0.1:80] }, next: { servers: [10.0.0.2:80] } }\n"),
        ("sites:", "sites: { a: { to: app } }\n"),
    ] {
        if !lines.contains(key) {
            text.push_str(default);
        }
    }
    let text =
        if lines.starts_with("listeners") { text.split_once('\n').unwrap().1.to_owned() } else { text };
    let text = format!("{text}{lines}\n");
    let loaded = load(&text);
    assert_eq!(!loaded.failed(), expected, "the program on {lines}: {}", rendered(&loaded));
    assert_eq!(is_valid(&text), expected, "the schema on {lines}");
}

#[test]
fn what_the_program_takes_is_valid() {
    for lines in [
        "pools: { app: { servers: [10.0.0.1:80], health: /h, sticky: cookie }, b: { like: app, health: null, sticky: ~ } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { path: /h, every: 1s } }, b: { like: app, health: { every: null } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: /h }, b: { like: app, health: { rise: 5 } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { path: /h, tcp: false } } }",
        "pools: { app: { servers: ['10.0.0.1:${SHOP_PORT}', { address: 10.0.0.2:80, weight: '5' }] } }",
        "pools: { app: { servers: [10.0.0.1:80], sticky: { cookie: a, same_site: LAX } } }",
        "workers: '4'",
        "listeners: [{ address: ':80', protocols: [h1, h2] }]",
        "listeners: [{ address: ':80', protocols: h2 }]",
        "listeners: [{ address: ':80', bounds: { streams: 1000 } }]",
        "bounds: { streams: '1' }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2 } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h1, tls: true } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2c, tls: false, health: grpc } }",
        "pools: { app: { servers: [10.0.0.1:80], tls: { ca: a.pem, sni: a.b, cert: c.pem, key: c.key, verify: false } } }",
        "pools: { app: { servers: [10.0.0.1:80], tls: { cert: c.pem, key: c.key } }, b: { like: app, tls: { cert: d.pem } } }",
        "pools: { app: { servers: [10.0.0.1:80], tls: { ca: a.pem } }, b: { like: app, tls: null }, c: { like: app, tls: { ca: null } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2, health: { grpc: true, host: x } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2c, health: { grpc: shop.v1.Cart } }, b: { like: app, health: /h } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { grpc: false, path: /h } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { grpc: false, tcp: true } } }",
        "drain: { limit: '${SHOP_PORT}ms' }",
        "listeners: [':${SHOP_PORT}']",
        "listeners: ['[::1]:80', 'localhost:81', ':82', '127.0.0.1:83']",
        "bounds: { body: 0, head: 48k, headers: '20' }",
        "bounds: { head: 1024b }",
        "drain: { grace: 0s }",
        "timeouts: { total: none, idle: 007s }",
        "tests: [{ purge: 'http://a/', to: app }, { trace: 'http://a/', to: app }]",
        "sites: { a: { to: { app: 99.5%, next: 0.50% } } }",
        "sites: { a: { to: { split: { app: 100%, next: 0% } } } }",
        "sites: { a: { to: { redirect: /x } }, b: { to: { redirect: /x, status: 302 } } }",
        "sites: { a: { to: { status: '404', body: x, headers: { a: b } } } }",
        "sites: { a: { to: app, errors: { 404: { html: x }, 5xx: { json: x }, 500-503: { html: x }, all: { html: x } } } }",
        "sites: { a: { routes: [{ header: { a: { in: [x] }, b: { not: { present: true } } }, to: app }] } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2c } }\nsites: { a: { use: [grpc_web], routes: [{ path: /x, skip: grpc_web, to: app }, { use: [grpc_web], to: app }] } }",
        "observe: { access_log: off }",
        "observe: { access_log: {} }",
    ] {
        check(lines, true);
    }
}

#[test]
fn what_the_program_refuses_is_not_valid() {
    for lines in [
        "sites: { a: {} }",
        "sites: { a: { aliases: [b] } }",
        "sites: { a: { to: app, routes: [{ to: app }] } }",
        "sites: { a: { routes: [] } }",
        "sites: { a: { routes: [{ path: /x }] } }",
        "sites: { a: { routes: [{ path: {}, to: app }] } }",
        "sites: { a: { routes: [{ path: x, to: app }] } }",
        "sites: { a: { routes: [{ method: [], to: app }] } }",
        "sites: { a: { routes: [{ client: [], to: app }] } }",
        "sites: { a: { routes: [{ header: { x: {} }, to: app }] } }",
        "sites: { a: { routes: [{ header: { x: { in: [] } }, to: app }] } }",
        "sites: { a: { routes: [{ header: { x: { prefix: a, regex: b } }, to: app }] } }",
        "sites: { a: { use: [cache], to: app } }",
        "sites: { a: { routes: [{ use: { grpc_web: {} }, to: app }] } }",
        "sites: { a: { to: {} } }",
        "sites: { a: { to: { app: 101% } } }",
        "sites: { a: { to: { app: 50, next: 50 } } }",
        "sites: { a: { to: { nearest: [app] } } }",
        "sites: { a: { to: { split: { app: 100% }, body: x } } }",
        "sites: { a: { to: { split: {} } } }",
        "sites: { a: { to: { redirect: /x, body: y } } }",
        "sites: { a: { to: { redirect: /x, status: 200 } } }",
        "sites: { a: { to: { body: x } } }",
        "sites: { a: { to: app, errors: { 200: { html: x } } } }",
        "sites: { a: { to: app, errors: { 4xy: { html: x } } } }",
        "sites: { a: { to: app, errors: { 404: {} } } }",
        "sites: { a: { to: app, errors: { 404: { html: x, html_file: y } } } }",
        "sites: { a: { to: app, bounds: null } }",
        "sites: { a: { to: null } }",
        "pools: { app: {} }",
        "pools: { app: { servers: [] } }",
        "pools: { app: { servers: [10.0.0.1:80], health: {} } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { every: 1s } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { tcp: false } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { path: /x, tcp: true } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { tcp: true, expect: 200 } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: { path: /, expect: [] } } }",
        "pools: { app: { servers: [10.0.0.1:80], health: null } }",
        "pools: { app: { servers: [10.0.0.1:80], sticky: {} } }",
        "pools: { app: { servers: [10.0.0.1:80], sticky: { secure: true } } }",
        "pools: { app: { servers: [10.0.0.1:80], sticky: { cookie: a, by: cookie.b } } }",
        "pools: { app: { servers: [10.0.0.1:80], sticky: { by: cookie.b, path: / } } }",
        "pools: { app: { servers: [10.0.0.1:80], sticky: { cookie: b, max: 5 } } }",
        "pools: { app: { servers: [{ weight: 2 }] } }",
        "pools: { app: { servers: [10.0.0.1] } }",
        "pools: { app: { servers: [10.0.0.1:80], weight: 1 } }",
        "pools: { app: { servers: [10.0.0.1:80], health: grpc } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h1, health: { grpc: true } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2, health: { grpc: false } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2, health: { grpc: true, path: /h } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2, health: { grpc: true, tcp: true } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2, health: { grpc: a.B, expect: 200 } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2, health: { grpc: 'a b' } } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2c, tls: true } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2c, tls: {} } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h2, tls: false } }",
        "pools: { app: { servers: [10.0.0.1:80], protocol: h3 } }",
        "pools: { app: { servers: [10.0.0.1:80], tls: yes } }",
        "pools: { app: { servers: [10.0.0.1:80], tls: { cert: a.pem } } }",
        "pools: { app: { servers: [10.0.0.1:80], tls: { verify: never } } }",
        "listeners: [{ address: ':80', protocols: [] }]",
        "listeners: [{ address: ':80', protocols: [h1, h1] }]",
        "listeners: [{ address: ':443', tls: true, protocols: [h2, h3] }]",
        "bounds: { streams: 0 }",
        "listeners: [{ address: ':80', bounds: { streams: 1001 } }]",
        "pools: { status: { servers: [10.0.0.1:80] } }",
        "listeners: []",
        "listeners: [{ name: x }]",
        "listeners: ['*:80']",
        "tls: { certificates: [{ cert: a.pem }] }",
        "timeouts: { idle: 0s }",
        "timeouts: { idle: 10 }",
        "bounds: { head: 49k }",
        "bounds: { head: 512b }",
        "bounds: { headers: 257 }",
        "workers: 0",
        "workers: many",
        "tests: [{ to: app }]",
        "tests: [{ get: 'http://a/' }]",
        "tests: [{ get: 'http://a/', post: 'http://a/', to: app }]",
        "tests: [{ GET: 'http://a/', to: app }]",
        "tests: [{ get: 'http://a/', too: app }]",
        "tests: [{ get: a/, to: app }]",
        "observe: { access_log: on }",
        "nonsense: 1",
    ] {
        check(lines, false);
    }
}
