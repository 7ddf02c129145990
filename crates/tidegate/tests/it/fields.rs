//! Header fields: forwarding, hop-by-hop, order and case, the request id, the host.

use crate::support::Pair;

const TRUSTED: &str = "trusted_proxies: [127.0.0.0/8]";

/// What a server sees of `name` when these fields are sent.
fn seen(pair: &Pair, fields: &str, name: &str) -> Vec<String> {
    let request = format!("GET / HTTP/1.1\r\nHost: a.example:81\r\n{fields}\r\n");
    pair.client().request(request).unwrap().seen(name)
}

#[test]
fn strangers_cannot_say_who_they_are() {
    let pair = Pair::start();
    let lies = "X-Forwarded-For: 9.9.9.9\r\nX-Forwarded-For: 8.8.8.8\r\nX-Forwarded-Proto: https\r\n\
                X-Forwarded-Host: evil\r\nForwarded: for=9.9.9.9\r\nX-Request-Id: mine\r\n";
    assert_eq!(seen(&pair, lies, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen(&pair, lies, "x-forwarded-proto"), ["http"]);
    assert_eq!(seen(&pair, lies, "x-forwarded-host"), ["a.example:81"]);
    assert!(seen(&pair, lies, "forwarded").is_empty());
    let id = seen(&pair, lies, "x-request-id");
    assert_eq!(id.len(), 1);
    assert_ne!(id[0], "mine");
    assert_eq!(pair.tidegate.logs(1)[0]["client"], "127.0.0.1");
}

#[test]
fn trusted_proxies_are_believed_and_added_to() {
    let pair = Pair::with("", TRUSTED);
    let fields = "X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: b\r\nX-Request-Id: abc-1\r\n";
    assert_eq!(seen(&pair, fields, "x-forwarded-for").join(", "), "192.0.2.9, 127.0.0.1");
    assert_eq!(seen(&pair, fields, "x-forwarded-proto"), ["https"]);
    assert_eq!(seen(&pair, fields, "x-request-id"), ["abc-1"]);
    let line = pair.tidegate.logs(3).remove(0);
    assert_eq!((&line["client"], &line["request_id"]), (&"192.0.2.9".into(), &"abc-1".into()));
}

#[test]
fn the_client_is_the_last_address_that_is_not_trusted() {
    let pair = Pair::with("", TRUSTED);
    seen(&pair, "X-Forwarded-For: 6.6.6.6, 192.0.2.9, 127.0.0.7\r\n", "x-forwarded-for");
    assert_eq!(pair.tidegate.logs(1)[0]["client"], "192.0.2.9");
}

#[test]
fn an_id_that_could_be_markup_goes_no_further() {
    let pair = Pair::with("", TRUSTED);
    for bad in ["X-Request-Id: <b>\r\n", "X-Request-Id: a\"b\r\n", "X-Request-Id: a\r\nX-Request-Id: b\r\n"] {
        let ids = seen(&pair, bad, "x-request-id");
        assert!(ids.len() == 1 && ids[0].len() == 32, "{bad}: {ids:?}");
    }
}

#[test]
fn a_scheme_comes_from_the_hop_that_gave_the_address() {
    let pair = Pair::with("", TRUSTED);
    let fields = "X-Forwarded-For: 6.6.6.6, 192.0.2.9\r\nX-Forwarded-Proto: https, http\r\n";
    seen(&pair, fields, "host");
    let line = pair.tidegate.logs(1).remove(0);
    assert_eq!((&line["client"], &line["scheme"]), (&"192.0.2.9".into(), &"http".into()));
}

#[test]
fn only_fields_of_the_configured_style_are_read() {
    let pair = Pair::with("", "trusted_proxies: [127.0.0.0/8]\nforwarded: { style: forwarded }");
    seen(&pair, "X-Forwarded-For: 6.6.6.6\r\nForwarded: for=192.0.2.9;proto=\"https\"\r\n", "host");
    let line = pair.tidegate.logs(1).remove(0);
    assert_eq!((&line["client"], &line["scheme"]), (&"192.0.2.9".into(), &"https".into()));
}

#[test]
fn replacing_leaves_nothing_of_what_came() {
    let pair = Pair::with("", "trusted_proxies: [127.0.0.0/8]\nforwarded: { mode: replace }");
    assert_eq!(seen(&pair, "X-Forwarded-For: 192.0.2.9\r\n", "x-forwarded-for").len(), 1);
}

#[test]
fn the_standard_field_can_be_used_instead() {
    let pair = Pair::with("", "forwarded: { style: forwarded }");
    let value = seen(&pair, "Forwarded: for=9.9.9.9\r\nX-Forwarded-For: 9.9.9.9\r\n", "forwarded");
    assert_eq!(value.len(), 1);
    assert!(value[0].contains("for=127.0.0.1") && value[0].contains("proto=http"), "{value:?}");
    assert!(!value[0].contains("9.9.9.9"));
    assert!(seen(&pair, "X-Forwarded-For: 9.9.9.9\r\n", "x-forwarded-for").is_empty());
}

/// What one request comes to.
struct Case<'a> {
    /// Whether the peer is a trusted proxy, and more at the top level of the configuration.
    config: (bool, &'a str),
    /// Fields that the request has besides `Host: a.example:81`.
    fields: &'a [&'a str],
    /// Forwarding fields and request id that the server sees, in order; `ID` stands for one of ours.
    seen: &'a [&'a str],
    /// The client and its scheme as the log has them.
    client: (&'a str, &'a str),
}

