//! Requests of HTTP/2 as text of HTTP/1, and back. An input is a message of HTTP/2 (see [`super::h2`]), with `:body: 1`
//! where its stream goes on behind the head, or else a head of HTTP/1 for a server of HTTP/2.

use super::h2::{self, Message, WORDS};
use super::head::{self, LIMITS, Line};
use crate::Target;
use bytes::Bytes;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use wire::h1::{Framing, HeadError, Known, RequestHead, TargetForm, Version};
use wire::h2::{Incoming, Refusal, RequestText, WEBSOCKET};

/// Requests of HTTP/2, and heads of HTTP/1.
pub const TARGET: Target = Target { name: "h2_request", check, words: WORDS, iterations: 20_000 };

const KEY: &[u8] = b"dGhlIHNhbXBsZSBub25jZQ==";

fn check(input: &[u8]) -> String {
    if !input.starts_with(b":") {
        return from_text(input);
    }
    let Some(message) = Message::read(input) else { return "no fields of HTTP/2".to_owned() };
    let Some(parts) = request(&message) else { return "no request of HTTP/2".to_owned() };
    let protocol = message.pseudo("protocol").and_then(|protocol| std::str::from_utf8(protocol).ok());
    let asked = Asked { has_body: message.pseudo("body").is_some(), protocol, websocket_key: KEY };
    let (text, written, head) = match through(&parts, asked) {
        Ok(read) => read,
        Err(error) => return error,
    };
    let extended = protocol.is_some();
    let (start, lines) = head::naive(&text);
    check_start(start, &parts, extended);
    assert_eq!(h2::sorted(lines.clone()), expected(&message, &parts, &written, extended));
    check_framing(&head, &lines, &written, asked);
    assert_eq!(head.upgrade, extended, "a change of protocol that nobody has asked for");
    format!("{:?} {:?} {}", head.method, std::mem::discriminant(&head.framing), back(&text, &head, extended))
}

/// The request as the h2 crate makes it; `None` where it refuses it.
fn request(message: &Message) -> Option<Parts> {
    let method = Method::from_bytes(message.pseudo("method")?).ok()?;
    let is_plain_connect = method == Method::CONNECT && message.pseudo("protocol").is_none();
    if method != Method::CONNECT && message.pseudo("protocol").is_some() {
        return None;
    }
    let mut uri = http::uri::Parts::default();
    if let Some(authority) = message.pseudo("authority") {
        uri.authority = Some(Authority::try_from(authority).ok()?);
    }
    let (scheme, path) = (message.pseudo("scheme"), message.pseudo("path"));
    if is_plain_connect != scheme.is_none() || is_plain_connect && path.is_some() {
        return None;
    }
    if let Some(scheme) = scheme {
        let scheme = Scheme::try_from(scheme).ok()?;
        uri.scheme = uri.authority.is_some().then_some(scheme);
    }
    if let Some(path) = path {
        uri.path_and_query = Some(PathAndQuery::try_from(path).ok().filter(|_| !path.is_empty())?);
    } else if message.pseudo("protocol").is_some() {
        return None;
    }
    let mut request = Request::builder().method(method).uri(Uri::from_parts(uri).ok()?).body(()).ok()?;
    *request.headers_mut() = h2::map(&message.fields);
    Some(request.into_parts().0)
}

/// What is known of a request besides its head.
#[derive(Clone, Copy)]
struct Asked<'a> {
    has_body: bool,
    protocol: Option<&'a str>,
    websocket_key: &'a [u8],
}

