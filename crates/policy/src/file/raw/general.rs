//! The top level, listeners, time-outs, bounds, certificates, logs.

use super::{
    Errors, ListenAddress, ListenerProtocol, Network, Pool, Site, Test, read_as_map, record, shape_of,
};
use crate::file::decode::{Decode, Field, Named, OneOrMore, Problems, broken_record, record as read_record};
use crate::file::scalar::{
    Bytes, Count, FieldCount, HeadBytes, Pause, Scalar, StreamCount, Time, TimeOrNone, Wrong,
};
use crate::file::shape::Shape;
use crate::file::tree::{At, Kind, Node};
use serde_json::{Value, json};

record! {
    /// The whole file.
    File("the file") {
        /// Addresses that accept connections. Default: `:80` without and `:443` with TLS.
        listeners: Vec<At<Listener>>,
        /// Number of worker threads. Default: one per core.
        workers: Count,
        /// Networks of proxies in front of us. They are believed about the client's address and scheme, in the fields
        /// of `forwarded.style` only, and about the request's id.
        trusted_proxies: OneOrMore<Network>,
        /// What servers are told of the client, and what trusted proxies are asked.
        forwarded: Forwarded,
        /// Sizes and counts that a request may have.
        bounds: Bounds,
        /// Times. Listeners, pools, sites and routes inherit them.
        timeouts: Timeouts,
        /// How a drain goes.
        drain: Drain,
        /// Where keys and the internal certificate authority are kept. Default: `/var/lib/tidegate` for root,
        /// else `~/.local/state/tidegate`.
        state_dir: String,
        /// Certificates for every site without its own.
        tls: Tls,
        /// Logs.
        observe: Observe,
        /// Sets of servers that answer alike, by name.
        pools: Named<Pool>,
        /// What is served under which host. A host is a name, `*.name` (any name below it) or `'*'` (the rest).
        sites: Named<Site>,
        /// Expectations that must hold before this configuration is used.
        tests: Vec<At<Test>>,
        /// Pages for statuses that Tidegate itself answers, by status: `404`, `5xx`, `500-599` or `all`.
        errors: Errors,
        /// More files, whose listeners, pools, sites and tests join these. Patterns with `*` and `?`, relative to
        /// this file.
        include: OneOrMore<String>,
    }
}

record! {
    /// An address that accepts connections. The short form is the address alone.
    Listener("a listener") {
        /// The address: `:443`, `127.0.0.1:8080` or `"[::]:80"`. Without a host it takes IPv4 and IPv6.
        address: ListenAddress,
        /// The name by which sites choose their listeners. Default: the address as written.
        name: String,
        /// Whether connections are TLS. Default: false.
        tls: bool,
        /// What clients may speak: `h1` (HTTP/1.1) and `h2` (HTTP/2). With TLS clients choose among them (ALPN); without,
        /// clients of HTTP/2 must know beforehand that it is spoken here. Default: `[h1, h2]` with TLS, `[h1]` without.
        protocols: OneOrMore<ListenerProtocol>,
        /// Bounds of heads and connections on this listener.
        bounds: ListenerBounds,
        /// Times of connections on this listener.
        timeouts: ListenerTimeouts,
    }
}

record! {
    /// What servers are told of the client, and what trusted proxies are asked.
    Forwarded("`forwarded`") {
        /// Which fields are written, and which of trusted proxies are read: `x-forwarded` (`X-Forwarded-For`, `-Proto` and
        /// `-Host`), `forwarded` (that of RFC 7239), or `none` (nothing is written; `X-Forwarded-For` and `-Proto` are
        /// read). The proxies must write what is read here, or clients do. Default: `x-forwarded`.
        style: ForwardedStyle,
        /// What becomes of fields that come from trusted proxies. Those of others are always replaced.
        /// Default: `append`.
        mode: ForwardedMode,
    }
}

record! {
    /// Sizes and counts that a request may have.
    Bounds("`bounds`") {
        /// Bytes of a head. Default: `32k`.
        head: HeadBytes,
        /// Number of fields in a head. Default: 100.
        headers: FieldCount,
        /// Bytes of a request's body. Default: `1g`.
        body: Bytes,
        /// Requests that a client may have at a time on one connection of HTTP/2. Default: 100.
        streams: StreamCount,
    }
}

record! {
    /// Bounds of heads and connections on one listener.
    ListenerBounds("a listener's `bounds`") {
        /// Bytes of a head.
        head: HeadBytes,
        /// Number of fields in a head.
        headers: FieldCount,
        /// Requests that a client may have at a time on one connection of HTTP/2.
        streams: StreamCount,
    }
}

record! {
    /// Bounds of the requests of one site.
    SiteBounds("a site's `bounds`") {
        /// Bytes of a request's body.
        body: Bytes,
    }
}

record! {
    /// Times, for everything that does not say otherwise.
    Timeouts("`timeouts`") {
        /// From accept to the end of the TLS handshake. Default: `10s`.
        handshake: Time,
        /// From the first byte of a request to the end of its head. Default: `10s`.
        head: Time,
        /// Without a byte of a body moving. Default: `30s`.
        body: Time,
        /// Between two requests of a connection, and of a tunnel without traffic. Default: `75s`.
        idle: Time,
        /// To open a connection to a server. Default: `2s`.
        connect: Time,
        /// From the end of a request to the head of its answer, however it comes in. Default: `60s`.
        first_byte: Time,
        /// From the head of a request to the end of its answer; `none` is unbounded. Default: `none`.
        total: TimeOrNone,
    }
}

