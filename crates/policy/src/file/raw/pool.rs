//! Pools, servers, health checks, persistence.

use super::{PoolProtocol, PoolTimeouts, Retries, ServerTls, is_name, read_as_map, record, shape_of};
use crate::expression;
use crate::file::decode::{Decode, Field, Names, OneOrMore, Problems, broken_record, record as read_record};
use crate::file::scalar::{Count, Port, Scalar, StatusRange, Time, Weight, Wrong};
use crate::file::shape::Shape;
use crate::file::tree::{At, Kind, Node};
use crate::model;
use serde_json::{Value, json};
use std::net::SocketAddr;

record! {
    /// A set of servers that answer alike.
    Pool("a pool") {
        /// The servers.
        servers: Vec<At<Server>>,
        /// Another pool whose keys this one takes over: maps merge, lists and texts replace, `null` clears.
        like: String,
        /// How a server is chosen. Default: `round_robin`.
        balance: Balance,
        /// Whether and how a session stays on its server.
        sticky: Sticky,
        /// Health checks. Without them every server counts as up.
        health: Health,
        /// What `Host` the servers see. Default: the client's.
        host: String,
        /// What is spoken with the servers: `h1` (HTTP/1.1), `h2` (HTTP/2 over TLS) or `h2c` (HTTP/2 without TLS).
        /// Default: `h1`.
        protocol: PoolProtocol,
        /// TLS to the servers. Default: with `h2` all at its default, else none.
        tls: ServerTls,
        /// Times towards the servers.
        timeouts: PoolTimeouts,
        /// Answers after which another server is tried. Default: none.
        retries: Retries,
    }
}
read_as_map!(Pool);

impl Names for Pool {
    const NAMES: &'static str = "a pool's name";

    fn rules() -> Value {
        json!({ "propertyNames": { "not": { "enum": super::RESERVED } } })
    }
}

record! {
    /// A server of a pool.
    Server("a server") {
        /// Where it listens: `10.0.0.1:8080`, `"[::1]:8080"` or `localhost:8080`.
        address: ServerAddress,
        /// Its share relative to the others, 0 to 1000; with 0 it takes no new sessions. Default: 1.
        weight: Weight,
    }
}

impl Decode for Server {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Map { .. } => read_record(node, "an address or a map", problems),
            _ => ServerAddress::decode(node, problems)
                .map(|address| Server { address: Field::new(address, node.at), weight: Field::Absent }),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![ServerAddress::shape(), shape_of::<Server>("Server")])
    }

    fn broken() -> Option<Self> {
        Some(broken_record())
    }
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// As written.
    pub text: String,
    /// Where to connect.
    pub address: SocketAddr,
}

impl Scalar for ServerAddress {
    const EXPECTED: &'static str = "an address such as 10.0.0.1:8080, \"[::1]:8080\" or localhost:8080";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let local = text.strip_prefix("localhost:").and_then(|port| port.parse().ok());
        let address = match local {
            Some(port) => SocketAddr::from(([127, 0, 0, 1], port)),
            None => text.parse().map_err(|_| server_address_help(text))?,
        };
        if address.port() == 0 || address.ip().is_unspecified() {
            return Err(Wrong::because(format!("nobody can connect to `{text}`")));
        }
        Ok(ServerAddress { text: text.to_owned(), address })
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(localhost|[0-9.]+|\\[[0-9a-fA-F:.]+\\]):[0-9]{1,5}$" })
    }
}

fn server_address_help(text: &str) -> Wrong {
    if text.contains("://") {
        return Wrong::help("an address has no scheme");
    }
    if text.starts_with("unix:") {
        return Wrong::help("Unix sockets are not supported yet");
    }
    let name =
        text.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(text, |(name, _)| name);
    if is_name(name) {
        return Wrong::help("names are not supported yet, but for localhost: write the address that it has");
    }
    match text.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => Wrong::help(format!("write the port: {text}:80")),
        Ok(std::net::IpAddr::V6(_)) => Wrong::help(format!("write the port: \"[{text}]:80\"")),
        Err(_) => Wrong::default(),
    }
}

/// How a server is chosen.
#[derive(Clone, Debug)]
pub struct Balance(pub model::Balance);

impl Scalar for Balance {
    const EXPECTED: &'static str = "round_robin, least_requests, p2c or ring_hash(EXPRESSION)";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        const RING: &str = "ring_hash(";
        let balance = match text {
            "round_robin" => model::Balance::RoundRobin,
            "least_requests" => model::Balance::LeastRequests,
            "p2c" => model::Balance::P2c,
            _ => match text.strip_prefix(RING).and_then(|rest| rest.strip_suffix(')')) {
                Some(inner) => model::Balance::RingHash(expression(inner, RING.len())?),
                None => return Err(balance_help(text)),
            },
        };
        Ok(Balance(balance))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(round_robin|least_requests|p2c|ring_hash\\(.+\\))$" })
    }
}

fn balance_help(text: &str) -> Wrong {
    let word = text.split('(').next().unwrap_or(text);
    match crate::file::decode::nearest(word, ["round_robin", "least_requests", "p2c", "ring_hash"]) {
        Some("ring_hash") => Wrong::help("write what is hashed: ring_hash(client.ip)"),
        Some(name) => Wrong::help(format!("did you mean `{name}`?")),
        None => Wrong::default(),
    }
}

/// An expression that begins `shift` bytes into the scalar.
fn expression(text: &str, shift: usize) -> Result<model::Expression, Wrong> {
    expression::parse(text).map_err(|error| Wrong {
        message: Some(error.message),
        help: None,
        offset: Some(shift + error.offset),
    })
}