/// The names whose fields a [`Case`] lists.
const FORWARDING: [&str; 6] = [
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "forwarded",
    "x-request-id",
];

#[track_caller]
fn check(cases: &[Case<'_>]) {
    for case in cases {
        let trusted = if case.config.0 { TRUSTED } else { "" };
        let pair = Pair::with("", &format!("{trusted}\n{}", case.config.1));
        let mut lines = case.fields.join("\r\n");
        if !lines.is_empty() {
            lines.push_str("\r\n");
        }
        let request = format!("GET / HTTP/1.1\r\nHost: a.example:81\r\n{lines}\r\n");
        let json = pair.client().request(request).unwrap().json();
        let log = pair.tidegate.logs(1).remove(0);
        let id = log["request_id"].as_str().unwrap();
        let mut ids = 0;
        let mut seen = Vec::new();
        for field in json["headers"].as_array().unwrap() {
            let (name, value) = (field[0].as_str().unwrap().to_lowercase(), field[1].as_str().unwrap());
            if name == "x-request-id" {
                ids += 1;
                assert_eq!(value, id, "{:?}: the server and the log have the same id", case.fields);
            }
            let ours = name == "x-request-id" && value.len() == 32 && !lines.contains(value);
            if FORWARDING.contains(&name.as_str()) {
                seen.push(format!("{name}: {}", if ours { "ID" } else { value }));
            }
        }
        seen.sort();
        let mut wanted = case.seen.to_vec();
        wanted.sort_unstable();
        assert_eq!(seen, wanted, "{:?} with {:?}", case.fields, case.config);
        assert_eq!(ids, 1, "{:?}: one id", case.fields);
        let client = (log["client"].as_str().unwrap(), log["scheme"].as_str().unwrap());
        assert_eq!(client, case.client, "{:?} with {:?}", case.fields, case.config);
        let peer = if client.0 == "127.0.0.1" { serde_json::Value::Null } else { "127.0.0.1".into() };
        assert_eq!(log["peer"], peer, "{:?}: the peer where it is not the client", case.fields);
    }
}

const LOCAL: (&str, &str) = ("127.0.0.1", "http");
const OWN: [&str; 4] = [
    "x-forwarded-for: 127.0.0.1",
    "x-forwarded-proto: http",
    "x-forwarded-host: a.example:81",
    "x-request-id: ID",
];
const X_FORWARDED: [&str; 4] = [
    "X-Forwarded-For: 192.0.2.9",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: outer.example",
    "X-Request-Id: abc-1",
];
const FORWARDED: &str = "Forwarded: for=192.0.2.9;proto=https";
const OURS: &str = "for=127.0.0.1;proto=http;host=\"a.example:81\"";

#[test]
fn who_is_told_what_by_whom() {
    let append = "forwarded: { mode: append }";
    let replace = "forwarded: { mode: replace }";
    let none = "forwarded: { style: none }";
    let standard = "forwarded: { style: forwarded }";
    let standard_replace = "forwarded: { style: forwarded, mode: replace }";
    check(&[
        Case { config: (false, ""), fields: &[], seen: &OWN, client: LOCAL },
        Case { config: (false, ""), fields: &X_FORWARDED, seen: &OWN, client: LOCAL },
        Case { config: (false, append), fields: &[FORWARDED], seen: &OWN, client: LOCAL },
        Case { config: (true, append), fields: &[], seen: &OWN, client: LOCAL },
        Case {
            config: (true, append),
            fields: &X_FORWARDED,
            seen: &[
                "x-forwarded-for: 192.0.2.9, 127.0.0.1",
                "x-forwarded-proto: https",
                "x-forwarded-host: outer.example",
                "x-request-id: abc-1",
            ],
            client: ("192.0.2.9", "https"),
        },
        Case {
            config: (true, replace),
            fields: &X_FORWARDED,
            seen: &["x-forwarded-for: 192.0.2.9", "x-forwarded-proto: https", OWN[2], "x-request-id: abc-1"],
            client: ("192.0.2.9", "https"),
        },
        Case {
            config: (true, append),
            fields: &["X-Forwarded-For: 6.6.6.6, 192.0.2.9", "X-Forwarded-For: 127.0.0.7"],
            seen: &["x-forwarded-for: 6.6.6.6, 192.0.2.9, 127.0.0.7, 127.0.0.1", OWN[1], OWN[2], OWN[3]],
            client: ("192.0.2.9", "http"),
        },
        Case {
            config: (true, append),
            fields: &["X-Forwarded-For: 192.0.2.9, unknown"],
            seen: &["x-forwarded-for: 192.0.2.9, unknown, 127.0.0.1", OWN[1], OWN[2], OWN[3]],
            client: LOCAL,
        },
        Case {
            config: (true, append),
            fields: &["X-Forwarded-For: [2001:db8::9]:4711"],
            seen: &["x-forwarded-for: [2001:db8::9]:4711, 127.0.0.1", OWN[1], OWN[2], OWN[3]],
            client: ("2001:db8::9", "http"),
        },
        Case {
            config: (false, standard),
            fields: &[FORWARDED],
            seen: &[&format!("forwarded: {OURS}"), OWN[3]],
            client: LOCAL,
        },
        // What a proxy does not write itself is its client's.
        Case { config: (true, append), fields: &[FORWARDED], seen: &OWN, client: LOCAL },
        Case {
            config: (true, standard),
            fields: &[X_FORWARDED[0], X_FORWARDED[1]],
            seen: &[&format!("forwarded: {OURS}"), OWN[3]],
            client: LOCAL,
        },
        Case {
            config: (true, standard),
            fields: &[FORWARDED],
            seen: &[&format!("forwarded: for=192.0.2.9;proto=https, {OURS}"), OWN[3]],
            client: ("192.0.2.9", "https"),
        },
        Case {
            config: (true, standard),
            fields: &["Forwarded: for=6.6.6.6, for=\"[2001:db8::9]:4711\"", "Forwarded: for=127.0.0.7"],
            seen: &[
                &format!("forwarded: for=6.6.6.6, for=\"[2001:db8::9]:4711\", for=127.0.0.7, {OURS}"),
                OWN[3],
            ],
            client: ("2001:db8::9", "http"),
        },
        Case {
            config: (true, standard_replace),
            fields: &[FORWARDED],
            seen: &["forwarded: for=192.0.2.9;proto=https;host=\"a.example:81\"", OWN[3]],
            client: ("192.0.2.9", "https"),
        },
        Case { config: (false, none), fields: &X_FORWARDED, seen: &[OWN[3]], client: LOCAL },
        Case { config: (false, none), fields: &[FORWARDED], seen: &[OWN[3]], client: LOCAL },
    ]);
}

#[test]
fn a_trusted_peers_request_id_is_kept() {
    let id = "x".repeat(128);
    for id in ["a", "abc-1", "0123456789abcdef0123456789abcdef-", "a.b:c/d+e=f@g_h", &id] {
        let (field, seen) = (format!("X-Request-Id: {id}"), format!("x-request-id: {id}"));
        check(&[Case {
            config: (true, ""),
            fields: &[&field],
            seen: &[OWN[0], OWN[1], OWN[2], &seen],
            client: LOCAL,
        }]);
    }
}

#[test]
fn only_the_configured_kind_of_field_is_believed() {
    let (standard, none) = ("forwarded: { style: forwarded }", "forwarded: { style: none }");
    let lie = "Forwarded: for=6.6.6.6;proto=https";
    for (style, fields, client, scheme) in [
        // A proxy that writes one kind passes on what its client wrote of the other.
        ("", &[lie][..], "127.0.0.1", "http"),
        ("", &["X-Forwarded-For: 192.0.2.9", lie], "192.0.2.9", "http"),
        (standard, &X_FORWARDED[..2], "127.0.0.1", "http"),
        (standard, &[X_FORWARDED[0], X_FORWARDED[1], "Forwarded: for=192.0.2.7"], "192.0.2.7", "http"),
        // Nothing is written, and the usual kind read.
        (none, &X_FORWARDED[..2], "192.0.2.9", "https"),
        (none, &[lie], "127.0.0.1", "http"),
    ] {
        let pair = Pair::with("", &format!("{TRUSTED}\n{style}"));
        let request = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n\r\n", fields.join("\r\n"));
        assert_eq!(pair.client().request(request).unwrap().status, 200);
        let line = pair.tidegate.logs(1).remove(0);
        let told = (line["client"].as_str().unwrap(), line["scheme"].as_str().unwrap());
        assert_eq!(told, (client, scheme), "{fields:?} with {style:?}");
    }
}

#[test]
fn a_request_id_that_is_refused_is_not_passed_on() {
    let long = "x".repeat(129);
    for id in ["", "a b", "a\tb", "\u{e4}", &long] {
        let field = format!("X-Request-Id: {id}");
        check(&[Case { config: (true, ""), fields: &[&field], seen: &OWN, client: LOCAL }]);
    }
}

#[test]
fn hop_by_hop_fields_stay_on_their_hop() {
    let pair = Pair::start();
    let fields = "Connection: keep-alive, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
                  Proxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: x\r\n";
    for name in ["x-secret", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert!(seen(&pair, fields, name).is_empty(), "{name}");
    }
    let response = pair.client().get("a", "/hop").unwrap();
    for name in ["x-private", "keep-alive", "proxy-connection"] {
        assert_eq!(response.value(name), None, "{name}");
    }
}

#[test]
fn order_case_and_duplicates_are_kept() {
    let pair = Pair::start();
    let request =
        "GET / HTTP/1.1\r\nZ-First: 1\r\nHost: a\r\nx-mIxEd: 2\r\nZ-First: 3\r\nAccept: */*\r\n\r\n";
    let json = pair.client().request(request).unwrap().json();
    let names: Vec<&str> =
        json["headers"].as_array().unwrap().iter().map(|field| field[0].as_str().unwrap()).collect();
    let ours: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| ["Z-First", "Host", "x-mIxEd", "Accept"].contains(name))
        .collect();
    assert_eq!(ours, ["Z-First", "Host", "x-mIxEd", "Z-First", "Accept"]);
    let response = pair.client().get("a", "/hop").unwrap();
    assert!(response.head.fields.contains(&("x-mIxEd-Case".to_owned(), "kept".to_owned())));
    assert_eq!(response.head.values("set-cookie").collect::<Vec<_>>(), ["a=1", "b=2"]);
    assert_eq!(response.head.values("x-twice").collect::<Vec<_>>(), ["one", "two"]);
}

#[test]
fn servers_see_the_clients_host_or_the_pools() {
    let pair = Pair::start();
    assert_eq!(seen(&pair, "", "host"), ["a.example:81"]);
    let pair = Pair::with(", host: internal.example", "");
    assert_eq!(seen(&pair, "", "host"), ["internal.example"]);
}
