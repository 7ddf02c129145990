//! gRPC-Web translated for a server of gRPC, for clients of HTTP/1.1 and HTTP/2, in both forms.

use crate::support::{Tidegate, wait_for};
use testkit::exchange::{Answer, Connection, Event, Request, To, Transport};
use testkit::grpc::{GrpcServer, WebBody, as_text, message};
use testkit::message::pattern;

const BINARY: &str = "application/grpc-web+proto";
const TEXT: &str = "application/grpc-web-text+proto";
const TRANSPORTS: [Transport; 2] = [Transport::H1, Transport::H2c];
const FORMS: [&str; 2] = [BINARY, TEXT];

struct Rig {
    tidegate: Tidegate,
    server: GrpcServer,
}

impl Rig {
    fn start() -> Rig {
        Rig::with("")
    }

    /// With more at the top level.
    fn with(more: &str) -> Rig {
        let server = GrpcServer::start().unwrap();
        let tidegate = Tidegate::start(&format!(
            "listeners: [{{ name: web, address: \"127.0.0.1:0\", protocols: [h1, h2] }}]\n{more}\n\
             pools: {{ calls: {{ servers: [\"{}\"], protocol: h2c }}, none: {{ servers: [\"127.0.0.1:1\"], protocol: h2c }} }}\n\
             sites: {{ '*': {{ use: [grpc_web], routes: [\
             {{ path: /none, to: none }}, {{ path: /plain/*, skip: [grpc_web], to: calls }}, {{ to: calls }}] }} }}\n",
            server.address
        ));
        Rig { tidegate, server }
    }

    fn connect(&self, transport: Transport) -> Connection {
        To::plain(self.tidegate.address(), transport).connect().unwrap()
    }
}

/// Bytes in the form of a content type.
fn in_form(content_type: &str, bytes: &[u8]) -> Vec<u8> {
    if content_type.contains("-text") { as_text(bytes).into_bytes() } else { bytes.to_vec() }
}

/// A call with one message.
fn call(path: &str, content_type: &str, content: &[u8]) -> Request {
    Request::post(path, in_form(content_type, &message(content))).field("content-type", content_type)
}

#[track_caller]
fn read(answer: &Answer) -> WebBody {
    assert!(answer.trailers.is_empty(), "trailers are in the body: {answer:?}");
    match answer.value("content-type") {
        Some(kind) if kind.starts_with("application/grpc-web-text") => {
            WebBody::read_text(&answer.body).unwrap()
        }
        Some(kind) if kind.starts_with("application/grpc-web") => WebBody::read(&answer.body),
        other => panic!("the content type {other:?}"),
    }
}

#[test]
fn unary_calls_come_through() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for content_type in FORMS {
            let answer = rig.connect(transport).ask(call("/echo", content_type, b"hello"));
            assert!(answer.is_complete() && answer.status() == 200, "{answer:?}");
            assert_eq!(answer.value("content-type"), Some(content_type));
            assert_eq!(answer.value("content-length"), None);
            let body = read(&answer);
            assert_eq!(body.messages, [b"hello"]);
            assert_eq!((body.trailer("grpc-status"), body.rest), (Some("0"), 0));
            assert_eq!(body.trailer("grpc-message"), Some("said%20behind"));
        }
    }
    let seen = rig.server.seen();
    assert_eq!(seen.len(), 4);
    for call in seen {
        assert_eq!(call.value("content-type"), Some("application/grpc+proto"));
        assert_eq!(call.value("te"), Some("trailers"));
        assert_eq!(call.body, message(b"hello"));
        assert!(call.is_whole);
    }
}

#[test]
fn a_connection_serves_many_calls() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        let mut connection = rig.connect(transport);
        for number in 0..20 {
            let content_type = FORMS[number % 2];
            let content = pattern(number * 7);
            let answer = connection.ask(call("/echo", content_type, &content));
            assert_eq!(read(&answer).messages, [content], "{number}");
        }
    }
}

#[test]
fn answers_have_the_form_that_is_accepted() {
    let rig = Rig::start();
    for (content_type, accept, expected) in [
        (BINARY, "application/grpc-web-text", TEXT),
        (TEXT, "application/grpc-web+proto", BINARY),
        (TEXT, "*/*", TEXT),
        ("application/grpc-web", "application/grpc-web", "application/grpc-web"),
    ] {
        let call = call("/echo", content_type, b"x").field("accept", accept);
        let answer = rig.connect(Transport::H1).ask(call);
        assert_eq!(answer.value("content-type"), Some(expected), "{content_type} {accept}");
        assert_eq!(read(&answer).messages, [b"x"]);
    }
}

