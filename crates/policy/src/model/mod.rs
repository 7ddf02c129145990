//! What a configuration means: resolved, checked across objects, unable to hold a wrong state.
//!
//! Identifiers are indices into the vectors of [`Policy`]. Names and inheritance are gone: time-outs and
//! bounds are whole at every level, pools are found, short forms are long.

mod pool;
mod route;
mod test;

pub use pool::*;
pub use route::*;
pub use test::*;

use crate::source::Span;
use ipnet::IpNet;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A whole configuration, ready to be decided upon.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Where connections are accepted; never empty.
    pub listeners: Vec<Listener>,
    /// Number of workers; `None` means one per core.
    pub workers: Option<usize>,
    /// Peers that are believed about the client, in the fields of [`Forwarding::style`], and about the request's id.
    pub trusted_proxies: Networks,
    /// What servers are told of the client.
    pub forwarding: Forwarding,
    /// How a drain goes.
    pub drain: Drain,
    /// Where keys, the internal CA and the like are kept.
    pub state_dir: PathBuf,
    /// Where that is written; empty where it is not.
    pub state_dir_at: Span,
    /// Certificates that serve any site without its own.
    pub tls: Tls,
    /// The access log; `None` when it is off.
    pub access_log: Option<AccessLog>,
    /// All pools, in the order of the file.
    pub pools: Vec<Pool>,
    /// All sites, in the order of the file.
    pub sites: Vec<Site>,
    /// Error pages where no site is known or the site has none for the status; the narrowest range first.
    pub errors: Vec<ErrorPage>,
    /// The file's `tests:`.
    pub tests: Vec<Test>,
}

/// Index into [`Policy::listeners`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenerId(pub usize);
/// Index into [`Policy::pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(pub usize);
/// Index into [`Policy::sites`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SiteId(pub usize);
/// Index into [`Site::routes`] of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub usize);

/// One address that accepts connections.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name, if it was given one; else its address as written.
    pub name: String,
    /// The address to bind. `:443` is `[::]:443` and takes IPv4 too.
    pub address: SocketAddr,
    /// Written without a host (`:443`): where there is no IPv6, `0.0.0.0` is meant.
    pub any_address: bool,
    /// Whether it ends TLS.
    pub tls: bool,
    /// What may be spoken on it. With TLS it is agreed on by ALPN; without, HTTP/2 is recognised by its preface.
    pub protocols: Protocols,
    /// Sizes on this listener; of a body, before a site is known.
    pub bounds: Bounds,
    /// Times on this listener, where route and site do not say otherwise.
    pub timeouts: Timeouts,
    /// Where it is written; the whole file's span for a default listener.
    pub at: Span,
}

/// Protocols that clients may speak on a listener; never none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Protocols {
    /// HTTP/1.1 and 1.0.
    pub h1: bool,
    /// HTTP/2.
    pub h2: bool,
}

/// Sizes and counts that a request may have. Bytes unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of a message head, and of a trailer section.
    pub head_bytes: u32,
    /// Number of fields in a head.
    pub fields: u16,
    /// Bytes of a request's body.
    pub body_bytes: u64,
    /// Requests that one HTTP/2 connection of a client may have at a time.
    pub streams: u32,
}

impl Bounds {
    /// The largest `head_bytes` that may be asked for.
    pub const HEAD_BYTES_MAX: u32 = 48 << 10;
    /// The largest `streams` that may be asked for.
    pub const STREAMS_MAX: u32 = 1000;
}

/// Times. All are idle times (no byte moved) except `head`, `handshake`, `connect`, `first_byte` and `total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From accept to the end of the TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its head.
    pub head: Duration,
    /// Between two reads of a body, or two writes that make progress.
    pub body: Duration,
    /// Between two requests on one connection, and on a tunnel without traffic.
    pub idle: Duration,
    /// To open a connection to a server.
    pub connect: Duration,
    /// From the end of a request sent to a server to the head of its answer.
    pub first_byte: Duration,
    /// From the head of a request to the end of its answer; `None` is unbounded.
    pub total: Option<Duration>,
}

/// What happens to running connections when the process is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    /// How long new connections are still accepted, so that a balancer in front can take us out.
    pub grace: Duration,
    /// How long running requests may go on after that.
    pub limit: Duration,
}

/// A set of networks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(pub Vec<IpNet>);

impl Networks {
    /// Whether `address` is in one of them. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// What servers are told of the client (keys `forwarded: { style, mode }`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarding {
    /// Which fields; of trusted peers, too, only these are read.
    pub style: ForwardingStyle,
    /// What becomes of fields that came in from a trusted peer. From others they are always replaced.
    pub mode: ForwardingMode,
}

/// Which fields say who the client is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardingStyle {
    /// `X-Forwarded-For`, `X-Forwarded-Proto` and `X-Forwarded-Host` (`style: x-forwarded`).
    #[default]
    XForwarded,
    /// `Forwarded` of RFC 7239 (`style: forwarded`).
    Forwarded,
    /// Neither (`style: none`); those of untrusted peers are still removed.
    None,
}

/// What becomes of a trusted peer's forwarding fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardingMode {
    /// Our knowledge is added at the end.
    #[default]
    Append,
    /// Ours takes their place.
    Replace,
}

/// Where certificates come from (top level or site).
#[derive(Clone, Debug, Default)]
pub struct Tls {
    /// From files.
    pub certificates: Vec<CertificateFiles>,
    /// Whether names without a certificate get one from the internal CA.
    pub internal: bool,
    /// Whether something that belongs here could not be read. Only in a configuration with errors, so that nobody
    /// complains of what is missing for that reason.
    pub in_doubt: bool,
}

/// A certificate chain and its key, as paths (relative ones already joined to the folder of the file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, leaf first.
    pub cert: PathBuf,
    /// Where the path of the chain is written.
    pub cert_at: Span,
    /// PEM; PKCS#8, PKCS#1 or SEC1.
    pub key: PathBuf,
    /// Where the path of the key is written.
    pub key_at: Span,
}

/// Where and how requests are logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessLog {
    /// Where to.
    pub to: LogTarget,
    /// Where that is written; empty where it is not.
    pub at: Span,
}

/// Where a log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard output.
    Stdout,
    /// A file that lines are appended to.
    File(PathBuf),
}
