//! Health checks as servers see them: what is asked, how often, and what counts as well.

use crate::support::{H2Server, Tidegate, tool, wait_for};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use testkit::origin::Origin;
use testkit::peer::{Peer, Seen, Step};

/// A pool of its own for each server, with this health check, reached by the host of the same name.
fn start(pools: &[(&str, SocketAddr, &str)]) -> Tidegate {
    let mut yaml = "listeners: [{ name: web, address: \"127.0.0.1:0\" }]\npools:\n".to_owned();
    for (name, address, health) in pools {
        yaml.push_str(&format!("  {name}: {{ servers: [\"{address}\"], health: {health} }}\n"));
    }
    yaml.push_str("sites:\n");
    for (name, ..) in pools {
        yaml.push_str(&format!("  {name}: {{ to: {name} }}\n"));
    }
    Tidegate::start(&yaml)
}

/// The first text that a connection to a peer brought.
fn text(seen: &[Seen]) -> String {
    String::from_utf8_lossy(&seen[0].bytes).into_owned()
}

fn well() -> Peer {
    Peer::answering("HTTP/1.1 204 No Content\r\n\r\n").unwrap()
}

#[test]
fn statuses_that_are_expected_are_a_success() {
    let origin = Origin::start("one").unwrap();
    let mut pools = Vec::new();
    for (name, path, expect, is_up) in [
        ("default-204", "/status/204", "", true),
        ("default-302", "/status/302", "", true),
        ("default-404", "/status/404", "", false),
        ("default-500", "/status/500", "", false),
        ("one", "/status/404", ", expect: 404", true),
        ("another", "/status/200", ", expect: 404", false),
        ("class", "/status/503", ", expect: 5xx", true),
        ("range", "/status/299", ", expect: \"200-299\"", true),
        ("beyond", "/status/300", ", expect: \"200-299\"", false),
        ("list", "/status/401", ", expect: [200, 401, 5xx]", true),
    ] {
        pools.push((name, format!("{{ path: {path}{expect}, every: 1h }}"), is_up));
    }
    let configured: Vec<_> =
        pools.iter().map(|(name, health, _)| (*name, origin.address, health.as_str())).collect();
    let tidegate = start(&configured);
    let mut client = tidegate.client();
    for (name, health, is_up) in &pools {
        let status = client.get(name, "/").unwrap().status;
        assert_eq!(status, if *is_up { 200 } else { 503 }, "{name}: {health}");
    }
}

