//! Requests as bytes, made before the load begins.

use super::plan::{Plan, Protocol, Reuse};
use crate::frames::hpack::{Block, NEWEST};
use crate::websocket::KEY;
use std::fmt::Write;

/// How many of the numbers below `vary` are asked for: as many as are likely in no processor's nearest memory.
const VARIANTS: usize = 4096;

/// Bytes of a chunk of a body.
const CHUNK_BYTES: usize = 4096;

/// What browsers send besides `Host`: with it, the line and a cookie, about 700 bytes.
const BROWSER: [(&str, &str); 12] = [
    (
        "User-Agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
    ),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Accept-Language", "en-GB,en;q=0.9,de;q=0.8"),
    ("Accept-Encoding", "gzip, deflate, br"),
    ("Referer", "https://shop.example.com/catalogue/shoes?page=2"),
    ("Cache-Control", "max-age=0"),
    ("Upgrade-Insecure-Requests", "1"),
    ("Sec-Fetch-Dest", "document"),
    ("Sec-Fetch-Mode", "navigate"),
    ("Sec-Fetch-Site", "same-origin"),
    ("Sec-Fetch-User", "?1"),
    (
        "Cookie",
        "session=4f7c2b9e8d1a4c0f9b3e6d5a2c1f8e7d; theme=dark; consent=all; _id=GA1.2.1480263748.1709462400",
    ),
];

/// The numbers that stand for `{}`: spread over all, the same for every run.
pub(super) fn numbers(vary: usize) -> impl Iterator<Item = usize> {
    // A step without a common divisor with `vary` would do; a generator needs no such condition.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    (0..vary.min(VARIANTS)).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % vary as u64) as usize
    })
}

fn filled(pattern: &str, number: usize) -> String {
    pattern.replace("{}", &number.to_string())
}

fn more_fields(plan: &Plan) -> Vec<(String, String)> {
    let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let mut fields: Vec<_> = if plan.browser { BROWSER.iter().map(own).collect() } else { Vec::new() };
    fields.extend((0..plan.fields).map(|number| (format!("X-Field-{number}"), format!("value-{number}"))));
    fields
}

/// Requests of HTTP/1.1, one for each number.
pub(super) fn h1(plan: &Plan) -> Vec<Vec<u8>> {
    let method = if plan.body > 0 { "POST" } else { "GET" };
    let mut rest = String::new();
    for (name, value) in more_fields(plan) {
        // A text takes all that is written to it.
        let _ = write!(rest, "{name}: {value}\r\n");
    }
    if plan.reuse != Reuse::Kept {
        rest.push_str("Connection: close\r\n");
    }
    if plan.protocol == Protocol::WebSocket {
        let _ = write!(
            rest,
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
        );
    } else if plan.chunked {
        rest.push_str("Transfer-Encoding: chunked\r\n");
    } else if plan.body > 0 {
        let _ = write!(rest, "Content-Length: {}\r\n", plan.body);
    }
    numbers(plan.vary)
        .map(|number| {
            let (path, host) = (filled(&plan.path, number), filled(&plan.host, number));
            let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{rest}\r\n").into_bytes();
            if plan.protocol != Protocol::WebSocket {
                write_body(plan, &mut bytes);
            }
            bytes
        })
        .collect()
}

fn write_body(plan: &Plan, to: &mut Vec<u8>) {
    if !plan.chunked {
        to.resize(to.len() + plan.body, b'x');
        return;
    }
    for at in (0..plan.body).step_by(CHUNK_BYTES) {
        let size = CHUNK_BYTES.min(plan.body - at);
        to.extend_from_slice(format!("{size:x}\r\n").as_bytes());
        to.resize(to.len() + size, b'x');
        to.extend_from_slice(b"\r\n");
    }
    to.extend_from_slice(b"0\r\n\r\n");
}

/// Field blocks of HTTP/2: the first of a connection, and those after it, one for each number, in which what does not
/// change is in the dynamic table, as with browsers.
pub(super) fn h2(plan: &Plan) -> (Vec<u8>, Vec<Vec<u8>>) {
    const GET: u32 = 2;
    const POST: u32 = 3;
    const PATH: u32 = 4;
    const SCHEME: u32 = 6;
    const AUTHORITY: u32 = 1;
    let is_grpc = plan.protocol == Protocol::Grpc;
    let mut fields: Vec<(String, String)> = Vec::new();
    let one_host = !plan.host.contains("{}");
    if one_host {
        fields.push((":authority".to_owned(), plan.host.clone()));
    }
    if is_grpc {
        fields.push(("content-type".to_owned(), "application/grpc".to_owned()));
        fields.push(("te".to_owned(), "trailers".to_owned()));
    }
    let lower = more_fields(plan).into_iter().map(|(name, value)| (name.to_lowercase(), value));
    fields.extend(lower);
    let start = |number| {
        let method = if is_grpc || plan.body > 0 { POST } else { GET };
        let block = Block::default().indexed(method).indexed(SCHEME + u32::from(plan.tls));
        let block = block.known(PATH, &filled(&plan.path, number));
        if one_host { block } else { block.known(AUTHORITY, &filled(&plan.host, number)) }
    };
    let first = fields.iter().fold(start(0), |block, (name, value)| block.remembered(name, value));
    // The newest is at the front of the table.
    let indices = (0..fields.len() as u32).rev().map(|back| NEWEST + back);
    let next = |number| indices.clone().fold(start(number), Block::indexed).0;
    (first.0, numbers(plan.vary).map(next).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Plan {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Plan::new(([127, 0, 0, 1], 1).into(), &words).expect("it is right")
    }

    #[test]
    fn a_browser_sends_about_seven_hundred_bytes() {
        let requests = h1(&plan("browser path=/catalogue/shoes"));
        assert_eq!(requests.len(), 1);
        assert!((650..800).contains(&requests[0].len()), "{}", requests[0].len());
    }

    #[test]
    fn numbers_fill_places_and_stay_below_their_bound() {
        let requests = h1(&plan("path=/r/{} vary=100000"));
        assert_eq!(requests.len(), VARIANTS);
        assert!(requests.iter().all(|request| !request.contains(&b'{')));
        assert!(numbers(7).all(|number| number < 7));
        assert!(numbers(1).eq([0]));
    }

    #[test]
    fn later_blocks_are_short() {
        let (first, next) = h2(&plan("protocol=h2 browser"));
        assert!(first.len() > 600 && next[0].len() < 24, "{} {}", first.len(), next[0].len());
    }
}
