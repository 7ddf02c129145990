//! Addresses and networks.

use crate::file::scalar::{Scalar, Wrong};
use ipnet::IpNet;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A network; an address alone is the network of that one address.
#[derive(Clone, Copy, Debug)]
pub struct Network(pub IpNet);

impl Scalar for Network {
    const EXPECTED: &'static str = "a network such as 10.0.0.0/8, 2001:db8::/32 or an address";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Network(address.to_canonical().into()));
        }
        let network: IpNet = text.parse().map_err(|_| Wrong::default())?;
        if network.trunc() != network {
            return Err(Wrong {
                help: Some(format!("write `{}`", network.trunc())),
                ..Wrong::because(format!("`{text}` has bits set beyond its prefix"))
            });
        }
        Ok(Network(canonical(network)))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]{1,3})?$" })
    }
}

/// The IPv4 network that a network within `::ffff:0:0/96` stands for, since clients are compared so too; any other
/// as it is.
fn canonical(network: IpNet) -> IpNet {
    let (IpAddr::V4(address), Some(length)) =
        (network.addr().to_canonical(), network.prefix_len().checked_sub(96))
    else {
        return network;
    };
    IpNet::new(address.into(), length).unwrap_or(network)
}

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress {
    /// As written.
    pub text: String,
    /// The address to bind.
    pub address: SocketAddr,
    /// Written without a host.
    pub any: bool,
}

impl Scalar for ListenAddress {
    const EXPECTED: &'static str = "an address such as :443, 127.0.0.1:8080 or \"[::]:80\"";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let port = text.strip_prefix(':').filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(port) = port.and_then(|port| port.parse().ok()) {
            let address = (Ipv6Addr::UNSPECIFIED, port).into();
            return Ok(ListenAddress { text: text.to_owned(), address, any: true });
        }
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let address =
            local.map_or_else(|| text.parse::<SocketAddr>(), |port: u16| Ok(([127, 0, 0, 1], port).into()));
        match address {
            Ok(address) => {
                // A socket for IPv6 alone cannot be bound to an IPv4 address that is mapped into it.
                let address = SocketAddr::new(address.ip().to_canonical(), address.port());
                Ok(ListenAddress { text: text.to_owned(), address, any: false })
            }
            Err(_) => Err(listen_address_help(text)),
        }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(localhost|[0-9.]+|\\[[0-9a-zA-Z:.%]+\\])?:[0-9]{1,5}$" })
    }
}

fn listen_address_help(text: &str) -> Wrong {
    if text.parse::<u16>().is_ok() {
        return Wrong::help(format!("write `:{text}`"));
    }
    if let Some(port) = text.strip_prefix("*:") {
        return Wrong::help(format!("write `:{port}` for every address of this machine"));
    }
    if text.starts_with("unix:") {
        return Wrong::help("Unix sockets are not supported yet");
    }
    if text.contains("://") {
        return Wrong::help("an address has no scheme");
    }
    match text.rsplit_once(':') {
        Some((host, port)) if is_name(host) && port.parse::<u16>().is_ok() => Wrong::help(format!(
            "names are not supported yet: write an address of this machine, or `:{port}`"
        )),
        _ => Wrong::default(),
    }
}

/// Whether this looks like the name of a machine.
pub fn is_name(host: &str) -> bool {
    host.starts_with(|first: char| first.is_ascii_alphabetic())
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_networks_are_those_of_ipv4() {
        for (text, expected) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.0.0.1", "10.0.0.1/32"),
            ("::ffff:0:0/96", "0.0.0.0/0"),
            ("::/0", "::/0"),
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1/32"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            let read = Network::parse(text, true).map(|network| network.0.to_string());
            assert_eq!(read.ok().as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn mapped_addresses_are_bound_as_ipv4() {
        let read = ListenAddress::parse("[::ffff:127.0.0.1]:80", true).map(|read| read.address);
        assert_eq!(read.ok(), "127.0.0.1:80".parse().ok());
    }
}