#[test]
fn messages_of_a_stream_arrive_as_they_come() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for content_type in FORMS {
            let request = Request::new("POST", "a.example", "/wait")
                .unsized_body()
                .field("content-type", content_type)
                .data(in_form(content_type, &message(b"abc")))
                .open();
            let mut exchange = rig.connect(transport).start(request);
            let head = exchange.head().unwrap();
            assert_eq!(head.value("content-type"), Some(content_type));
            // The request has not ended, and the answer's first message is here.
            let expected = in_form(content_type, &message(&pattern(5)));
            assert_eq!(exchange.read(expected.len()), expected);
            exchange.send(in_form(content_type, &message(b"defg")));
            exchange.finish();
            let mut rest = Vec::new();
            while let Event::Data(piece) = exchange.event() {
                rest.extend(piece);
            }
            let body =
                if content_type == TEXT { WebBody::read_text(&rest).unwrap() } else { WebBody::read(&rest) };
            assert_eq!(body.trailer("grpc-status"), Some("0"), "{body:?}");
        }
    }
    wait_for("four calls", || rig.server.seen().len() == 4);
    let expected = [message(b"abc"), message(b"defg")].concat();
    assert!(rig.server.seen().iter().all(|call| call.body == expected));
}

#[test]
fn streams_of_many_messages_come_through() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for content_type in FORMS {
            for (count, bytes) in [(100, 10), (7, 65_531), (3, 300_001), (0, 0)] {
                let path = format!("/stream/{count}/{bytes}");
                let answer = rig.connect(transport).ask(call(&path, content_type, b""));
                let body = read(&answer);
                assert!(answer.is_complete(), "{path}: {:?} {body:?}", answer.ending);
                assert_eq!(body.messages.len(), count, "{path}");
                assert!(body.messages.iter().all(|message| *message == pattern(bytes)));
                assert_eq!((body.trailer("grpc-status"), body.rest), (Some("0"), 0));
            }
        }
    }
}

#[test]
fn bodies_beyond_one_buffer_come_through() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for content_type in FORMS {
            for bytes in [49_000, 65_536, 1_000_003] {
                let content = pattern(bytes);
                let whole = in_form(content_type, &message(&content));
                let sized = Request::post("/echo", whole.clone()).field("content-type", content_type);
                let mut open = Request::new("POST", "a.example", "/echo")
                    .unsized_body()
                    .field("content-type", content_type);
                for piece in whole.chunks(10_007) {
                    open = open.data(piece);
                }
                for request in [sized, open] {
                    let answer = rig.connect(transport).ask(request);
                    let body = read(&answer);
                    assert_eq!((body.messages.len(), body.rest), (1, 0));
                    assert!(body.messages[0] == content && body.trailer("grpc-status") == Some("0"));
                }
            }
        }
    }
}

#[test]
fn texts_may_be_padded_pieces() {
    let rig = Rig::start();
    let content = pattern(1000);
    let bytes = message(&content);
    let pieces: Vec<String> = bytes.chunks(100).map(as_text).collect();
    assert!(pieces[0].ends_with('='));
    for transport in TRANSPORTS {
        let mut request =
            Request::new("POST", "a.example", "/echo").unsized_body().field("content-type", TEXT);
        // Cut where no group of four ends.
        for piece in pieces.concat().as_bytes().chunks(37) {
            request = request.data(piece);
        }
        assert_eq!(read(&rig.connect(transport).ask(request)).messages, std::slice::from_ref(&content));
    }
}

#[test]
fn a_status_in_the_head_stays_there() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for content_type in FORMS {
            let answer = rig.connect(transport).ask(call("/only/7", content_type, b"x"));
            assert!(answer.is_complete() && answer.status() == 200);
            assert_eq!(answer.value("content-type"), Some(content_type));
            assert_eq!(answer.value("grpc-status"), Some("7"));
            assert_eq!(answer.value("grpc-message"), Some("on%20purpose"));
            assert!(answer.body.is_empty());
        }
    }
}

#[test]
fn a_status_behind_the_messages_is_a_frame() {
    let rig = Rig::start();
    for content_type in FORMS {
        let body = read(&rig.connect(Transport::H1).ask(call("/fail/13", content_type, b"x")));
        assert_eq!((body.messages.len(), body.trailer("grpc-status")), (1, Some("13")));
    }
}

#[test]
fn trailers_behind_a_length_are_a_frame_too() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for content_type in FORMS {
            let answer = rig.connect(transport).ask(call("/sized", content_type, b"x"));
            let body = read(&answer);
            assert!(answer.is_complete());
            assert_eq!((body.messages, answer.value("content-length")), (vec![pattern(5)], None));
            assert_eq!(body.trailers.map(|trailers| trailers.len()), Some(2));
        }
    }
}

#[test]
fn an_answer_that_is_cut_looks_cut() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for content_type in FORMS {
            let answer = rig.connect(transport).ask(call("/cut", content_type, b"x"));
            assert!(answer.is_cut(), "{answer:?}");
            let body = read(&answer);
            assert_eq!((body.messages.len(), body.trailers), (1, None));
        }
    }
    assert_eq!(rig.tidegate.log_with_reason("server_cut")["status"], 200);
}