/// Through the text and the gate; why not, where it is refused.
fn through(parts: &Parts, asked: Asked<'_>) -> Result<(Bytes, RequestText, RequestHead), String> {
    let mut incoming = Incoming::default();
    incoming.begin(2 * LIMITS.bytes);
    let mut fields: Vec<(&str, &[u8])> = vec![(":method", parts.method.as_str().as_bytes())];
    if parts.method != Method::CONNECT || asked.protocol.is_some() {
        fields.push((":scheme", parts.uri.scheme_str().unwrap_or("http").as_bytes()));
        fields.push((":path", parts.uri.path_and_query().map_or("", PathAndQuery::as_str).as_bytes()));
    }
    if let Some(authority) = parts.uri.authority() {
        fields.push((":authority", authority.as_str().as_bytes()));
    }
    if let Some(protocol) = asked.protocol {
        fields.push((":protocol", protocol.as_bytes()));
    }
    fields.extend(parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
    for (name, value) in fields {
        if !incoming.field(name.as_bytes(), value) {
            break;
        }
    }
    let mut head = RequestHead::new();
    let written = incoming.finish(asked.has_body, asked.websocket_key, &mut head, LIMITS);
    let written = written.map_err(|refusal| match refusal {
        Refusal::Head(error) => format!("refused: {}", error.reason()),
        other => format!("refused: {other:?}"),
    })?;
    let text = Bytes::copy_from_slice(incoming.text());
    let mut parsed = RequestHead::new();
    assert_eq!(parsed.parse(&text, LIMITS), Ok(true), "the text is a whole head");
    assert_eq!(format!("{parsed:?}"), format!("{head:?}"), "and read as it was written");
    assert_eq!(head.length as usize, written.length, "and nothing but one head");
    Ok((text, written, head))
}

fn check_start(start: &[u8], parts: &Parts, extended: bool) {
    let method = if extended { "GET" } else { parts.method.as_str() };
    let authority = parts.uri.authority().map_or("", Authority::as_str);
    let path = parts.uri.path_and_query().map_or("", PathAndQuery::as_str);
    let target = if parts.method == Method::CONNECT && !extended { authority } else { path };
    assert_eq!(start, format!("{method} {target} HTTP/1.1").as_bytes());
}

/// The fields that the text is to have: what came, one host, one cookie, and what the message's end is told by.
fn expected(
    message: &Message,
    parts: &Parts,
    written: &RequestText,
    extended: bool,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let values = |name: &str| -> Vec<&[u8]> {
        let fields = message.fields.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| value.as_slice()).collect()
    };
    let mut fields: Vec<(&[u8], Vec<u8>)> = Vec::new();
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host =
        authority.filter(|authority| !authority.is_empty()).or_else(|| values("host").first().copied());
    fields.push((b"host", host.expect("a request without a host is not written").to_vec()));
    let crumbs = values("cookie");
    if !crumbs.is_empty() {
        fields.push((b"cookie", crumbs.join(&b"; "[..])));
    }
    for (name, value) in &message.fields {
        let is_replaced = extended && (name == "sec-websocket-key" || name == "content-length");
        if !is_replaced && name != "host" && name != "cookie" {
            fields.push((name.as_bytes(), value.clone()));
        }
    }
    if extended {
        fields.push((b"connection", b"Upgrade".to_vec()));
        fields.push((b"upgrade", b"websocket".to_vec()));
        fields.push((b"sec-websocket-key", KEY.to_vec()));
    }
    if written.chunked {
        fields.push((b"transfer-encoding", b"chunked".to_vec()));
    }
    h2::sorted(fields)
}

