//! The head that a server gets: the client's, byte for byte, but for what a proxy must change.
//!
//! Kept lines are copied in runs; only where a line is dropped does a run end. What is dropped: fields for
//! one hop (RFC 9110 section 7.6.1), forwarding fields that are not to be believed, and what is
//! replaced. What is added: the forwarding fields and the request id.

use super::line::{self, put};
use policy::model::{Forwarding, ForwardingMode, ForwardingStyle};
use wire::h1::{Field, Known, Method, RequestHead, TargetForm, Version};

/// What is changed in a head on its way to a server.
pub struct Edits<'a> {
    /// Replaces `Host`.
    pub host: Option<&'a str>,
    /// The server's address as it is written in the file: the host where the client names none.
    pub server: &'a str,
    /// Which forwarding fields are written, and how.
    pub forwarding: Forwarding,
    /// Whether the peer's own forwarding fields are believed.
    pub trusted: bool,
    /// The address that is added to the forwarding fields: the peer's, or the client's where the peer's fields are
    /// replaced.
    pub peer: &'a [u8],
    /// Whether that one came over TLS.
    pub tls: bool,
    /// The request's id: a trusted peer's, or ours.
    pub request_id: &'a [u8],
    /// Whether a change of protocol is asked for and passed on.
    pub upgrade: bool,
    /// Whether a server is told that trailers are welcome, where the client has said so. One of HTTP/1 would have to be
    /// told with `Connection` too, and they come in chunked answers anyway.
    pub welcomes_trailers: bool,
}