#[test]
fn an_answer_without_trailers_gets_none() {
    let rig = Rig::start();
    let answer = rig.connect(Transport::H1).ask(call("/silent", TEXT, b"x"));
    let body = read(&answer);
    assert!(answer.is_complete());
    assert_eq!((body.messages.len(), body.trailers), (1, None));
}

#[test]
fn what_is_no_base64_is_refused() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        for (text, reason) in [
            ("AAAAAAVo*Wxsbw==", "grpc_web_text_character"),
            ("AAAAAAVoZWxsbw=A", "grpc_web_text_padding"),
            ("AAAAAAVoZWxsbw", "grpc_web_text_cut"),
        ] {
            let request = Request::post("/fail/0", text).field("content-type", TEXT);
            let answer = rig.connect(transport).ask(request);
            // As gRPC tells of a 400.
            assert_eq!((answer.status(), answer.value("grpc-status")), (200, Some("13")), "{answer:?}");
            assert_eq!(answer.value("grpc-message"), Some("Bad Request"));
            assert_eq!(answer.value("content-type"), Some(TEXT));
            assert_eq!(rig.tidegate.log_with_reason(reason)["retries"], 0);
        }
    }
    assert!(rig.server.seen().iter().all(|call| !call.is_whole), "no server takes it for a call");
}

#[test]
fn a_text_that_goes_wrong_later_ends_both_streams() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        let request = Request::new("POST", "a.example", "/echo")
            .unsized_body()
            .field("content-type", TEXT)
            .data(as_text(&message(b"abcd")))
            .open();
        let mut connection = rig.connect(transport);
        let mut exchange = connection.start(request);
        exchange.head().unwrap();
        assert_eq!(exchange.read(1).len(), as_text(&message(b"abcd")).len());
        exchange.send("!!!!");
        let answer = exchange.answer();
        assert!(answer.is_cut(), "{answer:?}");
        assert!(answer.body.is_empty());
    }
    wait_for("two calls", || rig.server.seen().len() == 2);
    assert!(rig.server.seen().iter().all(|call| !call.is_whole && call.body == message(b"abcd")));
    rig.tidegate.log_with_reason("grpc_web_text_character");
}

#[test]
fn answers_that_are_not_grpc_stay_as_they_are() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        let answer = rig.connect(transport).ask(call("/length", TEXT, b"x"));
        assert_eq!(answer.value("content-type"), Some("application/json"));
        assert_eq!((answer.value("content-length"), answer.text().as_str()), (Some("2"), "{}"));
    }
}

#[test]
fn other_requests_pass_as_they_are() {
    let rig = Rig::start();
    for transport in TRANSPORTS {
        // gRPC itself, through the same route.
        let request = Request::post("/echo", message(b"x"))
            .field("content-type", "application/grpc")
            .field("te", "trailers");
        let answer = rig.connect(transport).ask(request);
        assert_eq!(answer.value("content-type"), Some("application/grpc"));
        assert_eq!((answer.body.clone(), answer.trailer("grpc-status")), (message(b"x"), Some("0")));
        // And what skips the filter.
        let answer = rig.connect(transport).ask(call("/plain/echo", BINARY, b"x"));
        assert_eq!(answer.value("content-type"), Some("application/grpc"));
    }
    let seen = rig.server.seen();
    assert_eq!(seen[0].value("content-type"), Some("application/grpc"));
    assert_eq!(seen[1].value("content-type"), Some(BINARY));
}

#[test]
fn our_own_answers_are_in_the_terms_of_grpc_web() {
    let rig = Rig::with("bounds: { body: 1000b }");
    for transport in TRANSPORTS {
        for content_type in FORMS {
            for (path, bytes, status) in [("/none", 1, "14"), ("/echo", 2000, "8")] {
                let answer = rig.connect(transport).ask(call(path, content_type, &pattern(bytes)));
                assert_eq!((answer.status(), answer.value("grpc-status")), (200, Some(status)), "{answer:?}");
                assert_eq!(answer.value("content-type"), Some(content_type));
                assert!(answer.body.is_empty());
            }
        }
    }
}

#[test]
fn the_deadline_of_a_call_holds() {
    let rig = Rig::start();
    let request = Request::new("POST", "a.example", "/wait")
        .unsized_body()
        .field("content-type", BINARY)
        .field("grpc-timeout", "200m")
        .open();
    let answer = rig.connect(Transport::H2c).start(request).answer();
    assert!(answer.is_cut(), "{answer:?}");
    rig.tidegate.log_with_reason("total_timeout");
}

#[test]
fn a_call_that_no_server_has_looked_at_is_sent_again() {
    for transport in TRANSPORTS {
        for content_type in FORMS {
            let rig = Rig::start();
            let answer = rig.connect(transport).ask(call("/refused", content_type, b"again"));
            let body = read(&answer);
            assert_eq!((body.messages, body.rest), (vec![b"again".to_vec()], 0));
            assert_eq!(rig.tidegate.logs(1)[0]["retries"], 1);
        }
    }
}
