//! Messages of HTTP/2 as inputs: a line for each field, `:method: GET` or `accept: */*`; then, behind an empty line,
//! trailers. And what is asked of either direction of the translation.

use super::head::Line;
use wire::h1::Known;

/// Pieces of such messages, and of heads of HTTP/1.
pub const WORDS: &[&str] = &[
    "\ncookie: a=1",
    "\ncookie: b=2; c",
    "\nhost: a.example",
    "\nhost: b",
    "\ncontent-length: 5",
    "\ncontent-length: 0",
    "\ncontent-length: +5",
    "\nte: trailers",
    "\ntransfer-encoding: chunked",
    "\nconnection: close",
    "\nx-a: 1",
    "\nx_a: \u{e4}",
    "\nexpect: 100-continue",
    "\nsec-websocket-key: mine",
    "\nset-cookie: a",
    "\n\n",
    "\n:body: 1",
    "\n:bare: 1",
    "\n:ends: 1",
    "\n:protocol: websocket",
    "\n:protocol: connect-udp",
    ":method: CONNECT",
    ":method: OPTIONS",
    ":path: *",
    ":path: /a?b",
    ":authority: [::1]:443",
    ":status: 204",
    ":status: 101",
    "<\"`>{}|",
    "%2f",
    "//",
    "HTTP/1.1",
    "\r\n",
    "Connection: Upgrade, x-a\r\n",
    "Upgrade: websocket\r\n",
    "Host: a\r\n",
    "TE: trailers\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Content-Length: 3\r\n",
];

/// A message as it is written in an input.
#[derive(Default)]
pub struct Message {
    /// What begins with a colon, without it.
    pub pseudo: Vec<(String, Vec<u8>)>,
    /// The fields, in order.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Those behind the body.
    pub trailers: Vec<(String, Vec<u8>)>,
}

impl Message {
    /// Reads an input. `None` where the h2 crate would refuse the fields themselves.
    pub fn read(input: &[u8]) -> Option<Message> {
        let mut message = Message::default();
        let mut is_behind = false;
        for line in input.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                is_behind = true;
                continue;
            }
            let colon = line[1..].iter().position(|byte| *byte == b':').map_or(line.len(), |at| at + 1);
            let value = line.get(colon + 1..).unwrap_or_default();
            let value = value.strip_prefix(b" ").unwrap_or(value).to_vec();
            let name = String::from_utf8(line[..colon].to_vec()).ok()?;
            if let Some(name) = name.strip_prefix(':') {
                if is_behind || message.pseudo(name).is_some() {
                    return None;
                }
                message.pseudo.push((name.to_owned(), value));
                continue;
            }
            http::HeaderName::from_lowercase(name.as_bytes()).ok()?;
            http::HeaderValue::from_bytes(&value).ok()?;
            // RFC 9113 section 8.2.2; the crate looks at them so.
            let is_hop = ["connection", "transfer-encoding", "upgrade", "keep-alive", "proxy-connection"]
                .contains(&name.as_str());
            if is_hop || name == "te" && value != b"trailers" {
                return None;
            }
            if is_behind { &mut message.trailers } else { &mut message.fields }.push((name, value));
        }
        Some(message)
    }

    /// The value of a field that begins with a colon.
    pub fn pseudo(&self, name: &str) -> Option<&[u8]> {
        self.pseudo.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }
}

/// Fields as the crate keeps them.
pub fn map(fields: &[(String, Vec<u8>)]) -> http::HeaderMap {
    let pairs = fields.iter().filter_map(|(name, value)| {
        Some((
            http::HeaderName::from_lowercase(name.as_bytes()).ok()?,
            http::HeaderValue::from_bytes(value).ok()?,
        ))
    });
    let mut map = http::HeaderMap::new();
    for (name, value) in pairs {
        map.append(name, value);
    }
    map
}

/// Names in lower case and values without white space around them, by name; in their order where names are equal.
pub fn sorted<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    fields: impl IntoIterator<Item = (N, V)>,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let trimmed = fields.into_iter().map(|(name, value)| {
        (name.as_ref().to_ascii_lowercase(), super::head::trim(value.as_ref()).to_vec())
    });
    let mut fields: Vec<_> = trimmed.collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

/// The fields of a map.
pub fn of_map(map: &http::HeaderMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    sorted(map.iter().map(|(name, value)| (name.as_str(), value.as_bytes())))
}

/// The lines of a head of HTTP/1 that another hop gets to see, those aside that HTTP/2 says otherwise.
pub fn passed<'l, 'b>(lines: &'l [Line<'b>]) -> impl Iterator<Item = Line<'b>> + use<'l, 'b> {
    lines.iter().copied().filter(|(name, _)| {
        !super::head::is_hop(name, lines)
            && !matches!(Known::of(name), Known::Connection | Known::TransferEncoding)
    })
}
