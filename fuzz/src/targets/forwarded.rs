//! `X-Forwarded-For` and `Forwarded` fields: who the client is behind trusted proxies.

use crate::Target;
use std::net::IpAddr;
use wire::forwarded::{client, parameter, parse_node};

/// `X-Forwarded-For` and `Forwarded` fields, a line of input for each field line.
pub const TARGET: Target = Target { name: "forwarded", check, words: WORDS, iterations: 50_000 };

const WORDS: &[&str] = &[
    "10.0.0.1",
    "192.0.2.9",
    ", ",
    ",",
    "\n",
    ";",
    "for=",
    "For=\"[2001:db8::1]:4711\"",
    "proto=https",
    "by=",
    "unknown",
    "_hidden",
    "[::1]",
    "::ffff:10.0.0.2",
    ":80",
    "\"",
    " ",
    "\t",
    "host=\"a;b\"",
    "=",
    "\u{e4}",
];

/// Proxies of ours.
fn is_trusted(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(address) if address.octets()[0] == 10)
}

fn check(input: &[u8]) -> String {
    let lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    let of_element = |element: &[u8]| parse_node(parameter(element, "for")?);
    let plain = chosen(&lines, parse_node);
    let standard = chosen(&lines, of_element);
    for element in lines.iter().flat_map(|line| line.split(|byte| *byte == b',')) {
        if element.contains(&b'"') {
            continue;
        }
        for name in ["for", "proto", "host"] {
            assert_eq!(parameter(element, name), naive_parameter(element, name), "{name}");
        }
    }
    format!("{plain} {standard}")
}

/// Asks who the client is, checks what must hold of it, and says what kind of client it is.
fn chosen(lines: &[&[u8]], node: impl Fn(&[u8]) -> Option<IpAddr>) -> String {
    let peer: IpAddr = [10, 0, 0, 200].into();
    let asked =
        |peer: IpAddr, lines: &[&[u8]]| client(peer, lines.iter().copied(), &node, is_trusted).address;
    let found = asked(peer, lines);
    let (expected, steps) = naive(peer, lines, &node);
    if !lines.iter().any(|line| line.contains(&b'"')) {
        assert_eq!(found, expected, "as a walk over a plain list finds it");
    }
    assert_eq!(found, found.to_canonical(), "an IPv4 address is one, however it was written");
    assert_eq!(asked([9, 9, 9, 9].into(), lines), IpAddr::from([9, 9, 9, 9]));
    if !is_trusted(found) {
        // What a client writes before a proxy adds the client's address changes nothing.
        let lies = [&[b"6.6.6.6, for=6.6.6.6".as_slice()], lines].concat();
        assert_eq!(asked(peer, &lies), found, "a client cannot choose its address");
        let open = [&[b"for=\"6.6.6.6".as_slice()], lines].concat();
        assert_eq!(asked(peer, &open), found, "by a quote without its other half neither");
    }
    let kind = match (found == peer, is_trusted(found), found.is_ipv6()) {
        (true, ..) => "peer",
        (_, true, _) => "proxy",
        (_, _, true) => "v6",
        _ => "v4",
    };
    format!("{kind}{}", steps.min(3))
}

/// Every member in one list, from the end; and how many were believed.
fn naive(peer: IpAddr, lines: &[&[u8]], node: impl Fn(&[u8]) -> Option<IpAddr>) -> (IpAddr, usize) {
    let joined = lines.join(b",".as_slice());
    let members: Vec<&[u8]> =
        joined.split(|byte| *byte == b',').filter(|member| !member.trim_ascii().is_empty()).collect();
    let (mut client, mut steps) = (peer, 0);
    for member in members.iter().rev() {
        let (true, Some(next)) = (is_trusted(client), node(member)) else { break };
        client = next.to_canonical();
        steps += 1;
    }
    (client, steps)
}

/// The first pair of that name, split at semicolons and the first equals sign.
fn naive_parameter<'a>(element: &'a [u8], name: &str) -> Option<&'a [u8]> {
    for pair in element.split(|byte| *byte == b';') {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        if let (Some(key), Some(value)) = (halves.next(), halves.next())
            && key.trim_ascii().to_ascii_lowercase() == name.as_bytes()
        {
            return Some(value.trim_ascii());
        }
    }
    None
}
