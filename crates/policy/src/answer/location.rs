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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{PathPattern, Segment, Target};
    use crate::source::Span;

    fn route(segment: Segment<'_>) -> Route {
        Route {
            name: "".into(),
            path: PathPattern::Segments { segments: [segment].into_iter().collect(), rest: true },
            others: None,
            to: Target::Split(Box::default()),
            grpc_web: false,
            own_timeouts: None,
            at: Span::default(),
        }
    }

    /// What `text` becomes for a request with that path and query, on a route with the path `/d/*`.
    fn rendered(text: &str, host: &str, path: &str, query: &str, fields: &[(&str, &str)]) -> String {
        let fields: Vec<(String, String)> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let request = Request {
            method: "GET",
            tls: false,
            host,
            path,
            raw_path: path.as_bytes(),
            query: Some(query.as_bytes()).filter(|query| !query.is_empty()),
            fields: &fields,
            client: [192, 0, 2, 1].into(),
            listener: None,
        };
        let route = route(Segment::Literal("d"));
        let mut url = render(&crate::text::parse(text).unwrap(), &request, Some(&route));
        put_query(request.query, &mut url);
        String::from_utf8(url).unwrap()
    }

    #[test]
    fn a_value_is_no_more_than_a_value() {
        for (text, query, expected) in [
            ("/s?q={query.q}", "q=a%26admin%3D1%23x", "/s?q=a%26admin%3D1%23x"),
            ("/s?q={query.q}", "q=a+b%2Bc%25", "/s?q=a%20b%2Bc%25"),
            ("/s#{query.q}", "q=a%23b", "/s?q=a%23b#a%23b"),
            ("/s/{query.q}", "q=a?b%23c", "/s/a%3Fb%23c?q=a?b%23c"),
            (
                "/s/{query.q}/t",
                "q=%0d%0aSet-Cookie:%20a",
                "/s/%0D%0ASet-Cookie:%20a/t?q=%0d%0aSet-Cookie:%20a",
            ),
            ("/?a={query.missing}", "", "/?a="),
        ] {
            assert_eq!(rendered(text, "h", "/d/x", query, &[]), expected, "{text}");
        }
        let fields = [("X-A", "a/b?c&d"), ("Cookie", "k=x&y=\"")];
        assert_eq!(rendered("/{header.x-a}", "h", "/", "", &fields), "/a/b%3Fc%26d");
        assert_eq!(rendered("/?k={cookie.k}", "h", "/", "", &fields), "/?k=x%26y%3D%22");
    }

    #[test]
    fn no_value_leads_to_another_host() {
        for (text, path, query, expected) in [
            ("/{rest}", "/d/https:evil.example", "", "/https:evil.example"),
            ("/{query.q}", "/d", "q=/evil.example", "/evil.example?q=/evil.example"),
            ("/{query.q}", "/d", "q=//evil.example", "/evil.example?q=//evil.example"),
            ("/{query.q}", "/d", "q=%5Cevil.example", "/%5Cevil.example?q=%5Cevil.example"),
            ("/{query.q}", "/d", "q=%09/evil.example", "/%09/evil.example?q=%09/evil.example"),
            ("{path}{query.q}", "/", "q=/evil.example", "/evil.example?q=/evil.example"),
            ("/{query.missing}/{query.q}", "/d", "q=x", "/x?q=x"),
            (
                "https://{query.q}.example.com/",
                "/d",
                "q=evil.example/",
                "https://evil.example%2F.example.com/?q=evil.example/",
            ),
            ("https://{query.q}.example.com/", "/d", "q=a@b:1", "https://a%40b%3A1.example.com/?q=a@b:1"),
            ("//cdn.example.com/{rest}", "/d/x", "", "//cdn.example.com/x"),
        ] {
            assert_eq!(rendered(text, "h", path, query, &[]), expected, "{text} {path}");
        }
    }

    #[test]
    fn what_the_path_gave_stays_as_it_was_escaped() {
        for (text, path, expected) in [
            ("/n/{rest}", "/d/a%20b;c=1&e+f", "/n/a%20b;c=1&e+f"),
            ("{path}", "/d/%E4%BD", "/d/%E4%BD"),
            ("https://www.example.com{path}", "/d/x", "https://www.example.com/d/x"),
            ("https://www.example.com{path}", "*", "https://www.example.com/*"),
            // In a parameter it is a value, to be decoded once.
            ("/login?next={path}", "/d/a%20b&c", "/login?next=/d/a%2520b%26c"),
        ] {
            assert_eq!(rendered(text, "h", path, "", &[]), expected, "{text} {path}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(rendered("https://{host}{path}", "::1", "/x", "", &[]), "https://[::1]/x");
        assert_eq!(rendered("https://{host}:8443/", "a.example", "/x", "", &[]), "https://a.example:8443/");
        assert_eq!(rendered("{scheme}://{host}/y", "a.example", "/x", "a=b", &[]), "http://a.example/y?a=b");
        assert_eq!(rendered("/x?from={host}", "::1", "/x", "", &[]), "/x?from=%5B::1%5D");
    }

    #[test]
    fn the_query_stays_unless_there_is_one() {
        for (text, expected) in [
            ("/x", "/x?a=1"),
            ("/x?", "/x?"),
            ("/x#top", "/x?a=1#top"),
            ("/x?b#top", "/x?b#top"),
            ("/\u{e4}", "/%C3%A4?a=1"),
        ] {
            assert_eq!(rendered(text, "h", "/d", "a=1", &[]), expected, "{text}");
        }
    }
}
