//! What holds of the fields of any head, be it of a request or of an answer.

use wire::h1::{Field, Framing, HeadLimits, Known, Version};

/// Small enough that bounds are met often.
pub const LIMITS: HeadLimits = HeadLimits { bytes: 1024, fields: 16 };

/// Pieces of fields, for both kinds of heads.
pub const WORDS: &[&str] = &[
    "\r\n",
    "\r\n\r\n",
    "HTTP/1.1",
    "HTTP/1.0",
    "Host: a.example\r\n",
    "Content-Length: 5\r\n",
    "Content-Length: 0\r\n",
    "content-length: 18446744073709551616\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding: gzip, chunked\r\n",
    "Transfer-Encoding:\u{b}chunked\r\n",
    "Connection: close\r\n",
    "Connection: keep-alive, Upgrade\r\n",
    "Connection: x-a, content-length\r\n",
    "Upgrade: websocket\r\n",
    "Upgrade: h2c\r\n",
    "Expect: 100-continue\r\n",
    "TE: trailers\r\n",
    "Keep-Alive: timeout=5\r\n",
    "Proxy-Connection: close\r\n",
    "X-A: b\r\n",
    "X_Forwarded-For: b\r\n",
    "Trailer: X-Sum\r\n",
    " chunked",
    "\u{e4}",
    ", ",
    "\r\n ",
    "\n",
];

/// Fields of which a spelling with underscores is told apart.
const LOOKALIKES: [&str; 3] = ["content-length", "transfer-encoding", "x-request-id"];

/// A field as a naive reader finds it: name and value.
pub type Line<'b> = (&'b [u8], &'b [u8]);

/// Reads a head line by line, as any sane peer would. The head ends with its empty line.
pub fn naive(head: &[u8]) -> (&[u8], Vec<Line<'_>>) {
    let text = head.strip_suffix(b"\r\n\r\n").expect("a head ends with an empty line");
    let text = text.strip_prefix(b"\r\n").unwrap_or(text);
    let mut lines = split_lines(text).into_iter();
    let start = lines.next().unwrap_or_default();
    let fields = lines.map(|line| {
        let colon = line.iter().position(|byte| *byte == b':').expect("a field line has a colon");
        (&line[..colon], trim(&line[colon + 1..]))
    });
    (start, fields.collect())
}

fn split_lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        lines.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    lines.push(rest);
    lines
}

/// Without optional white space around it (RFC 9110 section 5.6.3).
pub fn trim(value: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let start = value.iter().position(is_text).unwrap_or(value.len());
    let end = value.iter().rposition(is_text).map_or(start, |last| last + 1);
    &value[start..end]
}

/// What the fields of an accepted head hold: the same as a naive reader finds, nothing that another reader could
/// take for something else, and places that tile the head.
pub fn check_fields(head: &[u8], fields: &[Field], lines: &[Line<'_>]) {
    assert!(fields.len() <= usize::from(LIMITS.fields), "more fields than allowed");
    assert!(head.len() <= LIMITS.bytes as usize, "longer than allowed");
    for (at, byte) in head.iter().enumerate() {
        match byte {
            b'\n' => assert_eq!(head[at - 1], b'\r', "LF without CR"),
            b'\r' => assert_eq!(head[at + 1], b'\n', "CR without LF"),
            byte => assert!(matches!(byte, b'\t' | b' '..=b'~' | 0x80..), "control character"),
        }
    }
    assert_eq!(fields.len(), lines.len(), "as many fields as lines");
    for (field, (name, value)) in fields.iter().zip(lines) {
        assert_eq!(field.name.of(head), *name);
        assert_eq!(field.value.of(head), *value);
        assert!(wire::field::is_token(name) && wire::field::is_value(value));
        assert_eq!(field.known, known(name), "{}", String::from_utf8_lossy(name));
        assert_eq!(field.hop, is_hop(name, lines), "{}", String::from_utf8_lossy(name));
        let line = field.line.of(head);
        assert!(line.starts_with(name) && line.ends_with(b"\r\n"));
    }
    for pair in fields.windows(2) {
        assert_eq!(pair[0].line.end, pair[1].line.start, "lines without gaps");
    }
    if let Some(last) = fields.last() {
        assert_eq!(last.line.end as usize, head.len() - 2);
    }
}

/// All values of a field.
pub fn values<'l>(lines: &'l [Line<'_>], name: &str) -> Vec<&'l [u8]> {
    lines
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, value)| *value)
        .collect()
}

