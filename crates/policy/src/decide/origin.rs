//! Who is asking: the peer, or the client that a trusted proxy speaks for.

use crate::model::{ForwardingStyle, Policy};
use std::net::IpAddr;
use wire::forwarded::{self, Hop};
use wire::h1::Known;

/// Who is asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The client's address, behind trusted proxies.
    pub client: IpAddr,
    /// Whether the client speaks TLS, to us or to a trusted proxy.
    pub tls: bool,
    /// Whether the peer is a trusted proxy.
    pub trusted: bool,
}

impl Origin {
    /// The peer itself.
    pub fn peer(address: IpAddr, tls: bool) -> Origin {
        Origin { client: address.to_canonical(), tls, trusted: false }
    }

    /// The peer, or whom it speaks for when it is trusted. `values` gives the values of the fields of one kind, in
    /// order.
    ///
    /// Only the fields of the configured style are read: a proxy that writes the one kind passes the other on as its
    /// client sent it, who could choose its own address with it. Address and scheme come from the same hop, for
    /// what stands further out in a list is anybody's word.
    pub fn of<'a, I>(policy: &Policy, peer: Origin, values: impl Fn(Known) -> I) -> Origin
    where
        I: DoubleEndedIterator<Item = &'a [u8]>,
    {
        let networks = &policy.trusted_proxies;
        if networks.0.is_empty() || !networks.contains(peer.client) {
            return peer;
        }
        let is_trusted = |address| networks.contains(address);
        let (hop, scheme) = match policy.forwarding.style {
            ForwardingStyle::Forwarded => {
                let node = |element: &[u8]| forwarded::parse_node(forwarded::parameter(element, "for")?);
                let hop = forwarded::client(peer.client, values(Known::Forwarded), node, is_trusted);
                (hop, hop.member.and_then(|element| forwarded::parameter(element, "proto")))
            }
            ForwardingStyle::XForwarded | ForwardingStyle::None => {
                let fields = values(Known::XForwardedFor);
                let hop = forwarded::client(peer.client, fields, forwarded::parse_node, is_trusted);
                (hop, scheme_of(hop, &values))
            }
        };
        let tls = scheme.map_or(peer.tls, |scheme| scheme.eq_ignore_ascii_case(b"https"));
        Origin { client: hop.address, tls, trusted: true }
    }
}

