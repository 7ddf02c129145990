//! Pools of servers.

use super::{CertificateFiles, Timeouts};
use crate::source::Span;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A set of servers that answer alike.
#[derive(Clone, Debug)]
pub struct Pool {
    /// Its name in the file.
    pub name: String,
    /// Its servers; never empty.
    pub servers: Vec<Server>,
    /// How a server is chosen.
    pub balance: Balance,
    /// Whether and how a session stays on its server.
    pub sticky: Option<Sticky>,
    /// Active health checks; `None` means that servers count as up.
    pub health: Option<Health>,
    /// What `Host` servers see; `None` means the client's.
    pub host: Option<String>,
    /// What is spoken with the servers.
    pub protocol: Protocol,
    /// TLS to the servers; `None` means without.
    pub tls: Option<ServerTls>,
    /// Times towards its servers, where the route does not say otherwise.
    pub timeouts: Timeouts,
    /// Answers after which another server is tried; `None` means that whatever comes is passed on.
    pub retries: Option<Retries>,
    /// The name's place.
    pub at: Span,
}

/// One server of a pool. Its identity is (pool name, address).
#[derive(Clone, Debug)]
pub struct Server {
    /// The address as written; shown in logs.
    pub name: String,
    /// Where to connect.
    pub address: SocketAddr,
    /// Share relative to the others, 1 to 1000; 0 takes no new work.
    pub weight: u32,
    /// Where it is written.
    pub at: Span,
}

impl Server {
    /// The name or address as written, without the port and the brackets of IPv6.
    pub fn host(&self) -> &str {
        let host = self.name.rsplit_once(':').map_or(self.name.as_str(), |(host, _)| host);
        host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
    }
}

/// What is spoken with the servers of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2: agreed on by ALPN over TLS (`h2`), known beforehand without (`h2c`).
    H2,
}

/// TLS to the servers of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Whom to trust; `None` means the authorities that the system trusts.
    pub ca: Option<AuthorityFile>,
    /// The name that every server is asked for and must be certified for; `None` means [`Server::host`] of each.
    pub sni: Option<String>,
    /// What we show when a server asks who we are.
    pub certificate: Option<CertificateFiles>,
    /// Whether certificates of servers are looked at at all.
    pub verify: bool,
    /// What turned it on.
    pub at: Span,
}

impl ServerTls {
    /// The name that a server is asked for and must be certified for.
    pub fn name<'n>(&'n self, server: &'n Server) -> &'n str {
        self.sni.as_deref().unwrap_or_else(|| server.host())
    }
}

/// A file of certificates that are trusted, as a path (a relative one already joined to the folder of the file).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorityFile {
    /// PEM, any number of them.
    pub path: PathBuf,
    /// Where the path is written.
    pub at: Span,
}

/// How a server is chosen from a pool.
#[derive(Clone, Debug, Default)]
pub enum Balance {
    /// Smooth weighted round robin.
    #[default]
    RoundRobin,
    /// The fewest requests in flight relative to weight.
    LeastRequests,
    /// The better of two drawn at random ("power of two choices").
    P2c,
    /// Consistent hashing of a value.
    RingHash(Expression),
}

/// A value taken from a request: for now one fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expression {
    /// The fact.
    pub fact: Fact,
    /// As written.
    pub text: String,
}

/// Something that is known of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// `method`.
    Method,
    /// `scheme`: `http` or `https`, as the client used it.
    Scheme,
    /// `host`, in lower case, without the port.
    Host,
    /// `path`, normalised.
    Path,
    /// `query.NAME`: the first parameter of that name, decoded.
    Query(String),
    /// `header.NAME`: the first field of that name (kept in lower case).
    Header(String),
    /// `cookie.NAME`: the first cookie of that name.
    Cookie(String),
    /// `capture.NAME`, and in texts also `NAME`: a segment or remainder that the route's path captured.
    Capture(String),
    /// `client.ip`.
    ClientIp,
}

/// How a session is recognised and kept on its server.
#[derive(Clone, Debug)]
pub enum Sticky {
    /// By a cookie that we insert and sign.
    Cookie(StickyCookie),
    /// By a value that the application has anyway.
    By(StickyBy),
}

/// A cookie of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickyCookie {
    /// Its name (`tidegate` unless said otherwise).
    pub name: String,
    /// `Path`.
    pub path: String,
    /// `Domain`; `None` makes it a host-only cookie.
    pub domain: Option<String>,
    /// `Max-Age`; `None` makes it a session cookie.
    pub expire: Option<Duration>,
    /// `Secure`; `None` means: when the client came over TLS.
    pub secure: Option<bool>,
    /// `HttpOnly` (default true).
    pub http_only: bool,
    /// `SameSite` (default `Lax`).
    pub same_site: SameSite,
}

/// The attribute `SameSite`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SameSite {
    /// `Lax`.
    #[default]
    Lax,
    /// `Strict`.
    Strict,
    /// `None`; needs `Secure`.
    None,
}

/// A value of the application's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StickyBy {
    /// What identifies the session.
    pub expression: Expression,
    /// How long a record lives after its last use (default 1h).
    pub expire: Duration,
    /// How many records are kept (default 1,000,000); the least recently used goes first.
    pub max: usize,
}

/// Answers that are not passed on as long as another server can be tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retries {
    /// Statuses of HTTP, sorted, each once.
    pub statuses: Vec<u16>,
    /// Statuses of gRPC: bit N stands for the status N.
    pub grpc: u32,
    /// How many more attempts a request gets because of such answers, 1 to [`Retries::MAX`].
    pub max: u32,
}

impl Retries {
    /// The most that one request may cost beyond its first attempt: when all servers are overloaded, each retry makes it
    /// worse.
    pub const MAX: u32 = 5;

    /// Whether answers with this status of HTTP are among them.
    pub fn has_status(&self, status: u16) -> bool {
        self.statuses.contains(&status)
    }

    /// Whether answers with this status of gRPC are, as it stands in `grpc-status`.
    pub fn has_grpc_status(&self, value: &[u8]) -> bool {
        let text = std::str::from_utf8(value).ok();
        let bit = text.and_then(|text| text.parse().ok()).and_then(|status| 1_u32.checked_shl(status));
        bit.is_some_and(|bit| self.grpc & bit != 0)
    }
}

/// Active health checks.
#[derive(Clone, Debug)]
pub struct Health {
    /// What is asked.
    pub probe: Probe,
    /// Time between two checks of one server (jittered by a tenth).
    pub every: Duration,
    /// Time for one check.
    pub timeout: Duration,
    /// Successes in a row that bring a server up.
    pub rise: u32,
    /// Failures in a row that take it down.
    pub fall: u32,
    /// Another port to ask than the one that serves.
    pub port: Option<u16>,
}

/// What a health check asks.
#[derive(Clone, Debug)]
pub enum Probe {
    /// An HTTP GET.
    Http {
        /// The path (and query).
        path: String,
        /// The `Host` field; `None` means the server's address.
        host: Option<String>,
        /// Statuses that are a success (default 200 to 399), inclusive ranges.
        expect: Vec<(u16, u16)>,
    },
    /// That a connection opens.
    Tcp,
    /// `Check` of `grpc.health.v1.Health`; only where the pool speaks HTTP/2.
    Grpc {
        /// The service that is asked about; empty for the server as a whole.
        service: String,
        /// The authority; `None` means the server's address.
        host: Option<String>,
    },
}