/// The members of all `Connection` fields, in lower case.
fn connection(lines: &[Line<'_>]) -> Vec<Vec<u8>> {
    let values = values(lines, "connection");
    values.iter().flat_map(|value| wire::field::list(value)).map(<[u8]>::to_ascii_lowercase).collect()
}

/// Whether a field is for one hop (RFC 9110 section 7.6.1).
pub fn is_hop(name: &[u8], lines: &[Line<'_>]) -> bool {
    let name = name.to_ascii_lowercase();
    [&b"connection"[..], b"keep-alive", b"proxy-connection", b"te", b"upgrade"].contains(&name.as_slice())
        || connection(lines).contains(&name)
}

/// RFC 9112 section 9.3.
pub fn persists(version: Version, lines: &[Line<'_>]) -> bool {
    let has = |member: &[u8]| connection(lines).iter().any(|found| found == member);
    !has(b"close") && (version == Version::Http11 || has(b"keep-alive"))
}

/// The framing that the fields speak of. Asserts what no accepted head may have.
pub fn framing(version: Version, lines: &[Line<'_>]) -> Option<Framing> {
    let lengths = values(lines, "content-length");
    let codings = values(lines, "transfer-encoding");
    assert!(lengths.len() + codings.len() <= 1, "two ways to find the end of the body");
    if let [coding] = codings[..] {
        assert!(coding.eq_ignore_ascii_case(b"chunked") && version == Version::Http11);
        return Some(Framing::Chunked);
    }
    let [length] = lengths[..] else { return None };
    assert!(!length.is_empty() && length.iter().all(u8::is_ascii_digit), "a length is digits");
    let text = std::str::from_utf8(length).expect("digits");
    Some(Framing::Length(text.parse().expect("a length that fits")))
}

/// A head made of a start line and fields.
pub fn print(start: &[u8], lines: &[Line<'_>]) -> Vec<u8> {
    let mut head = [start, b"\r\n"].concat();
    for (name, value) in lines {
        head.extend_from_slice(&[*name, b": ", value, b"\r\n"].concat());
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Which fields are known, by a list instead of by length.
fn known(name: &[u8]) -> Known {
    let name = name.to_ascii_lowercase();
    match name.as_slice() {
        b"accept" => Known::Accept,
        b"connection" => Known::Connection,
        b"content-length" => Known::ContentLength,
        b"content-type" => Known::ContentType,
        b"cookie" => Known::Cookie,
        b"date" => Known::Date,
        b"expect" => Known::Expect,
        b"forwarded" => Known::Forwarded,
        b"host" => Known::Host,
        b"keep-alive" => Known::KeepAlive,
        b"proxy-connection" => Known::ProxyConnection,
        b"set-cookie" => Known::SetCookie,
        b"te" => Known::Te,
        b"trailer" => Known::Trailer,
        b"transfer-encoding" => Known::TransferEncoding,
        b"upgrade" => Known::Upgrade,
        b"user-agent" => Known::UserAgent,
        b"x-forwarded-for" => Known::XForwardedFor,
        b"x-forwarded-host" => Known::XForwardedHost,
        b"x-forwarded-proto" => Known::XForwardedProto,
        b"x-request-id" => Known::XRequestId,
        b"proxy" => Known::Lookalike,
        name => {
            let dashed = String::from_utf8_lossy(name).replace('_', "-");
            let forwards = dashed.starts_with("x-forwarded-") || dashed == "x-real-ip";
            match name.contains(&b'_') {
                true if forwards || LOOKALIKES.contains(&dashed.as_str()) => Known::Lookalike,
                false if forwards => Known::XForwardedOther,
                _ => Known::Other,
            }
        }
    }
}

/// Where an input is cut when it arrives in pieces: nowhere in particular, but the same each time.
pub fn cuts(input: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut numbers = crate::grow::Numbers(input.len() as u64);
    let mut at = 0;
    std::iter::from_fn(move || {
        (at < input.len()).then(|| {
            at = input.len().min(at + 1 + (numbers.draw() % 40) as usize);
            at
        })
    })
}

/// What is known of a head that arrives in pieces which end at `ends`: the first verdict that is final, or that more is
/// needed.
pub fn piecewise<E>(
    ends: impl Iterator<Item = usize>,
    mut parse: impl FnMut(usize) -> Result<bool, E>,
) -> Result<bool, E> {
    for end in ends {
        if parse(end)? {
            return Ok(true);
        }
    }
    Ok(false)
}