/// Appends the head to `out`.
pub fn write(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead, edits: &Edits<'_>) {
    let fields_start = write_request_line(out, buffer, head);
    let appends = edits.trusted && edits.forwarding.mode == ForwardingMode::Append;
    let mut run = fields_start;
    for field in &head.fields {
        let drops = is_dropped(field, edits, appends, head.version);
        if drops || !line::is_canonical(field, buffer) {
            out.extend_from_slice(&buffer[run..field.line.start as usize]);
            run = field.line.end as usize;
            if !drops {
                line::put_canonical(out, buffer, field);
            }
        }
    }
    // Without the empty line at the end.
    out.extend_from_slice(&buffer[run..head.length as usize - 2]);
    if let Some(host) = edits.host {
        put(out, "Host", host.as_bytes());
    } else if head.known(Known::Host).is_none() {
        // HTTP/1.0: the server is spoken to in HTTP/1.1 and needs one (RFC 9112 section 3.2).
        let host = head.host.of(buffer);
        put(out, "Host", if host.is_empty() { edits.server.as_bytes() } else { host });
    }
    match edits.forwarding.style {
        ForwardingStyle::XForwarded => write_x_forwarded(out, buffer, head, edits, appends),
        ForwardingStyle::Forwarded => write_forwarded(out, buffer, head, edits, appends),
        ForwardingStyle::None => {}
    }
    put(out, "X-Request-Id", edits.request_id);
    if edits.welcomes_trailers && accepts_trailers(buffer, head) {
        put(out, "TE", b"trailers");
    }
    if edits.upgrade {
        put(out, "Connection", b"upgrade");
        for value in head.values(buffer, "upgrade") {
            put(out, "Upgrade", value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 section 10.1.4.
fn accepts_trailers(buffer: &[u8], head: &RequestHead) -> bool {
    head.known(Known::Te).is_some()
        && head
            .values(buffer, "te")
            .flat_map(wire::field::list)
            .any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
}

/// Writes the request line in origin form and returns where the fields begin in `buffer`.
fn write_request_line(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead) -> usize {
    let line_end = head.fields.first().map_or(head.length as usize - 2, |field| field.line.start as usize);
    let start = head.method_text.start as usize;
    if head.version == Version::Http11 && head.form == TargetForm::Origin {
        out.extend_from_slice(&buffer[start..line_end]);
        return line_end;
    }
    out.extend_from_slice(head.method_text.of(buffer));
    out.push(b' ');
    let path: &[u8] = match head.path.of(buffer) {
        // RFC 9112 section 3.2.4: `OPTIONS http://host` asks for the server as a whole.
        b"" if head.method == Method::Options && head.query.is_none() => b"*",
        b"" => b"/",
        path => path,
    };
    out.extend_from_slice(path);
    if let Some(query) = head.query {
        out.push(b'?');
        out.extend_from_slice(query.of(buffer));
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    line_end
}

fn is_dropped(field: &Field, edits: &Edits<'_>, appends: bool, version: Version) -> bool {
    if field.hop {
        return true;
    }
    let style = edits.forwarding.style;
    match field.known {
        Known::Other => false,
        Known::Host => edits.host.is_some(),
        // A trusted peer's of the kind that we do not write are its client's, as far as we know; where we write none at
        // all, all are kept.
        Known::XForwardedFor | Known::Forwarded => !edits.trusted || style != ForwardingStyle::None,
        Known::XForwardedProto | Known::XForwardedHost => match style {
            ForwardingStyle::XForwarded => !appends,
            ForwardingStyle::Forwarded => true,
            ForwardingStyle::None => !edits.trusted,
        },
        Known::Lookalike => true,
        Known::XForwardedOther => !edits.trusted,
        // Written anew, for what is believed of it is in `Edits`.
        Known::XRequestId => true,
        // RFC 9110 section 10.1.1: an HTTP/1.0 client cannot mean it.
        Known::Expect => version == Version::Http10,
        _ => false,
    }
}

fn write_x_forwarded(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead, edits: &Edits<'_>, appends: bool) {
    out.extend_from_slice(b"X-Forwarded-For: ");
    if appends {
        write_earlier(out, buffer, head, "x-forwarded-for");
    }
    out.extend_from_slice(edits.peer);
    out.extend_from_slice(b"\r\n");
    let has = |known| head.fields.iter().any(|field| field.known == known && !field.hop);
    if !appends || !has(Known::XForwardedProto) {
        put(out, "X-Forwarded-Proto", if edits.tls { b"https" } else { b"http" });
    }
    let host_was_said = appends && has(Known::XForwardedHost);
    if !head.host.is_empty() && !host_was_said {
        put(out, "X-Forwarded-Host", head.host.of(buffer));
    }
}

/// RFC 7239 section 4; an IPv6 address and a host with a port are quoted.
fn write_forwarded(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead, edits: &Edits<'_>, appends: bool) {
    out.extend_from_slice(b"Forwarded: ");
    if appends {
        write_earlier(out, buffer, head, "forwarded");
    }
    if edits.peer.contains(&b':') {
        out.extend_from_slice(b"for=\"[");
        out.extend_from_slice(edits.peer);
        out.extend_from_slice(b"]\"");
    } else {
        out.extend_from_slice(b"for=");
        out.extend_from_slice(edits.peer);
    }
    out.extend_from_slice(if edits.tls { b";proto=https" } else { b";proto=http" });
    if !head.host.is_empty() {
        out.extend_from_slice(b";host=\"");
        out.extend_from_slice(head.host.of(buffer));
        out.push(b'"');
    }
    out.extend_from_slice(b"\r\n");
}

/// The values that came in, as one list that can be continued.
fn write_earlier(out: &mut Vec<u8>, buffer: &[u8], head: &RequestHead, name: &str) {
    for value in head.values(buffer, name).filter(|value| !value.is_empty()) {
        out.extend_from_slice(value);
        out.extend_from_slice(b", ");
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use wire::h1::HeadLimits;

    fn check(input: &str, change: impl FnOnce(&mut Edits<'_>), expected: &str) {
        let mut head = RequestHead::new();
        assert!(head.parse(input.as_bytes(), HeadLimits { bytes: 8192, fields: 50 }).unwrap());
        let mut edits = Edits {
            host: None,
            server: "10.0.0.1:80",
            forwarding: Forwarding::default(),
            trusted: false,
            peer: b"192.0.2.7",
            tls: false,
            request_id: b"id1",
            upgrade: false,
            welcomes_trailers: false,
        };
        change(&mut edits);
        let mut out = Vec::new();
        write(&mut out, input.as_bytes(), &head, &edits);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    const OURS: &str = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\n\
                        X-Request-Id: id1\r\n\r\n";

    #[test]
    fn framing_is_written_as_everybody_reads_it() {
        check(
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\tChunked \r\nA:\t1\r\n\r\n",
            |_| {},
            &format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nA:\t1\r\n{OURS}"),
        );
        check(
            "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 000\r\n\r\n",
            |_| {},
            &format!("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n{OURS}"),
        );
        check(
            "POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 0\r\n\r\n",
            |_| {},
            &format!("POST / HTTP/1.1\r\nHost: h\r\ncontent-length: 0\r\n{OURS}"),
        );
    }

    #[test]
    fn what_strangers_say_of_whom_they_speak_for_goes() {
        let said = "X-Real-IP: 1.1.1.1\r\nX-Forwarded-Port: 443\r\n";
        let strange = "Proxy: http://e\r\nContent_Length: 9\r\n";
        let input = format!("GET / HTTP/1.1\r\nHost: h\r\n{said}{strange}\r\n");
        check(&input, |_| {}, &format!("GET / HTTP/1.1\r\nHost: h\r\n{OURS}"));
        check(&input, |edits| edits.trusted = true, &format!("GET / HTTP/1.1\r\nHost: h\r\n{said}{OURS}"));
    }

    #[test]
    fn order_case_and_duplicates_stay() {
        check(
            "GET /a?b HTTP/1.1\r\nhOST: h\r\nX-B: 1\r\nx-a: 2\r\nX-B:  3 \r\n\r\n",
            |_| {},
            &format!("GET /a?b HTTP/1.1\r\nhOST: h\r\nX-B: 1\r\nx-a: 2\r\nX-B:  3 \r\n{OURS}"),
        );
    }

    #[test]
    fn fields_for_one_hop_go() {
        check(
            "GET / HTTP/1.1\r\nConnection: keep-alive, x-secret\r\nHost: h\r\nX-Secret: 1\r\nKeep-Alive: 5\r\nTE: x\r\n\r\n",
            |_| {},
            &format!("GET / HTTP/1.1\r\nHost: h\r\n{OURS}"),
        );
    }

    #[test]
    fn forwarding_fields_of_strangers_are_replaced() {
        check(
            "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nForwarded: for=1.1.1.1\r\nX-Request-Id: evil\r\n\r\n",
            |_| {},
            &format!("GET / HTTP/1.1\r\nHost: h\r\n{OURS}"),
        );
    }

    #[test]
    fn forwarding_fields_of_trusted_peers_are_continued() {
        check(
            "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\nX-Forwarded-Proto: https\r\nX-Request-Id: good\r\n\r\n",
            |edits| edits.trusted = true,
            "GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\n\
             X-Forwarded-For: 1.1.1.1, 2.2.2.2, 192.0.2.7\r\nX-Forwarded-Host: h\r\nX-Request-Id: id1\r\n\r\n",
        );
    }

    #[test]
    fn an_id_that_is_not_believed_goes_no_further() {
        check(
            "GET / HTTP/1.1\r\nHost: h\r\nX-Request-Id: <b>\r\nA: 1\r\nx-request-id: two\r\n\r\n",
            |edits| edits.trusted = true,
            &format!("GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n{OURS}"),
        );
    }

    #[test]
    fn forwarded_of_rfc_7239() {
        check(
            "GET / HTTP/1.1\r\nHost: h:80\r\nX-Forwarded-For: 1.1.1.1\r\n\r\n",
            |edits| {
                edits.forwarding.style = ForwardingStyle::Forwarded;
                edits.peer = b"2001:db8::1";
                edits.tls = true;
            },
            "GET / HTTP/1.1\r\nHost: h:80\r\nForwarded: for=\"[2001:db8::1]\";proto=https;host=\"h:80\"\r\n\
             X-Request-Id: id1\r\n\r\n",
        );
    }

    #[test]
    fn absolute_form_becomes_origin_form() {
        check(
            "GET http://h?q HTTP/1.1\r\nHost: h\r\n\r\n",
            |_| {},
            &format!("GET /?q HTTP/1.1\r\nHost: h\r\n{OURS}"),
        );
    }

    #[test]
    fn options_of_a_whole_server_in_absolute_form() {
        check(
            "OPTIONS http://h HTTP/1.1\r\nHost: h\r\n\r\n",
            |_| {},
            &format!("OPTIONS * HTTP/1.1\r\nHost: h\r\n{OURS}"),
        );
    }

    #[test]
    fn a_server_gets_a_host_when_the_client_names_none() {
        let ours = OURS.replace("X-Forwarded-Host: h\r\n", "");
        check("GET / HTTP/1.0\r\n\r\n", |_| {}, &format!("GET / HTTP/1.1\r\nHost: 10.0.0.1:80\r\n{ours}"));
    }

    #[test]
    fn forwarding_fields_with_underscores_go() {
        check(
            "GET / HTTP/1.1\r\nHost: h\r\nX_Forwarded_For: 1.1.1.1\r\nx-forwarded_PROTO: https\r\nX_B: 1\r\n\r\n",
            |edits| edits.trusted = true,
            &format!("GET / HTTP/1.1\r\nHost: h\r\nX_B: 1\r\n{OURS}"),
        );
    }

    #[test]
    fn upgrade_is_passed_on_when_wanted() {
        check(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            |edits| edits.upgrade = true,
            &format!(
                "GET / HTTP/1.1\r\nHost: h\r\n{}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n",
                OURS.strip_suffix("\r\n").unwrap()
            ),
        );
    }

    #[test]
    fn servers_that_may_send_trailers_are_told_so() {
        for (te, expected) in [
            ("trailers", "TE: trailers\r\n"),
            ("x, Trailers;q=1", ""),
            ("gzip, trailers", "TE: trailers\r\n"),
        ] {
            check(
                &format!("GET / HTTP/1.1\r\nHost: h\r\nTE: {te}\r\n\r\n"),
                |edits| edits.welcomes_trailers = true,
                &format!("GET / HTTP/1.1\r\nHost: h\r\n{}{expected}\r\n", OURS.strip_suffix("\r\n").unwrap()),
            );
        }
    }

    #[test]
    fn host_can_be_replaced() {
        check(
            "GET / HTTP/1.1\r\nHost: h\r\nA: 1\r\n\r\n",
            |edits| edits.host = Some("inside"),
            "GET / HTTP/1.1\r\nA: 1\r\nHost: inside\r\nX-Forwarded-For: 192.0.2.7\r\n\
             X-Forwarded-Proto: http\r\nX-Forwarded-Host: h\r\nX-Request-Id: id1\r\n\r\n",
        );
    }
}