/// A value taken from a request.
#[derive(Clone, Debug)]
pub struct Expression(pub model::Expression);

impl Scalar for Expression {
    const EXPECTED: &'static str = "a fact such as client.ip, cookie.ID or header.x-session";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        expression(text, 0).map(Expression)
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

record! {
    /// How a session is recognised: by a cookie of ours (`cookie`), or by a value of the application's own (`by`).
    Sticky("`sticky`") {
        /// The name of a cookie that we insert and sign. The short form `sticky: cookie` names it `tidegate`.
        cookie: String,
        /// The attribute `Path`. Default: `/`.
        path: String,
        /// The attribute `Domain`. Default: none, the cookie belongs to its host alone.
        domain: String,
        /// With `cookie` the attribute `Max-Age`, beyond which the cookie is refused too; it is set anew past half
        /// that time (default: until the browser closes). With `by` how long a session is remembered after its last
        /// request (default: `1h`).
        expire: Time,
        /// The attribute `Secure`. Default: where the client came over TLS.
        secure: bool,
        /// The attribute `HttpOnly`. Default: true.
        http_only: bool,
        /// The attribute `SameSite`: `lax`, `strict` or `none`. Default: `lax`.
        same_site: SameSite,
        /// The application's own value: `cookie.ID`, `header.x-session`, `query.session`, `client.ip`.
        by: Expression,
        /// With `by`: how many sessions are remembered; the least recently used go first. Default: 1000000.
        max: Count,
    }
}

impl Decode for Sticky {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { text, .. } if text == "cookie" => {
                let cookie = Field::new("tidegate".to_owned(), node.at);
                Some(Sticky { cookie, ..Sticky::default() })
            }
            _ => read_record(node, "cookie, or a map such as { by: cookie.ID }", problems),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![
            Shape::Scalar { words: "cookie", schema: json!({ "const": "cookie" }) },
            shape_of::<Sticky>("Sticky"),
        ])
    }
}

/// The attribute `SameSite`.
pub type SameSite = model::SameSite;

impl Scalar for model::SameSite {
    const EXPECTED: &'static str = "lax, strict or none";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        match text.to_ascii_lowercase().as_str() {
            "lax" => Ok(SameSite::Lax),
            "strict" => Ok(SameSite::Strict),
            "none" => Ok(SameSite::None),
            _ => Err(Wrong::default()),
        }
    }

    fn schema() -> Value {
        let any_case = "^([Ll][Aa][Xx]|[Ss][Tt][Rr][Ii][Cc][Tt]|[Nn][Oo][Nn][Ee])$";
        json!({ "type": "string", "pattern": any_case })
    }
}

record! {
    /// Health checks of a pool's servers.
    Health("`health`") {
        /// The path that is asked with GET. The short form is the path alone: `health: /healthz`.
        path: String,
        /// Instead of `path`: whether a connection that opens is enough. Short form: `health: tcp`.
        tcp: bool,
        /// Instead of `path`: ask by gRPC's health checking protocol, for a service by its full name, or with `true` for
        /// the server as a whole. Needs `protocol: h2` or `h2c`. Short form: `health: grpc`.
        grpc: GrpcService,
        /// Time between two checks of one server. Default: `2s`.
        every: Time,
        /// Time for one check. Default: `1s`.
        timeout: Time,
        /// Successes in a row that bring a server up. Default: 2.
        rise: Count,
        /// Failures in a row that take it down. Default: 3.
        fall: Count,
        /// Statuses that are a success. Default: `200-399`.
        expect: OneOrMore<StatusRange>,
        /// The field `Host`, in HTTP/2 `:authority`. Default: the server's address.
        host: String,
        /// Another port to ask than the one that serves.
        port: Port,
    }
}

impl Decode for Health {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { text, .. } if text == "tcp" => {
                Some(Health { tcp: Field::new(true, node.at), ..Health::default() })
            }
            Kind::Scalar { text, .. } if text == "grpc" => {
                let grpc = Field::new(GrpcService(Some(String::new())), node.at);
                Some(Health { grpc, ..Health::default() })
            }
            Kind::Scalar { text, .. } if text.starts_with('/') => {
                Some(Health { path: Field::new(text.clone(), node.at), ..Health::default() })
            }
            _ => read_record(node, "a path such as /healthz, tcp, grpc, or a map", problems),
        }
    }

    fn shape() -> Shape {
        let schema = json!({ "type": "string", "pattern": "^(/.*|tcp|grpc)$" });
        Shape::Either(vec![
            Shape::Scalar { words: "a path such as /healthz, tcp or grpc", schema },
            shape_of::<Health>("Health"),
        ])
    }
}

/// The service that a health check by gRPC asks about: none is asked with `false`, and the empty name, which is the server
/// as a whole, with `true`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrpcService(pub Option<String>);

impl Scalar for GrpcService {
    const EXPECTED: &'static str = "true or the full name of a service such as shop.v1.Cart";

    fn parse(text: &str, plain: bool) -> Result<Self, Wrong> {
        if let Ok(whole) = bool::parse(text, plain) {
            return Ok(GrpcService(whole.then(String::new)));
        }
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        if text.is_empty() || !text.bytes().all(allowed) {
            return Err(Wrong::default());
        }
        Ok(GrpcService(Some(text.to_owned())))
    }

    fn schema() -> Value {
        json!({ "anyOf": [{ "type": "boolean" }, { "type": "string", "pattern": "^[A-Za-z0-9._/-]+$" }] })
    }
}