/// The scheme in `X-Forwarded-Proto` that belongs to a member of `X-Forwarded-For`.
///
/// Some proxies replace the field and some add to it. Where it is as long as the list of addresses, each address has
/// its own; else nobody can tell what belongs to what, and the last one is that of the peer.
fn scheme_of<'a, I>(hop: Hop<'a>, values: &impl Fn(Known) -> I) -> Option<&'a [u8]>
where
    I: DoubleEndedIterator<Item = &'a [u8]>,
{
    let schemes = || forwarded::members_from_end(values(Known::XForwardedProto));
    let last = schemes().next()?;
    if hop.distance == 0 {
        return Some(last);
    }
    let addresses = forwarded::members_from_end(values(Known::XForwardedFor)).count();
    if schemes().count() == addresses { schemes().nth(hop.distance) } else { Some(last) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::file::load;
    use crate::source::Files;
    use std::io;
    use std::path::{Path, PathBuf};

    struct One(String);

    impl Files for One {
        fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
            Ok(self.0.clone().into_bytes())
        }

        fn glob(&self, _: &Path) -> io::Result<Vec<PathBuf>> {
            Ok(Vec::new())
        }
    }

    fn policy(style: &str) -> Policy {
        let text = format!("trusted_proxies: [10.0.0.0/8]\nforwarded: {{ style: {style} }}\n");
        load(&One(text), Path::new("t.yaml"), &|_| None).policy.unwrap()
    }

    /// From the plain peer 10.0.0.1 with these fields: address and whether over TLS.
    #[track_caller]
    fn check(style: &str, fields: &[(&str, &str)], address: &str, tls: bool) {
        let policy = policy(style);
        let peer = Origin::peer("10.0.0.1".parse().unwrap(), false);
        let origin = Origin::of(&policy, peer, |known| {
            let fields = fields.iter().filter(move |(name, _)| Known::of(name.as_bytes()) == known);
            fields.map(|(_, value)| value.as_bytes())
        });
        let expected = Origin { client: address.parse().unwrap(), tls, trusted: true };
        assert_eq!(origin, expected, "{style} {fields:?}");
    }

    const FOR: &str = "X-Forwarded-For";
    const PROTO: &str = "X-Forwarded-Proto";

    #[test]
    fn addresses_and_schemes() {
        check("x-forwarded", &[], "10.0.0.1", false);
        check("x-forwarded", &[(FOR, "1.1.1.1"), (PROTO, "HTTPS")], "1.1.1.1", true);
        check("x-forwarded", &[(PROTO, "https")], "10.0.0.1", true);
        check("none", &[(FOR, "1.1.1.1"), (PROTO, "https")], "1.1.1.1", true);
        check("forwarded", &[("Forwarded", "for=1.1.1.1;proto=https")], "1.1.1.1", true);
        check("forwarded", &[("Forwarded", "for=_hidden;proto=https")], "10.0.0.1", true);
        check("forwarded", &[("Forwarded", "for=1.1.1.1")], "1.1.1.1", false);
    }

    #[test]
    fn a_client_does_not_choose_its_scheme() {
        // Its own word comes first in a list that proxies add to.
        check("x-forwarded", &[(FOR, "6.6.6.6, 1.1.1.1"), (PROTO, "https, http")], "1.1.1.1", false);
        check("x-forwarded", &[(FOR, "1.1.1.1"), (PROTO, "https, https, http")], "1.1.1.1", false);
        check("x-forwarded", &[(FOR, "1.1.1.1"), (PROTO, "https"), (PROTO, "http")], "1.1.1.1", false);
        let list = "for=6.6.6.6;proto=https, for=1.1.1.1;proto=http";
        check("forwarded", &[("Forwarded", list)], "1.1.1.1", false);
        check("forwarded", &[("Forwarded", "proto=https, for=1.1.1.1")], "1.1.1.1", false);
    }

    #[test]
    fn the_scheme_is_that_of_the_hop_that_gave_the_address() {
        let chain = (FOR, "6.6.6.6, 1.1.1.1, 10.0.0.2");
        check("x-forwarded", &[chain, (PROTO, "http, https, http")], "1.1.1.1", true);
        check("x-forwarded", &[chain, (PROTO, "https, http, https")], "1.1.1.1", false);
        // One for all is what the outermost proxy saw, where those behind it leave it alone.
        check("x-forwarded", &[chain, (PROTO, "https")], "1.1.1.1", true);
        // Which of two belongs to which of three nobody knows.
        check("x-forwarded", &[chain, (PROTO, "https, http")], "1.1.1.1", false);
        let list = "for=6.6.6.6;proto=http, for=1.1.1.1;proto=https, for=10.0.0.2;proto=http";
        check("forwarded", &[("Forwarded", list)], "1.1.1.1", true);
    }

    #[test]
    fn fields_of_the_other_style_are_not_read() {
        let both = [(FOR, "6.6.6.6"), (PROTO, "https"), ("Forwarded", "for=1.1.1.1;proto=http")];
        check("forwarded", &both, "1.1.1.1", false);
        check("forwarded", &both[..2], "10.0.0.1", false);
        check("x-forwarded", &both, "6.6.6.6", true);
        check("x-forwarded", &both[2..], "10.0.0.1", false);
    }

    #[test]
    fn quoted_parameters_are_read() {
        let element = "for=\"[2001:db8::1]:80\";proto=\"https\";host=\"a, for=6.6.6.6\"";
        check("forwarded", &[("Forwarded", element)], "2001:db8::1", true);
    }

    #[test]
    fn repeated_lines_are_one_list() {
        check("x-forwarded", &[(FOR, "6.6.6.6"), (FOR, "1.1.1.1, 10.0.0.2")], "1.1.1.1", false);
        let lines = [(FOR, "1.1.1.1"), (FOR, "10.0.0.2"), (PROTO, "https"), (PROTO, "http")];
        check("x-forwarded", &lines, "1.1.1.1", true);
        let lines = [("Forwarded", "for=1.1.1.1;proto=https"), ("Forwarded", "for=10.0.0.2;proto=http")];
        check("forwarded", &lines, "1.1.1.1", true);
    }

    #[test]
    fn strangers_are_not_believed() {
        let peer = Origin::peer("9.9.9.9".parse().unwrap(), true);
        let said = |_| [b"1.1.1.1".as_slice()].into_iter();
        assert_eq!(Origin::of(&policy("x-forwarded"), peer, said), peer);
    }
}
