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
