//! Listening sockets: a fixed set per address, bound once and never closed while the process lives.
//!
//! Each worker gets a socket of its own (`SO_REUSEPORT`), so that accepting needs no lock and no wake-up of
//! a worker in vain. Options that accepted connections inherit are set here, where they cost nothing a
//! connection.

use policy::model::Listener;
use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;

/// Connections that the kernel may complete before a worker takes them; the kernel caps it at
/// `net.core.somaxconn` (4096 on current kernels).
const BACKLOG: i32 = 4096;

/// The sockets of one listener.
#[derive(Debug)]
pub struct Bound {
    /// The listener's name.
    pub name: String,
    /// The address that was bound, with the real port where 0 was asked for.
    pub address: SocketAddr,
    /// One per worker, listening, not blocking.
    pub sockets: Vec<OwnedFd>,
}

/// An address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} (listener {name}): {}", advice(source, *address))]
pub struct BindError {
    /// The listener's name.
    pub name: String,
    /// The address.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

/// Binds the sockets of all `listeners`, `workers` of them each.
///
/// # Errors
/// The first address that cannot be had; what was bound before is closed again.
pub fn bind_all(listeners: &[Listener], workers: usize) -> Result<Vec<Bound>, BindError> {
    listeners
        .iter()
        .map(|listener| {
            bind(listener, workers).map_err(|(address, source)| BindError {
                name: listener.name.clone(),
                address,
                source,
            })
        })
        .collect()
}

/// Binds the sockets of one listener; an error comes with the address that was tried.
fn bind(listener: &Listener, workers: usize) -> Result<Bound, (SocketAddr, io::Error)> {
    let wanted = listener.address;
    let (first, wanted) = match open(wanted, listener.any_address) {
        // `:443` means every address that this machine has, and some machines have no IPv6.
        Err(error) if listener.any_address && lacks_ipv6(&error) => {
            let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, wanted.port()));
            (open(fallback, false).map_err(|error| (fallback, error))?, fallback)
        }
        opened => (opened.map_err(|error| (wanted, error))?, wanted),
    };
    let address = local_address(&first).map_err(|error| (wanted, error))?;
    let mut sockets = vec![OwnedFd::from(first)];
    for _ in 1..workers {
        let next = open_shared(address, listener.any_address).map_err(|error| (address, error))?;
        sockets.push(next.into());
    }
    Ok(Bound { name: listener.name.clone(), address, sockets })
}

/// The first socket of an address: also makes sure that no other program listens there.
///
/// `SO_REUSEPORT` alone would let two programs of one user share the port in silence, each taking half of
/// the connections; so the address is bound once without it, and released. Another program that takes the
/// port in the instant between is not noticed.
fn open(address: SocketAddr, dual_stack: bool) -> io::Result<Socket> {
    if address.port() != 0 {
        let probe = new_socket(address, dual_stack)?;
        probe.bind(&address.into())?;
    }
    open_shared(address, dual_stack)
}

/// One listening socket of the set.
fn open_shared(address: SocketAddr, dual_stack: bool) -> io::Result<Socket> {
    let socket = new_socket(address, dual_stack)?;
    socket.set_reuse_port(true)?;
    // Accepted connections inherit it: small answers must not wait for the client's acknowledgement.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn new_socket(address: SocketAddr, dual_stack: bool) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // The system's default differs between machines; an address that is written out means itself only.
        socket.set_only_v6(!dual_stack)?;
    }
    Ok(socket)
}

fn local_address(socket: &Socket) -> io::Result<SocketAddr> {
    socket.local_addr()?.as_socket().ok_or_else(|| io::Error::other("the socket has no internet address"))
}

fn lacks_ipv6(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// What went wrong, and what to do about it.
fn advice(error: &io::Error, address: SocketAddr) -> String {
    let port = address.port();
    match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another program listens there; `ss -ltnp 'sport = :{port}'` shows which. Stop it, or give the \
             listener another port"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "ports below 1024 need a right: start as root, or `setcap cap_net_bind_service=+ep` the program, \
             or `sysctl net.ipv4.ip_unprivileged_port_start={port}`, or give the listener a port above 1023"
        ),
        io::ErrorKind::AddrNotAvailable => {
            "this machine has no such address; `ip address` lists those that it has".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use policy::model::{Bounds, Protocols, Timeouts};
    use policy::source::Span;
    use std::net::TcpStream;
    use std::time::Duration;

    fn listener(address: &str, any_address: bool) -> Listener {
        let time = Duration::from_secs(1);
        Listener {
            name: "web".to_owned(),
            address: address.parse().unwrap(),
            any_address,
            tls: false,
            protocols: Protocols { h1: true, h2: false },
            bounds: Bounds { head_bytes: 1, fields: 1, body_bytes: 1, streams: 1 },
            timeouts: Timeouts {
                handshake: time,
                head: time,
                body: time,
                idle: time,
                connect: time,
                first_byte: time,
                total: None,
            },
            at: Span::default(),
        }
    }

    #[test]
    fn workers_share_one_port() {
        let bound = bind_all(&[listener("127.0.0.1:0", false)], 3).unwrap().remove(0);
        assert_eq!(bound.sockets.len(), 3);
        assert_ne!(bound.address.port(), 0);
        for socket in bound.sockets {
            assert_eq!(std::net::TcpListener::from(socket).local_addr().unwrap(), bound.address);
        }
    }

    #[test]
    fn a_port_in_use_is_refused_even_to_the_same_user() {
        let first = bind_all(&[listener("127.0.0.1:0", false)], 2).unwrap().remove(0);
        let error = bind_all(&[listener(&first.address.to_string(), false)], 2).unwrap_err();
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains("ss -ltnp"), "{error}");
    }

    #[test]
    fn no_host_takes_ipv4_too() {
        let bound = bind_all(&[listener("[::]:0", true)], 1).unwrap().remove(0);
        TcpStream::connect(("127.0.0.1", bound.address.port())).unwrap();
    }

    #[test]
    fn advice_says_what_to_do() {
        let address = "192.0.2.1:80".parse().unwrap();
        assert!(advice(&io::ErrorKind::PermissionDenied.into(), address).contains("setcap"));
        assert!(advice(&io::ErrorKind::AddrNotAvailable.into(), address).contains("ip address"));
    }
}
