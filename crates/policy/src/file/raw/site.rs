//! Sites, routes and their matchers.

use super::{
    Errors, FilterKind, Network, RequestTimeouts, SiteBounds, Target, Tls, read_as_map, record, shape_of,
};
use crate::file::decode::{Decode, Named, Names, OneOrMore, Problems, mismatch, record as read_record};
use crate::file::scalar::{Scalar, Wrong};
use crate::file::shape::{KeyShape, RecordShape, Shape};
use crate::file::tree::{At, Kind, Node};
use serde_json::{Value, json};

record! {
    /// What is served under one host.
    Site("a site") {
        /// More hosts that it answers for.
        aliases: OneOrMore<String>,
        /// The names of the listeners that it is reachable through. Default: all.
        listeners: OneOrMore<String>,
        /// Where all its requests go: short for one route.
        to: Target,
        /// Its routes. The first whose conditions all hold is taken.
        routes: Vec<At<Route>>,
        /// Filters that requests and answers of its routes pass through. `grpc_web` translates gRPC-Web to gRPC for
        /// servers.
        filters as "use": OneOrMore<FilterKind>,
        /// Whether plain requests are sent to HTTPS. Default: true where a TLS listener serves the site.
        redirect_to_https: bool,
        /// Its own certificates.
        tls: Tls,
        /// Times of its requests.
        timeouts: RequestTimeouts,
        /// Bounds of its requests.
        bounds: SiteBounds,
        /// Its own pages for statuses that Tidegate itself answers, by status: `404`, `5xx`, `500-599` or `all`.
        errors: Errors,
    }
}
read_as_map!(Site, Route);

impl Names for Site {
    const NAMES: &'static str = "a host";
}

record! {
    /// Conditions on a request, and where it goes when all of them hold.
    Route("a route") {
        /// A condition on the path.
        path: Path,
        /// The method, or one of a list.
        method: OneOrMore<Method>,
        /// Conditions on header fields, by name.
        header: Named<ValueMatch>,
        /// Conditions on parameters of the query, by name.
        query: Named<ValueMatch>,
        /// Conditions on cookies, by name.
        cookie: Named<ValueMatch>,
        /// The networks that the client's address must be in one of.
        client: OneOrMore<Network>,
        /// Where the request goes.
        to: Target,
        /// Filters that its requests and answers pass through, besides those of its site.
        filters as "use": OneOrMore<FilterKind>,
        /// Filters of its site that they do not pass through.
        skip: OneOrMore<FilterKind>,
        /// A name for logs and tests. Default: made of its conditions, such as `GET /api/* header.x-tier=gold`, and
        /// numbered (`#2`) where two would have the same.
        name: String,
        /// Times of its requests.
        timeouts: RequestTimeouts,
    }
}

/// A method, in upper case.
#[derive(Clone, Debug)]
pub struct Method(pub String);

impl Scalar for Method {
    const EXPECTED: &'static str = "a method such as GET";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'-');
        if fits { Ok(Method(text.to_ascii_uppercase())) } else { Err(Wrong::default()) }
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[A-Za-z-]+$" })
    }
}

/// A condition on the path.
#[derive(Clone, Debug)]
pub enum Path {
    /// `/exact`, `/prefix/*`, `/users/{id}`.
    Pattern(String),
    /// `{ regex: ... }`.
    Regex(PathRegex),
}

record! {
    /// A condition on the path as a regular expression.
    PathRegex("`path`") {
        /// A regular expression over the whole path. Named groups are captures.
        regex: String,
    }
}

impl Decode for Path {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { text, .. } => Some(Path::Pattern(text.clone())),
            _ => {
                let expected = "a path such as /exact, /prefix/* or /users/{id}, or a map { regex: … }";
                read_record(node, expected, problems).map(Path::Regex)
            }
        }
    }

    fn shape() -> Shape {
        let schema = json!({ "type": "string", "pattern": "^/" });
        Shape::Either(vec![
            Shape::Scalar { words: "`/exact`, `/prefix/*` or `/users/{id}`", schema },
            shape_of::<PathRegex>("PathRegex"),
        ])
    }
}

/// A condition on a value that may be missing.
#[derive(Clone, Debug)]
pub enum ValueMatch {
    /// Exactly this text.
    Exact(String),
    /// `{ present: true }`.
    Present(bool),
    /// `{ prefix: text }`.
    Prefix(String),
    /// `{ regex: text }`.
    Regex(At<String>),
    /// `{ in: [text, ...] }`.
    In(At<Vec<At<String>>>),
    /// `{ not: ... }`.
    Not(Box<ValueMatch>),
}

impl Names for ValueMatch {
    const NAMES: &'static str = "a name";
}

/// Keys of a value's condition.
const VALUE_KEYS: &[&str] = &["present", "prefix", "regex", "in", "not"];
const VALUE_EXPECTED: &str = "a text, or a map with one of present, prefix, regex, in, not";

impl Decode for ValueMatch {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let entry = match &node.kind {
            Kind::Scalar { text, .. } => return Some(ValueMatch::Exact(text.clone())),
            Kind::Map { entries, .. } if entries.len() == 1 => &entries[0],
            _ => {
                problems.push(mismatch(node, VALUE_EXPECTED));
                return None;
            }
        };
        let value = &entry.value;
        match entry.key.value.as_str() {
            "present" => bool::decode(value, problems).map(ValueMatch::Present),
            "prefix" => String::decode(value, problems).map(ValueMatch::Prefix),
            "regex" => String::decode(value, problems)
                .map(|regex| ValueMatch::Regex(At { value: regex, at: value.at })),
            "in" => Vec::<At<String>>::decode(value, problems)
                .map(|texts| ValueMatch::In(At { value: texts, at: value.at })),
            "not" => ValueMatch::decode(value, problems).map(|inner| ValueMatch::Not(Box::new(inner))),
            _ => {
                problems.push(crate::file::decode::unknown_key(
                    &entry.key,
                    "a condition on a value",
                    VALUE_KEYS,
                    problems,
                ));
                None
            }
        }
    }

    fn shape() -> Shape {
        let keys = || RecordShape {
            noun: "a condition on a value",
            doc: "A condition on a value that may be missing; it holds one of these keys.".to_owned(),
            keys: vec![
                key("present", "Whether it is there at all.", bool::shape()),
                key("prefix", "It begins with this text.", String::shape()),
                key("regex", "This regular expression is found in it.", String::shape()),
                key("in", "It is one of these texts.", Vec::<At<String>>::shape()),
                key(
                    "not",
                    "The condition in here does not hold. A missing value fulfils it.",
                    ValueMatch::shape(),
                ),
            ],
        };
        Shape::Either(vec![String::shape(), Shape::Record { name: "ValueMatch", keys }])
    }
}

/// One documented key.
fn key(name: &'static str, doc: &str, shape: Shape) -> KeyShape {
    KeyShape { name, doc: doc.to_owned(), shape }
}