record! {
    /// Times of the connections of one listener.
    ListenerTimeouts("a listener's `timeouts`") {
        /// From accept to the end of the TLS handshake.
        handshake: Time,
        /// From the first byte of a request to the end of its head.
        head: Time,
        /// Without a byte of a body moving, where site and route do not say otherwise.
        body: Time,
        /// Between two requests of a connection, and of a tunnel without traffic where site and route do not say
        /// otherwise.
        idle: Time,
    }
}

record! {
    /// Times of the requests of a site or a route.
    RequestTimeouts("the `timeouts` of a site or a route") {
        /// Without a byte of a body moving.
        body: Time,
        /// Of a tunnel without traffic.
        idle: Time,
        /// To open a connection to a server. Wins over the pool's.
        connect: Time,
        /// From the end of a request to the head of its answer, however it comes in. Wins over the pool's.
        first_byte: Time,
        /// From the head of a request to the end of its answer; `none` is unbounded.
        total: TimeOrNone,
    }
}

record! {
    /// Times towards the servers of a pool.
    PoolTimeouts("a pool's `timeouts`") {
        /// To open a connection.
        connect: Time,
        /// From the end of a request to the head of its answer, however it comes in.
        first_byte: Time,
        /// How long a connection is kept without a request.
        idle: Time,
    }
}

record! {
    /// How running connections end when the process is asked to stop.
    Drain("`drain`") {
        /// How long new connections are still accepted. Default: `0s`.
        grace: Pause,
        /// How long running requests may go on after that. Default: `30s`.
        limit: Pause,
    }
}

record! {
    /// Where certificates come from.
    Tls("`tls`") {
        /// Certificates from files; each is used for the names in it.
        certificates: Vec<At<Certificate>>,
        /// Whether names without a certificate get one from an authority of our own, kept in `state_dir`: for
        /// development. Default: false.
        internal: bool,
    }
}

record! {
    /// A certificate from files.
    Certificate("a certificate") {
        /// PEM file with the chain, the site's own certificate first. Relative to this file.
        cert: String,
        /// PEM file with the private key. Relative to this file.
        key: String,
    }
}

record! {
    /// Logs.
    Observe("`observe`") {
        /// One JSON line for each request. Default: to `stdout`.
        access_log: AccessLog,
    }
}

record! {
    /// Where requests are logged.
    AccessLogKeys("`access_log`") {
        /// `stdout`, or a file that lines are appended to, relative to this file.
        to: String,
    }
}

read_as_map!(
    File,
    Forwarded,
    Bounds,
    ListenerBounds,
    SiteBounds,
    Timeouts,
    ListenerTimeouts,
    RequestTimeouts,
    PoolTimeouts,
    Drain,
    Tls,
    Certificate,
    Observe,
    AccessLogKeys,
);

impl Decode for Listener {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Map { .. } => read_record(node, "an address or a map", problems),
            _ => Some(match ListenAddress::decode(node, problems) {
                Some(address) => Listener { address: Field::new(address, node.at), ..Listener::default() },
                None => unread(node),
            }),
        }
    }

    fn broken() -> Option<Self> {
        Some(broken_record())
    }

    fn shape() -> Shape {
        Shape::Either(vec![ListenAddress::shape(), shape_of::<Listener>("Listener")])
    }
}

/// A listener whose address is broken; sites may name it as it is written.
fn unread(node: &Node) -> Listener {
    let name = match &node.kind {
        Kind::Scalar { text, .. } => Field::new(text.clone(), node.at),
        _ => Field::Broken,
    };
    Listener { name, ..broken_record() }
}

/// The access log: off, or where to.
#[derive(Clone, Debug)]
pub enum AccessLog {
    /// `off` or `false`.
    Off,
    /// Logged.
    On(AccessLogKeys),
}

impl Decode for AccessLog {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        if let Kind::Scalar { text, .. } = &node.kind
            && matches!(text.as_str(), "off" | "false")
        {
            return Some(AccessLog::Off);
        }
        if let Kind::Scalar { text, .. } = &node.kind
            && text == "stdout"
        {
            let to = Field::new(text.clone(), node.at);
            return Some(AccessLog::On(AccessLogKeys { to }));
        }
        read_record(node, "off, stdout, or a map such as { to: access.log }", problems).map(AccessLog::On)
    }

    fn shape() -> Shape {
        let schema = json!({ "enum": ["off", false, "false", "stdout"] });
        Shape::Either(vec![
            Shape::Scalar { words: "off, false or stdout", schema },
            shape_of::<AccessLogKeys>("AccessLog"),
        ])
    }
}

/// Which fields tell servers of the client.
pub type ForwardedStyle = crate::model::ForwardingStyle;

impl Scalar for crate::model::ForwardingStyle {
    const EXPECTED: &'static str = "x-forwarded, forwarded or none";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        match text {
            "x-forwarded" => Ok(ForwardedStyle::XForwarded),
            "forwarded" => Ok(ForwardedStyle::Forwarded),
            "none" => Ok(ForwardedStyle::None),
            _ => Err(Wrong::default()),
        }
    }

    fn schema() -> Value {
        json!({ "enum": ["x-forwarded", "forwarded", "none"] })
    }
}

/// What becomes of a trusted proxy's fields.
pub type ForwardedMode = crate::model::ForwardingMode;

impl Scalar for crate::model::ForwardingMode {
    const EXPECTED: &'static str = "append or replace";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        match text {
            "append" => Ok(ForwardedMode::Append),
            "replace" => Ok(ForwardedMode::Replace),
            _ => Err(Wrong::default()),
        }
    }

    fn schema() -> Value {
        json!({ "enum": ["append", "replace"] })
    }
}
