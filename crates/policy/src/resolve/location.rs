//! Where a redirect may lead: somewhere that the file says, never to a host that the client chooses.

use crate::model::{Fact, Text, TextPart};

/// Why a text is no place to redirect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It begins in a way that leaves open what it is.
    Start,
    /// A value decides to which host it leads.
    Host,
    /// It has bytes that no URL has.
    Bytes,
}

/// Checks that a text begins with `/`, `{path}`, or a scheme and a host of the file's own: what follows is only a path,
/// a query or a fragment, wherever its values come from. The host may be the request's (`{host}`), or below a domain that
/// is written out (`{tenant}.example.com`).
///
/// # Errors
/// What is wrong with it.
pub fn check(text: &Text) -> Result<(), Wrong> {
    let broken = |byte: u8| byte <= b' ' || byte == 0x7f;
    if text.0.iter().any(|part| matches!(part, TextPart::Literal(text) if text.bytes().any(broken))) {
        return Err(Wrong::Bytes);
    }
    match text.0.as_slice() {
        [TextPart::Literal(first), rest @ ..] => match after_scheme(first) {
            Some(authority) => check_host(authority, rest),
            None if first.starts_with('/') => Ok(()),
            None => Err(Wrong::Start),
        },
        [TextPart::Fact(Fact::Path), ..] => Ok(()),
        [TextPart::Fact(Fact::Scheme), TextPart::Literal(next), rest @ ..] => {
            check_host(next.strip_prefix("://").ok_or(Wrong::Start)?, rest)
        }
        _ => Err(Wrong::Start),
    }
}

fn after_scheme(text: &str) -> Option<&str> {
    let starts =
        |scheme: &str| text.get(..scheme.len()).is_some_and(|text| text.eq_ignore_ascii_case(scheme));
    let scheme = ["https://", "http://", "//"].into_iter().find(|scheme| starts(scheme))?;
    Some(&text[scheme.len()..])
}

/// `start` and what follows it, up to the end of the authority.
fn check_host(start: &str, rest: &[TextPart]) -> Result<(), Wrong> {
    let ends = ['/', '?', '#'];
    let mut last = start.split(ends).next().unwrap_or_default();
    let mut is_written = !last.is_empty();
    let mut chosen = false;
    let mut open = !start.contains(ends);
    for part in rest {
        if !open {
            break;
        }
        match part {
            // It begins with a slash.
            TextPart::Fact(Fact::Path) => open = false,
            TextPart::Fact(fact) => {
                is_written = true;
                chosen |= *fact != Fact::Host;
                last = "";
            }
            TextPart::Literal(text) => {
                last = text.split(ends).next().unwrap_or_default();
                is_written |= !last.is_empty();
                open = !text.contains(ends);
            }
        }
    }
    let below_a_domain = last.strip_prefix('.').is_some_and(|name| name.starts_with(|c: char| c != ':'));
    if is_written && (!chosen || below_a_domain) { Ok(()) } else { Err(Wrong::Host) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn places_to_redirect_to() {
        for (text, expected) in [
            ("/new/{rest}", Ok(())),
            ("/{query.q}", Ok(())),
            ("{path}", Ok(())),
            ("{path}?a={query.q}", Ok(())),
            ("https://www.example.com/{rest}", Ok(())),
            ("HTTPS://www.example.com?x={query.x}", Ok(())),
            ("//cdn.example.com{path}", Ok(())),
            ("https://{host}{path}", Ok(())),
            ("https://{host}:8443{path}", Ok(())),
            ("https://www.{host}{path}", Ok(())),
            ("{scheme}://{host}/x", Ok(())),
            ("https://{tenant}.example.com/{rest}", Ok(())),
            ("https://{tenant}.example.com:8443", Ok(())),
            ("{rest}", Err(Wrong::Start)),
            ("{query.next}", Err(Wrong::Start)),
            ("{scheme}{host}", Err(Wrong::Start)),
            ("new", Err(Wrong::Start)),
            ("javascript:{rest}", Err(Wrong::Start)),
            ("", Err(Wrong::Start)),
            ("https://{query.next}", Err(Wrong::Host)),
            ("https://{rest}/x.example.com", Err(Wrong::Host)),
            ("https://www.{tenant}", Err(Wrong::Host)),
            ("https://{tenant}.:80/", Err(Wrong::Host)),
            ("https:///x", Err(Wrong::Host)),
            ("//{rest}", Err(Wrong::Host)),
            ("/a b", Err(Wrong::Bytes)),
            ("/{rest}\r\nA: b", Err(Wrong::Bytes)),
        ] {
            assert_eq!(check(&crate::text::parse(text).unwrap()), expected, "{text}");
        }
    }
}