fn check_framing(head: &RequestHead, lines: &[Line<'_>], written: &RequestText, asked: Asked<'_>) {
    assert_eq!(written.chunked, head.framing == Framing::Chunked);
    let says_length = !head::values(lines, "content-length").is_empty();
    assert_eq!(matches!(head.framing, Framing::Length(_)), says_length);
    let is_tunnel = asked.protocol.is_some();
    assert_eq!(written.chunked, asked.has_body && !says_length && !is_tunnel, "a body has its end");
}

/// A head that the gate takes, for a server of HTTP/2: it says the same, and says it again when it is read there.
fn back(text: &Bytes, head: &RequestHead, extended: bool) -> &'static str {
    let sent = wire::h2::request(head, text, Scheme::HTTPS, extended);
    if head.form == TargetForm::Authority || head.path.is_empty() {
        // Heads for servers have a path, and none is a CONNECT; it is enough that nothing panics.
        return "pathless";
    }
    let Ok(sent) = sent else {
        assert!(head.host.is_empty(), "whatever the gate takes can be said");
        return "hostless";
    };
    let (_, lines) = head::naive(text);
    let method = if extended { b"CONNECT" } else { head.method_text.of(text) };
    assert_eq!(sent.method().as_str().as_bytes(), method);
    let authority = sent.uri().authority().expect("it has one").as_str();
    assert_eq!(authority.as_bytes(), head.host.of(text));
    let end = head.query.map_or(head.path.end, |query| query.end) as usize;
    let target = &text[head.path.start as usize..end];
    let path = sent.uri().path_and_query().expect("it has one").as_str();
    assert_eq!(unescaped(path.as_bytes()), unescaped(target));
    let gone: &[&[u8]] =
        if extended { &[b"host", b"content-length", b"sec-websocket-key"] } else { &[b"host"] };
    let kept = h2::passed(&lines).filter(|(name, _)| !gone.contains(&name.to_ascii_lowercase().as_slice()));
    let te = lines.iter().filter(|(name, value)| name.eq_ignore_ascii_case(b"te") && *value == b"trailers");
    assert_eq!(h2::of_map(sent.headers()), h2::sorted(kept.chain(te.copied())));
    // HTTP/1.0 has no expectations (RFC 9110 section 10.1.1); heads for servers leave them out.
    if head.version == Version::Http11 || head.known(Known::Expect).is_none() {
        check_again(sent, extended);
    }
    if extended { "extended" } else { "plain" }
}

/// What a server of ours would make of it.
fn check_again(sent: Request<()>, extended: bool) {
    let (parts, ()) = sent.into_parts();
    let asked = Asked { has_body: false, protocol: extended.then_some(WEBSOCKET), websocket_key: KEY };
    match through(&parts, asked) {
        Ok((text, _, _)) => {
            let (start, lines) = head::naive(&text);
            check_start(start, &parts, extended);
            let made: &[&[u8]] = if extended {
                &[b"host", b"connection", b"upgrade", b"sec-websocket-key"]
            } else {
                &[b"host"]
            };
            let lines = lines.into_iter().filter(|(name, _)| !made.contains(name));
            let cookies = parts.headers.get_all("cookie").iter().count();
            if cookies < 2 {
                assert_eq!(h2::sorted(lines), h2::of_map(&parts.headers));
            }
        }
        Err(error) => {
            // Escapes and a host make it longer.
            let bounds = [HeadError::TooLarge, HeadError::TooManyFields, HeadError::TargetTooLong];
            assert!(bounds.iter().any(|bound| error.ends_with(bound.reason())), "{error}");
        }
    }
}

/// Without the escapes that stand for characters which are none of a URI.
fn unescaped(target: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = target;
    while let Some((first, behind)) = rest.split_first() {
        let found = [(b"%3C", b'<'), (b"%3E", b'>'), (b"%60", b'`'), (b"%22", b'"')]
            .into_iter()
            .find(|(escape, _)| rest.starts_with(*escape));
        plain.push(found.map_or(*first, |(_, byte)| byte));
        rest = if found.is_some() { &rest[3..] } else { behind };
    }
    plain
}

fn from_text(input: &[u8]) -> String {
    let mut head = RequestHead::new();
    if head.parse(input, LIMITS) != Ok(true) {
        return "no head of HTTP/1".to_owned();
    }
    let text = Bytes::copy_from_slice(&input[..head.length as usize]);
    let plain = back(&text, &head, false);
    // Handshakes are GETs; others are not made a CONNECT of.
    let opens = head.upgrade && head.method == wire::h1::Method::Get;
    let tunnel = if opens { back(&text, &head, true) } else { "" };
    format!("text {:?} {plain} {tunnel}", head.form)
}
