//! Where a redirect leads: a text with values, each escaped so that it stays a value in its part of the URL.

use crate::decide::Request;
use crate::model::{Fact, Route, Text, TextPart};
use crate::text::shown;

/// A part of a URL (RFC 3986 section 3).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Authority,
    Path,
    /// The query, or the fragment.
    Query,
}

/// Renders a text as a URL. Missing values leave nothing.
///
/// A client chooses most values, and a redirect is trusted for the host that it came from. So a value never begins
/// another part, parameter or host: `/{query.q}` with `q=/evil.example` leads to `/evil.example`, not to
/// `//evil.example`, which a browser takes for a host.
pub fn render(text: &Text, request: &Request<'_>, route: Option<&Route>) -> Vec<u8> {
    let names_host = matches!(text.0.first(), Some(TextPart::Literal(first)) if first.starts_with("//"));
    let mut out = Vec::new();
    for part in &text.0 {
        match part {
            TextPart::Literal(literal) => put_literal(literal, &mut out),
            TextPart::Fact(fact) => {
                let Some(value) = shown(fact, request, route) else { continue };
                let mut part = part_at_end(&out);
                if part == Part::Authority && *fact == Fact::Path {
                    // A path ends the host, also the one that has no slash: that of `OPTIONS *`.
                    part = Part::Path;
                    if !value.starts_with(b"/") {
                        out.push(b'/');
                    }
                }
                put(fact, &value, part, &mut out);
            }
        }
        if !names_host {
            let slashes = out.iter().take_while(|byte| **byte == b'/').count();
            out.drain(..slashes.saturating_sub(1));
        }
    }
    out
}

/// Appends a query, before the fragment if there is one, unless the URL has a query already.
pub fn put_query(query: Option<&[u8]>, url: &mut Vec<u8>) {
    let Some(query) = query.filter(|_| !before_fragment(url).contains(&b'?')) else { return };
    let fragment = url.split_off(before_fragment(url).len());
    url.push(b'?');
    url.extend_from_slice(query);
    url.extend_from_slice(&fragment);
}

fn before_fragment(url: &[u8]) -> &[u8] {
    url.split(|byte| *byte == b'#').next().unwrap_or_default()
}

/// The part that comes next. Values cannot have begun one, so only literals are found here.
fn part_at_end(url: &[u8]) -> Part {
    if url.iter().any(|byte| matches!(byte, b'?' | b'#')) {
        return Part::Query;
    }
    let scheme = url.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(url.len());
    let rest = &url[scheme..];
    match rest.strip_prefix(if scheme == 0 { b"//".as_slice() } else { b"://" }) {
        Some(authority) if !authority.contains(&b'/') => Part::Authority,
        _ => Part::Path,
    }
}

fn put_literal(literal: &str, out: &mut Vec<u8>) {
    for byte in literal.bytes() {
        if byte.is_ascii_graphic() { out.push(byte) } else { escape(byte, out) }
    }
}

fn put(fact: &Fact, value: &[u8], part: Part, out: &mut Vec<u8>) {
    // What was taken from the path is escaped already as a path wants it.
    let is_path = matches!(fact, Fact::Path | Fact::Capture(_)) && part == Part::Path;
    for (at, byte) in value.iter().enumerate() {
        let stays = match byte {
            byte if byte.is_ascii_alphanumeric() => true,
            b'-' | b'.' | b'_' => true,
            b'[' | b']' | b':' if part == Part::Authority => *fact == Fact::Host,
            _ if part == Part::Authority => false,
            b'~' | b'/' | b':' | b'@' | b',' | b'!' | b'*' | b'(' | b')' => true,
            b'%' => is_path && value[at..].get(1..3).is_some_and(is_hex),
            b'$' | b'&' | b'\'' | b'+' | b';' | b'=' => is_path,
            _ => false,
        };
        if stays { out.push(*byte) } else { escape(*byte, out) }
    }
}

fn is_hex(digits: &[u8]) -> bool {
    digits.iter().all(u8::is_ascii_hexdigit)
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("%{byte:02X}").as_bytes());
}
