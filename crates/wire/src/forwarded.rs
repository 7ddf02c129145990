//! What proxies in front say of the client: `X-Forwarded-For` and `Forwarded` (RFC 7239).

use std::net::{IpAddr, SocketAddr};

/// An address as it stands in a forwarding field: bare, with a port, or in brackets. `None` for `unknown`,
/// obfuscated identifiers and garbage.
pub fn parse_node(node: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(node).ok()?.trim().trim_matches('"');
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
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
) -> IpAddr {
    let mut client = peer;
    for field in fields.rev() {
        // A comma inside quotes separates nothing, but no address has one.
        for member in field.rsplit(|byte| *byte == b',') {
            if member.trim_ascii().is_empty() {
                continue;
            }
            if !is_trusted(client) {
                return client;
            }
            match node(member) {
                Some(address) => client = address.to_canonical(),
                None => return client,
            }
        }
    }
    client
}

/// The parameter called `name` (in lower case) of one element of a `Forwarded` field.
pub fn parameter<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    element.split(|byte| *byte == b';').find_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        let found = pair[..at].trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        found.then(|| pair[at + 1..].trim_ascii())
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[&str], expected: &str) {
        let trusted = |address: IpAddr| address.to_string().starts_with("10.");
        let peer = "10.0.0.1".parse().unwrap();
        let found = client(peer, fields.iter().map(|field| field.as_bytes()), parse_node, trusted);
        assert_eq!(found.to_string(), expected);
    }

    #[test]
    fn the_client_is_the_nearest_that_is_not_trusted() {
        check(&[], "10.0.0.1");
        check(&["1.1.1.1"], "1.1.1.1");
        check(&["6.6.6.6, 1.1.1.1, 10.0.0.9"], "1.1.1.1");
        check(&["6.6.6.6", "1.1.1.1"], "1.1.1.1");
        check(&["10.0.0.3, 10.0.0.2"], "10.0.0.3");
        check(&["6.6.6.6, unknown, 10.0.0.2"], "10.0.0.2");
        check(&["[2001:db8::1]:80"], "2001:db8::1");
        check(&["::ffff:1.2.3.4"], "1.2.3.4");
        check(&[",, \u{fffd}"], "10.0.0.1");
    }

    #[test]
    fn elements_of_forwarded() {
        let element = b"For=\"[2001:db8::1]:4711\"; proto=https;by=1.2.3.4";
        assert_eq!(parse_node(parameter(element, "for").unwrap()), "2001:db8::1".parse().ok());
        assert_eq!(parameter(element, "proto"), Some(b"https".as_slice()));
        assert_eq!(parameter(element, "host"), None);
    }

    #[test]
    fn an_untrusted_peer_is_the_client_itself() {
        let peer = "9.9.9.9".parse().unwrap();
        let fields = [b"1.1.1.1".as_slice()];
        assert_eq!(client(peer, fields.into_iter(), parse_node, |_| false), peer);
    }
}