#[test]
fn a_check_names_the_host_that_it_should() {
    let (plain, named, elsewhere) = (well(), well(), well());
    // It serves on one port and is checked on another.
    let origin = Origin::start("one").unwrap();
    let port = elsewhere.address.port();
    let tidegate = start(&[
        ("plain", plain.address, "/healthz"),
        ("named", named.address, "{ path: /check?deep, host: check.example }"),
        ("elsewhere", origin.address, &format!("{{ path: /p, port: {port} }}")),
    ]);
    assert_eq!(tidegate.client().get("elsewhere", "/").unwrap().status, 200);
    for (peer, line, host) in [
        (&plain, "GET /healthz HTTP/1.1", plain.address.to_string()),
        (&named, "GET /check?deep HTTP/1.1", "check.example".to_owned()),
        (&elsewhere, "GET /p HTTP/1.1", elsewhere.address.to_string()),
    ] {
        let text = text(&peer.seen());
        assert!(text.starts_with(&format!("{line}\r\nHost: {host}\r\n")), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    }
}

#[test]
fn a_check_by_connecting_sends_nothing_and_believes_any_listener() {
    let peer = Peer::start(vec![vec![Step::ReadToEnd]]).unwrap();
    let origin = Origin::start("failing").unwrap();
    origin.fail(true);
    let tidegate = start(&[
        ("silent", peer.address, "tcp"),
        ("tcp", origin.address, "{ tcp: true, every: 50ms }"),
        ("http", origin.address, "{ path: /healthz, every: 50ms }"),
    ]);
    assert!(peer.wait(|seen| seen[0].over && seen[0].bytes.is_empty()), "{:?}", peer.seen());
    let mut client = tidegate.client();
    assert_eq!(client.get("http", "/").unwrap().status, 503, "it is down");
    assert_eq!(client.get("tcp", "/").unwrap().status, 500, "it is asked, and says so itself");
}

#[test]
fn a_check_that_is_not_answered_in_time_has_failed() {
    let peer = Peer::start(vec![vec![Step::ReadRequest, Step::ReadToEnd]]).unwrap();
    let tidegate = start(&[("mute", peer.address, "{ path: /healthz, every: 50ms, timeout: 200ms }")]);
    assert_eq!(tidegate.client().get("mute", "/").unwrap().status, 503);
    wait_for("the reason", || tidegate.stderr().iter().any(|line| line.contains("timeout")));
    assert!(peer.wait(|seen| seen[0].ended), "the check is given up");
}

#[test]
fn checks_come_as_often_as_they_should() {
    let (often, rarely) = (well(), well());
    let tidegate = start(&[
        ("often", often.address, "{ path: /healthz, every: 100ms }"),
        ("rarely", rarely.address, "{ path: /healthz, every: 1h }"),
    ]);
    let reach = |count: usize| {
        assert!(often.wait(|seen| seen.len() >= count), "{} checks", often.seen().len());
        Instant::now()
    };
    let from = reach(3);
    let taken = reach(23) - from;
    // A tenth of jitter either way; a busy machine may be late, and never early.
    assert!(taken > Duration::from_millis(1600), "twenty checks in {taken:?}");
    assert!(taken < Duration::from_secs(8), "twenty checks in {taken:?}");
    assert_eq!(rarely.seen().len(), 1);
    drop(tidegate);
    let after = often.seen().len();
    assert_eq!(after, often.seen().len(), "none comes after the end");
}

/// How a server ends TLS with `NAME.pem` and `NAME.key`.
fn server_tls(folder: &Path, name: &str, alpn: &[&str]) -> rustls::ServerConfig {
    let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let mut config = builder.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

/// A pool on this server with more keys, and whether it is up, or why it is not.
type Case<'c> = (&'c str, &'c H2Server, &'c str, Result<(), &'c str>);

/// Starts with a pool for each case, and compares.
fn check_states(folder: tempfile::TempDir, cases: &[Case]) {
    let mut yaml = "listeners: [{ name: web, address: \"127.0.0.1:0\" }]\npools:\n".to_owned();
    for (name, server, keys, _) in cases {
        yaml.push_str(&format!("  {name}: {{ servers: [\"{}\"], {keys} }}\n", server.address));
    }
    yaml.push_str("sites:\n");
    for (name, ..) in cases {
        yaml.push_str(&format!("  {name}: {{ to: {name} }}\n"));
    }
    let tidegate = Tidegate::start_in(folder, &yaml, &[]);
    for (name, _, keys, expected) in cases {
        // All checks were over before it was ready.
        let told = tidegate.stderr();
        let told = told.iter().find(|line| line.contains("is down") && line.contains(&format!("\"{name}\"")));
        match expected {
            Ok(()) => assert_eq!(told, None, "{name}: {keys}"),
            Err(reason) => {
                let told = told.unwrap_or_else(|| panic!("{name} is up: {keys}"));
                assert!(told.contains(reason), "{name}: {told}");
                assert_eq!(tidegate.client().get(name, "/").unwrap().status, 503, "{name}");
            }
        }
    }
}

#[test]
fn checks_speak_what_the_pool_speaks_without_tls() {
    let (serving, not_serving) = (H2Server::start(1, None), H2Server::start(2, None));
    check_states(
        tempfile::tempdir().unwrap(),
        &[
            ("path", &serving, "protocol: h2c, health: /healthz", Ok(())),
            ("grpc", &serving, "protocol: h2c, health: { grpc: shop.v1.Cart, host: a.internal }", Ok(())),
            ("ill", &not_serving, "protocol: h2c, health: grpc", Err("NOT_SERVING")),
            ("old", &serving, "health: /healthz", Err("")),
            ("tcp", &not_serving, "protocol: h2c, health: tcp", Ok(())),
            (
                "deaf",
                &serving,
                "tls: { verify: false }, health: /healthz",
                Err("TLS: the server does not speak it"),
            ),
        ],
    );
    let seen = serving.seen();
    assert!(seen.contains(&format!("GET http://{}/healthz \"\"", serving.address)), "{seen:?}");
    let asked =
        "POST http://a.internal/grpc.health.v1.Health/Check \"\\0\\0\\0\\0\\u{e}\\n\\u{c}shop.v1.Cart\"";
    assert!(seen.iter().any(|seen| seen == asked), "{seen:?}");
}

#[test]
fn checks_speak_what_the_pool_speaks_over_tls() {
    let folder = tempfile::tempdir().unwrap();
    tool::certificate(folder.path(), "one", "one.internal");
    tool::certificate(folder.path(), "other", "other.internal");
    let new = H2Server::start(1, Some(server_tls(folder.path(), "one", &["h2"])));
    let silent = H2Server::start(1, Some(server_tls(folder.path(), "one", &[])));
    let old = H2Server::start(1, Some(server_tls(folder.path(), "one", &["http/1.1"])));
    let one = "protocol: h2, tls: { ca: one.pem, sni: one.internal }";
    let with = |health: &str| format!("{one}, health: {health}");
    let (path, grpc) = (with("/healthz"), with("grpc"));
    check_states(
        folder,
        &[
            ("path", &new, &path, Ok(())),
            ("grpc", &new, &grpc, Ok(())),
            ("tcp", &new, &with("tcp"), Ok(())),
            ("silent", &silent, &grpc, Err("the server did not agree on h2 (ALPN)")),
            ("old", &old, &path, Err("the server did not agree on h2 (ALPN)")),
            (
                "stranger",
                &new,
                "protocol: h2, tls: { ca: other.pem, sni: one.internal }, health: grpc",
                Err("TLS: the server's certificate is not from an authority that is trusted"),
            ),
            (
                "address",
                &new,
                "protocol: h2, tls: { ca: one.pem }, health: grpc",
                Err("certificate not valid for name \"127.0.0.1\""),
            ),
            ("anybody", &new, "protocol: h2, tls: { verify: false }, health: grpc", Ok(())),
            ("named", &new, "protocol: h2, tls: { ca: one.pem }, host: one.internal, health: grpc", Ok(())),
            ("plain", &new, "protocol: h2c, health: grpc", Err("")),
        ],
    );
    let seen = new.seen();
    assert!(seen.contains(&format!("GET https://{}/healthz \"\"", new.address)), "{seen:?}");
}

#[test]
fn checks_of_http1_go_over_tls_too() {
    let folder = tempfile::tempdir().unwrap();
    tool::certificate(folder.path(), "one", "one.internal");
    let config = Arc::new(server_tls(folder.path(), "one", &["http/1.1"]));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // Answers one request, says what it was, and ends.
    let asked = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let session = rustls::ServerConnection::new(config).unwrap();
        let mut stream = rustls::StreamOwned::new(session, socket);
        let mut request = vec![0; 4096];
        let mut length = 0;
        while !request[..length].ends_with(b"\r\n\r\n") {
            length += std::io::Read::read(&mut stream, &mut request[length..]).unwrap();
        }
        std::io::Write::write_all(&mut stream, b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
        String::from_utf8_lossy(&request[..length]).into_owned()
    });
    let yaml = format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\" }}]
pools:
  app:
    servers: [\"{address}\"]
    tls: {{ ca: one.pem, sni: one.internal }}
    health: {{ path: /healthz, every: 1h, timeout: 5s }}
sites: {{ a: {{ to: app }} }}
"
    );
    let tidegate = Tidegate::start_in(folder, &yaml, &[]);
    let asked = asked.join().unwrap();
    assert!(asked.starts_with(&format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n")), "{asked}");
    let told = tidegate.stderr();
    assert!(!told.iter().any(|line| line.contains("is down")), "{told:?}");
}
