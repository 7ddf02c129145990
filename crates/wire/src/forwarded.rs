//! What proxies in front say of the client: `X-Forwarded-For` and `Forwarded` (RFC 7239).
//!
//! Each proxy adds its knowledge at the end of such a list, so only the end can be believed: everything here reads
//! from there towards the beginning, and several field lines are one list (RFC 9110 section 5.3).

use std::net::{IpAddr, SocketAddr};

/// An address as it stands in a forwarding field: bare, with a port, or in brackets. `None` for `unknown`,
/// obfuscated identifiers and garbage.
pub fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

/// A client behind trusted proxies, and where that was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop<'a> {
    /// The address.
    pub address: IpAddr,
    /// The member of the list that gave it; the last one where none did; `None` without any.
    pub member: Option<&'a [u8]>,
    /// How many members come after that one.
    pub distance: usize,
}

/// The client behind trusted proxies: going from the peer outwards, the first address that is not trusted;
/// when all are, the outermost. Stops at what is no address, for nothing beyond it can be believed.
///
/// `fields` are the field lines' values in order; `node` picks the address out of a list's member.
pub fn client<'a>(
    peer: IpAddr,
    fields: impl DoubleEndedIterator<Item = &'a [u8]>,
    node: impl Fn(&[u8]) -> Option<IpAddr>,
    is_trusted: impl Fn(IpAddr) -> bool,
) -> Hop<'a> {
    let mut hop = Hop { address: peer, member: None, distance: 0 };
    for (distance, member) in members_from_end(fields).enumerate() {
        if !is_trusted(hop.address) {
            break;
        }
        let Some(address) = node(member) else {
            hop.member.get_or_insert(member);
            break;
        };
        hop = Hop { address: address.to_canonical(), member: Some(member), distance };
    }
    hop
}

/// The members of a list, the last one first, without empty ones. A comma inside quotes does not separate; quotes are
/// paired from the end, for what stands further out may be anybody's.
pub fn members_from_end<'a>(
    fields: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> impl Iterator<Item = &'a [u8]> {
    fields.rev().flat_map(|field| {
        let mut rest = Some(field);
        std::iter::from_fn(move || {
            let (before, member) = split_last(rest?);
            rest = before;
            Some(member)
        })
        .map(<[u8]>::trim_ascii)
        .filter(|member| !member.is_empty())
    })
}

/// Splits at the last comma that is not quoted.
fn split_last(value: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for (at, byte) in value.iter().enumerate().rev() {
        match byte {
            b'"' => {
                let escapes = value[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
                // Outside quotes a backslash escapes nothing, and this quote is where a quoted string ends.
                quoted = !quoted || escapes % 2 == 1;
            }
            b',' if !quoted => return (Some(&value[..at]), &value[at + 1..]),
            _ => {}
        }
    }
    (None, value)
}

/// The parameter called `name` (in lower case) of one element of a `Forwarded` field, without the quotes that it may
/// stand in. A semicolon inside quotes does not separate.
pub fn parameter<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    let mut quoted = false;
    let mut escaped = false;
    let pairs = element.split(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' => return !quoted,
            _ => {}
        }
        false
    });
    let mut values = pairs.filter_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        let found = pair[..at].trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        found.then(|| pair[at + 1..].trim_ascii())
    });
    let value = values.next()?;
    match value {
        [b'"', inner @ .., b'"'] => Some(inner),
        value => Some(value),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hop<'a>(fields: &[&'a str]) -> Hop<'a> {
        let trusted = |address: IpAddr| address.to_string().starts_with("10.");
        let peer = "10.0.0.1".parse().unwrap();
        client(peer, fields.iter().map(|field| field.as_bytes()), parse_node, trusted)
    }

    #[track_caller]
    fn check(fields: &[&str], expected: &str, distance: usize) {
        let hop = hop(fields);
        assert_eq!((hop.address.to_string().as_str(), hop.distance), (expected, distance));
    }

    #[test]
    fn the_client_is_the_nearest_that_is_not_trusted() {
        check(&[], "10.0.0.1", 0);
        check(&["1.1.1.1"], "1.1.1.1", 0);
        check(&["6.6.6.6, 1.1.1.1, 10.0.0.9"], "1.1.1.1", 1);
        check(&["6.6.6.6", "1.1.1.1"], "1.1.1.1", 0);
        check(&["10.0.0.3, 10.0.0.2"], "10.0.0.3", 1);
        check(&["10.0.0.3", "", "10.0.0.2,,"], "10.0.0.3", 1);
        check(&["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2", 0);
        check(&["[2001:db8::1]:80"], "2001:db8::1", 0);
        check(&["::ffff:1.2.3.4"], "1.2.3.4", 0);
        check(&[",, \u{fffd}"], "10.0.0.1", 0);
    }

    #[test]
    fn a_member_that_gives_no_address_is_still_the_peers_word() {
        assert_eq!(hop(&["1.1.1.1, unknown"]).member, Some(b"unknown".as_slice()));
        assert_eq!(hop(&["unknown, 10.0.0.2"]).member, Some(b"10.0.0.2".as_slice()));
        assert_eq!(hop(&[",", ""]).member, None);
    }

    #[test]
    fn lists_are_read_from_their_end() {
        for (fields, expected) in [
            (&["a, b", " c ,, d"][..], &["d", "c", "b", "a"][..]),
            (&["a, for=b;host=\"x, y\""], &["for=b;host=\"x, y\"", "a"]),
            (&["a, b=\"x\\\", y\""], &["b=\"x\\\", y\"", "a"]),
            // What a client begins and never closes takes nothing of what its proxy adds.
            (&["x=\"y, for=b;proto=\"http\""], &["for=b;proto=\"http\"", "x=\"y"]),
            (&[], &[]),
        ] {
            let found: Vec<_> = members_from_end(fields.iter().map(|field| field.as_bytes())).collect();
            let expected: Vec<_> = expected.iter().map(|member| member.as_bytes()).collect();
            assert_eq!(found, expected, "{fields:?}");
        }
    }

    #[test]
    fn elements_of_forwarded() {
        let element = b"For=\"[2001:db8::1]:4711\"; proto=\"https\";by=1.2.3.4;host=\"a;proto=b\";ext=1";
        assert_eq!(parse_node(parameter(element, "for").unwrap()), "2001:db8::1".parse().ok());
        for (name, value) in
            [("proto", Some("https")), ("by", Some("1.2.3.4")), ("host", Some("a;proto=b")), ("x", None)]
        {
            assert_eq!(parameter(element, name), value.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn an_untrusted_peer_is_the_client_itself() {
        let peer = "9.9.9.9".parse().unwrap();
        let fields = [b"1.1.1.1".as_slice()];
        assert_eq!(client(peer, fields.into_iter(), parse_node, |_| false).address, peer);
    }
}
