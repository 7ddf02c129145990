//! TLS as curl and openssl see it.

use crate::support::{Tidegate, tool, wait_for};
use crate::upgrade::{MASKED, PLAIN, websocket_request, websocket_server};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use testkit::origin::Origin;
use testkit::peer::{Peer, Step};

/// A balancer with an internal authority, one plain and one TLS listener.
fn start() -> (Tidegate, Origin) {
    let origin = Origin::start("one").unwrap();
    (Tidegate::start(&secure(origin.address)), origin)
}

fn secure(server: SocketAddr) -> String {
    format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\" }}, {{ name: secure, address: \"127.0.0.1:0\", tls: true }}]
tls: {{ internal: true }}
pools: {{ app: {{ servers: [\"{server}\"], sticky: cookie }} }}
sites:
  shop.example: {{ to: app, redirect_to_https: false }}
  moved.example: {{ to: app }}
  \"*.wild.example\": {{ to: app }}
"
    )
}

/// Asks over TLS by name.
fn curl(tidegate: &Tidegate, host: &str, more: &[&str]) -> tool::Output {
    let address = tidegate.addresses["secure"];
    let authority = tidegate.folder.path().join("state/internal-ca.pem");
    let resolve = format!("{host}:{}:127.0.0.1", address.port());
    let url = format!("https://{host}:{}/x", address.port());
    let mut arguments =
        vec!["--http1.1", "--cacert", authority.to_str().unwrap(), "--resolve", &resolve, "-i"];
    arguments.extend(more);
    arguments.push(&url);
    tool::curl(&arguments)
}

#[test]
fn curl_trusts_the_internal_authority() {
    let (tidegate, _origin) = start();
    for host in ["shop.example", "moved.example", "any.wild.example"] {
        for version in [["--tlsv1.3", "--tls-max", "1.3"], ["--tlsv1.2", "--tls-max", "1.2"]] {
            let output = curl(&tidegate, host, &version);
            assert_eq!(output.code, 0, "{host} {version:?}: {}", output.stderr);
            assert!(output.stdout.starts_with("HTTP/1.1 200"), "{}", output.stdout);
            assert!(
                output.stdout.contains("\"X-Forwarded-Proto\",\"https\"")
                    || output.stdout.to_lowercase().contains("\"x-forwarded-proto\",\"https\"")
            );
        }
    }
    let cookie = curl(&tidegate, "shop.example", &[]).stdout.to_lowercase();
    let line = cookie.lines().find(|line| line.starts_with("set-cookie:")).unwrap().to_owned();
    assert!(line.contains("secure"), "{line}");
}

#[test]
fn plain_requests_are_sent_to_https() {
    let (tidegate, origin) = start();
    let response = tidegate.client().get("moved.example", "/a?b=c").unwrap();
    let port = tidegate.addresses["secure"].port();
    assert_eq!(response.status, 308);
    assert_eq!(response.value("location").unwrap(), format!("https://moved.example:{port}/a?b=c"));
    assert_eq!(origin.requests(), 0);
    let line = tidegate.log_with_reason("redirect_to_https");
    assert_eq!((&line["status"], &line["site"]), (&308.into(), &"moved.example".into()));
    assert_eq!(tidegate.client().get("shop.example", "/").unwrap().status, 200);
}

#[test]
fn a_host_that_no_site_has_is_misdirected() {
    let (tidegate, _origin) = start();
    let output = curl(&tidegate, "shop.example", &["-H", "Host: other.example"]);
    assert!(output.stdout.starts_with("HTTP/1.1 421"), "{}", output.stdout);
    assert_eq!(tidegate.log_with_reason("no_site")["scheme"], "https");
}

#[test]
fn sessions_resume_with_both_versions() {
    let (tidegate, _origin) = start();
    let address = tidegate.addresses["secure"].to_string();
    for version in ["-tls1_2", "-tls1_3"] {
        let file = tidegate.folder.path().join(format!("session{version}"));
        let file = file.to_str().unwrap();
        let connect = ["s_client", "-connect", &address, "-servername", "shop.example", version];
        let request = "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";
        let first = [&connect[..], &["-ign_eof", "-sess_out", file]].concat();
        let output = tool::run_with("openssl", &first, request);
        assert!(output.stdout.contains("New, TLSv1"), "{}", output.stdout);
        let again = [&connect[..], &["-ign_eof", "-sess_in", file]].concat();
        let output = tool::run_with("openssl", &again, request);
        assert!(output.stdout.contains("Reused, TLSv1"), "{version}: {}", output.stdout);
        assert!(output.stdout.contains("HTTP/1.1 200"), "{}", output.stdout);
    }
}

#[test]
fn the_protocol_is_agreed_on() {
    let tidegate = Tidegate::start(
        "listeners:
  - { name: both, address: \"127.0.0.1:0\", tls: true }
  - { name: old, address: \"127.0.0.1:0\", tls: true, protocols: [h1] }
  - { name: new, address: \"127.0.0.1:0\", tls: true, protocols: [h2] }
tls: { internal: true }
sites: { shop.example: { to: { status: 200 } } }
",
    );
    for (listener, offered, told) in [
        ("both", "h2,http/1.1", "ALPN protocol: h2"),
        // What the server likes better counts.
        ("both", "http/1.1,h2", "ALPN protocol: h2"),
        ("both", "http/1.1", "ALPN protocol: http/1.1"),
        ("old", "h2,http/1.1", "ALPN protocol: http/1.1"),
        ("new", "h2,http/1.1", "ALPN protocol: h2"),
        ("new", "http/1.1", "no application protocol"),
        ("old", "h2", "no application protocol"),
    ] {
        let address = tidegate.addresses[listener].to_string();
        let arguments = ["s_client", "-connect", &address, "-servername", "shop.example", "-alpn", offered];
        let output = tool::run("openssl", &arguments);
        let text = format!("{}{}", output.stdout, output.stderr);
        assert!(text.contains(told), "{listener} {offered}: {text}");
    }
}

#[test]
fn certificates_from_files_are_chosen_by_name() {
    let origin = Origin::start("one").unwrap();
    let folder = tempfile::tempdir().unwrap();
    tool::certificate(folder.path(), "default", "a.example");
    tool::certificate(folder.path(), "wild", "*.b.example");
    tool::certificate(folder.path(), "exact", "x.b.example");
    let yaml = format!(
        "listeners: [{{ name: secure, address: \"127.0.0.1:0\", tls: true }}]
tls: {{ certificates: [{{ cert: default.pem, key: default.key }}, {{ cert: wild.pem, key: wild.key }}] }}
pools: {{ app: {{ servers: [\"{}\"] }} }}
sites:
  a.example: {{ to: app }}
  \"*.b.example\": {{ to: app }}
  x.b.example: {{ to: app, tls: {{ certificates: [{{ cert: exact.pem, key: exact.key }}] }} }}
",
        origin.address
    );
    let tidegate = Tidegate::start_in(folder, &yaml, &[]);
    let address = tidegate.addresses["secure"].to_string();
    for (name, wanted) in [
        ("a.example", "default"),
        ("y.b.example", "wild"),
        ("x.b.example", "exact"),
        ("unknown.example", "default"),
    ] {
        let output = tool::run("openssl", &["s_client", "-connect", &address, "-servername", name]);
        assert!(
            output.stdout.contains(&format!("CN = {wanted}"))
                || output.stdout.contains(&format!("CN={wanted}")),
            "{name}: {}",
            output.stdout
        );
    }
}

#[test]
fn a_client_that_never_shakes_hands_is_closed() {
    let origin = Origin::start("one").unwrap();
    let tidegate = Tidegate::start(&format!(
        "listeners: [{{ name: web, address: \"127.0.0.1:0\", tls: true }}]
timeouts: {{ handshake: 300ms }}\ntls: {{ internal: true }}
pools: {{ app: {{ servers: [\"{}\"] }} }}\nsites: {{ shop.example: {{ to: app }} }}\n",
        origin.address
    ));
    let mut silent = tidegate.client();
    let mut plain = tidegate.client();
    plain.send("GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").unwrap();
    assert_ne!(plain.read_to_end().1, testkit::client::End::StillOpen);
    assert_ne!(silent.read_to_end().1, testkit::client::End::StillOpen);
    wait_for("service all the same", || {
        let output = tool::run_with(
            "openssl",
            &[
                "s_client",
                "-connect",
                &tidegate.address().to_string(),
                "-servername",
                "shop.example",
                "-ign_eof",
            ],
            "GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n",
        );
        output.stdout.contains("HTTP/1.1 200")
    });
}

/// A TLS client that takes little at a time.
fn tls_client(tidegate: &Tidegate) -> rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    let authority = tidegate.folder.path().join("state/internal-ca.pem");
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("shop.example").unwrap();
    let session = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let socket = TcpStream::connect(tidegate.addresses["secure"]).unwrap();
    // A small window, so that the socket at the other end is full soon.
    socket2::SockRef::from(&socket).set_recv_buffer_size(32 * 1024).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    rustls::StreamOwned::new(session, socket)
}

/// Sends a request and reads all that comes; the error that it ended with, if it did not end by `close_notify`.
fn read_to_end(tidegate: &Tidegate, request: &str) -> (Vec<u8>, Option<std::io::ErrorKind>) {
    let mut client = tls_client(tidegate);
    client.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    let error = client.read_to_end(&mut bytes).err().map(|error| error.kind());
    (bytes, error)
}

#[test]
fn an_answer_that_is_cut_is_not_ended_by_close_notify() {
    let (tidegate, _origin) = start();
    let ask = |path: &str, version: &str| {
        let request =
            format!("GET {path} HTTP/1.{version}\r\nHost: shop.example\r\nConnection: close\r\n\r\n");
        read_to_end(&tidegate, &request)
    };
    for path in ["/close/5000", "/size/5000", "/chunked/5/1000"] {
        for version in ["0", "1"] {
            let (bytes, error) = ask(path, version);
            assert_eq!(error, None, "{path} is whole");
            assert!(bytes.len() > 5000);
        }
    }
    // For a client of TLS the lack of `close_notify` is what tells a cut from an end.
    for path in ["/cut-close/5000", "/cut-chunked/5000"] {
        let (bytes, error) = ask(path, "0");
        assert!(error.is_some(), "{path} is cut, and {} bytes look whole", bytes.len());
    }
    for path in ["/cut/5000", "/cut-close/5000", "/cut-chunked/5000", "/cut/500000"] {
        let (bytes, error) = ask(path, "1");
        assert!(
            error.is_some() && !bytes.ends_with(b"0\r\n\r\n") || bytes.starts_with(b"HTTP/1.1 502"),
            "{path} is cut: {error:?} after {} bytes",
            bytes.len()
        );
    }
}

#[test]
fn a_websocket_passes_over_tls() {
    let peer = websocket_server();
    let tidegate = Tidegate::start(&secure(peer.address));
    let mut client = tls_client(&tidegate);
    client.write_all(websocket_request("shop.example").as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let mut frame = [0; PLAIN.len()];
    for _ in 0..2 {
        client.write_all(MASKED).unwrap();
        client.read_exact(&mut frame).unwrap();
        assert_eq!(frame, PLAIN);
    }
    client.write_all(&[0x88, 0x80, 1, 2, 3, 4]).unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).expect("a server that has finished is told by `close_notify`");
    assert_eq!(rest, [0x88, 0x00]);
    client.conn.send_close_notify();
    client.flush().unwrap();
    assert!(peer.wait(|seen| seen[0].over), "the client's end is passed on as well");
    let line = tidegate.logs(1).remove(0);
    assert_eq!((&line["status"], &line["scheme"]), (&101.into(), &"https".into()));
}

#[test]
fn nothing_is_held_back_while_a_server_pauses() {
    // Of this many sizes some end where the socket is full in the middle of the last piece.
    let sizes: Vec<usize> = (0..40).map(|number| 6_000_000 + number * 20_000).collect();
    let script = |size: &usize| {
        let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", size + 1).into_bytes();
        answer.extend(testkit::message::pattern(*size));
        vec![Step::ReadRequest, Step::Send(answer), Step::ReadToEnd]
    };
    let peer = Peer::start(sizes.iter().map(script).collect()).unwrap();
    let tidegate = Tidegate::start(&secure(peer.address));
    for size in sizes {
        let mut client = tls_client(&tidegate);
        client.write_all(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n").unwrap();
        // The head is short, and everything but the last byte of the content must come.
        let mut left = size;
        let mut piece = vec![0; 16 * 1024];
        while left > 0 {
            match client.read(&mut piece) {
                Ok(read) => left = left.saturating_sub(read),
                Err(error) => panic!("{left} bytes of {size} are held back: {error}"),
            }
        }
    }
}

#[test]
fn a_request_that_drips_in_inside_one_record_is_late() {
    let origin = Origin::start("one").unwrap();
    let times = "timeouts: { head: 400ms, idle: 10s }\n";
    let tidegate = Tidegate::start(&format!("{}{times}", secure(origin.address)));
    let mut client = tls_client(&tidegate);
    let request = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
    client.write_all(request).unwrap();
    assert!(client.read(&mut [0; 16 * 1024]).unwrap() > 0);
    let mut record = Vec::new();
    client.conn.writer().write_all(request).unwrap();
    client.conn.write_tls(&mut record).unwrap();
    let started = std::time::Instant::now();
    // Ends with an error once the other side has closed.
    let sent = record.iter().take_while(|byte| {
        std::thread::sleep(Duration::from_millis(100));
        client.sock.write_all(&[**byte]).is_ok()
    });
    assert!(sent.count() < record.len(), "all of it was waited for");
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
    assert_eq!(origin.requests(), 1);
}

/// What one idle connection with TLS may cost the engine in user memory. Measured: some 4,800 bytes in a debug build, most
/// of them keys and state of `rustls`. A buffer of 4 KiB does not fit.
const IDLE_TLS_BYTES_MAX: i64 = 6 * 1024;

#[test]
fn idle_connections_hold_no_buffers() {
    const COUNT: i64 = 1000;
    tidegate::process::limits::raise_open_files();
    let (tidegate, _origin) = start();
    let connect = |_| {
        let mut client = tls_client(&tidegate);
        client.write_all(b"GET /size/10 HTTP/1.1\r\nHost: shop.example\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(&testkit::message::pattern(10)) {
            let mut piece = [0; 1024];
            let count = client.read(&mut piece).unwrap();
            answer.extend(&piece[..count]);
        }
        client
    };
    // What the first requests make once does not count.
    let _first: Vec<_> = (0..100).map(connect).collect();
    let before = tidegate.resident_kb();
    let crowd: Vec<_> = (0..COUNT).map(connect).collect();
    let each = (tidegate.resident_kb() - before) * 1024 / COUNT;
    println!("{each} bytes of user memory for each idle connection with TLS");
    assert!(each < IDLE_TLS_BYTES_MAX, "{each} bytes for each");
    drop(crowd);
}

/// Reads the head of an answer, byte for byte.
fn read_head(client: &mut impl Read) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn records_may_begin_and_end_anywhere_in_what_comes() {
    let (tidegate, _origin) = start();
    let body = testkit::message::pattern(2_000_000);
    let mut client = tls_client(&tidegate);
    let head = format!("POST /echo HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all(head.as_bytes()).unwrap();
    let (mut sent, mut size) = (0, 1);
    let mut back: Vec<u8> = Vec::new();
    while sent < body.len() {
        let end = body.len().min(sent + size);
        client.write_all(&body[sent..end]).unwrap();
        if sent == 0 {
            assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
        }
        sent = end;
        size = size * 7 % 40_009;
        while back.len() < sent {
            let mut piece = [0; 16 * 1024];
            let count = client.read(&mut piece).unwrap();
            assert!(count > 0, "{} of {sent} came back", back.len());
            back.extend(&piece[..count]);
        }
    }
    assert!(back == body, "what came back is something else");
}

#[test]
fn keys_are_renewed_when_a_client_asks() {
    let (tidegate, _origin) = start();
    let mut client = tls_client(&tidegate);
    for _ in 0..3 {
        for path in ["/size/5", "/size/5"] {
            write!(client, "GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n").unwrap();
            assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
            client.read_exact(&mut [0; 5]).unwrap();
        }
        client.conn.refresh_traffic_keys().unwrap();
    }
}

#[test]
fn a_record_that_is_broken_is_answered_by_an_alert() {
    let (tidegate, _origin) = start();
    let mut client = tls_client(&tidegate);
    write!(client, "GET /size/5 HTTP/1.1\r\nHost: shop.example\r\n\r\n").unwrap();
    assert!(read_head(&mut client).starts_with("HTTP/1.1 200"));
    client.read_exact(&mut [0; 5]).unwrap();
    let mut record = vec![23, 3, 3, 0, 40];
    record.extend([7; 40]);
    client.sock.write_all(&record).unwrap();
    let error = client.read(&mut [0; 10]).unwrap_err();
    assert!(error.to_string().contains("BadRecordMac"), "{error}");
}
