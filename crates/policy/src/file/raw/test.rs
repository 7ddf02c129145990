//! The file's `tests:`.

use super::record;
use crate::file::decode::{
    Decode, Field, Named, Names, OneOrMore, Problems, Record, mismatch, nearest, unknown_key,
};
use crate::file::scalar::{Count, Scalar, Seed, Share, Status, Wrong};
use crate::file::shape::{KeyShape, Shape};
use crate::file::tree::{At, Entry, Kind, Node};
use crate::source::Diagnostic;
use serde_json::{Value, json};
use std::net::IpAddr;

record! {
    /// An expectation about what happens to a request. The request is a method in lower case with a URL:
    /// `get: https://host/path`. The URL's scheme picks the kind of listener; its port is ignored.
    TestKeys("a test") {
        /// Header fields to send. `Host` takes the place of the URL's host.
        headers: Named<Words>,
        /// Cookies to send.
        cookies: Named<Words>,
        /// The peer's address: the client's, or that of a proxy, which is believed if it is in `trusted_proxies`.
        /// Default: 192.0.2.1.
        client: ClientAddress,
        /// The listener that the request comes through, by its name. Default: any of the kind that the URL's scheme
        /// says.
        listener: String,
        /// Servers that are down, by their address, in every pool that has them.
        down: OneOrMore<String>,
        /// How often the request is decided, at most 100000 times. Default: 1.
        repeat: Count,
        /// The seed of the dice. Default: 1.
        seed: Seed,
        /// Expected: the pool that is reached, or the shares of a split.
        to: ExpectedTarget,
        /// Expected: the server that is picked, by its address.
        server: String,
        /// Expected: the site, by its key.
        site: String,
        /// Expected: the route, by its name.
        route: String,
        /// Expected: the status that Tidegate itself answers: a redirect, a fixed answer, or a refusal (400, 404, 503).
        status: Status,
        /// Expected: header fields of the answer that Tidegate itself gives, error pages included.
        expect_headers: Named<Words>,
        /// Expected: whether the same session reaches the same server again, whatever else changes.
        sticky: bool,
    }
}

/// The keys of a test besides its request.
pub const TEST_KEYS: &[&str] = TestKeys::KEYS;

/// A text without values in it, as the value of a name.
#[derive(Clone, Debug)]
pub struct Words(pub String);

impl Scalar for Words {
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        Ok(Words(text.to_owned()))
    }

    fn schema() -> Value {
        String::schema()
    }
}

impl Names for Words {
    const NAMES: &'static str = "a name";
}

/// One test: its request, and the rest.
#[derive(Clone, Debug)]
pub struct Test {
    /// The method, in lower case as written.
    pub method: At<String>,
    /// The URL.
    pub url: At<String>,
    /// Everything else.
    pub keys: TestKeys,
}

impl Decode for Test {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::Map { entries, .. } = &node.kind else {
            let expected = "a map such as { get: https://host/path, to: POOL }";
            problems.push(mismatch(node, expected));
            return None;
        };
        let mut keys = TestKeys::default();
        let mut request = None;
        let mut refused = false;
        for entry in entries {
            let Entry { key, value } = entry;
            if keys.read_key(entry, problems) {
                continue;
            }
            if !is_method(&key.value, value) {
                refused = true;
                problems.push(unknown_key(key, "a test", &known_keys(), problems));
                if let Some(meant) = nearest(&key.value, TestKeys::KEYS.iter().copied()) {
                    keys.mark_broken(meant);
                }
            } else if request.is_some() {
                let problem = Diagnostic::error(key.at, "a test has one request");
                problems.push(problem.label("a second method").help("write another test"));
            } else if let Some(url) = String::decode(value, problems) {
                request = Some((key.clone(), At { value: url, at: value.at }));
            } else {
                refused = true;
            }
        }
        if request.is_none() && !refused {
            let problem = Diagnostic::error(node.at, "a test without a request");
            problems.push(problem.help("write a method with a URL: `get: https://host/path`"));
        }
        request.map(|(method, url)| Test { method, url, keys })
    }

    fn shape() -> Shape {
        let keys = || {
            let mut shape = TestKeys::record_shape();
            let methods = ["get", "head", "post", "put", "patch", "delete", "options"];
            let requests = methods.into_iter().map(|name| KeyShape {
                name,
                doc: "The request: a URL such as `https://host/path`.".to_owned(),
                shape: url_shape(),
            });
            shape.keys.splice(0..0, requests);
            shape
        };
        Shape::Record { name: "Test", keys }
    }
}

fn url_shape() -> Shape {
    let schema = json!({ "type": "string", "pattern": "^[hH][tT][tT][pP][sS]?://" });
    Shape::Scalar { words: "a URL such as https://host/path", schema }
}

/// A word in lower case whose value is a URL, or one of the common methods: anything else is a misspelt key.
fn is_method(key: &str, value: &Node) -> bool {
    const COMMON: &[&str] = &["get", "head", "post", "put", "patch", "delete", "options", "trace", "connect"];
    let url = matches!(&value.kind, Kind::Scalar { text, .. } if text.contains("://"));
    COMMON.contains(&key)
        || (url && !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'))
}

fn known_keys() -> Vec<&'static str> {
    [&["get", "head", "post", "put", "patch", "delete", "options"], TestKeys::KEYS].concat()
}

/// The expected target: a pool, or a split.
#[derive(Clone, Debug)]
pub enum ExpectedTarget {
    /// A pool's name.
    Pool(String),
    /// Pools with their shares.
    Split(Named<Share>),
}

impl Decode for ExpectedTarget {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Scalar { text, .. } => Some(ExpectedTarget::Pool(text.clone())),
            Kind::Map { .. } => Named::decode(node, problems).map(ExpectedTarget::Split),
            _ => {
                problems.push(mismatch(node, "a pool's name or a map of shares"));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![String::shape(), Named::<Share>::shape()])
    }
}

/// The address of a client.
#[derive(Clone, Copy, Debug)]
pub struct ClientAddress(pub IpAddr);

impl Scalar for ClientAddress {
    const EXPECTED: &'static str = "an address such as 192.0.2.1 or 2001:db8::1";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        text.parse().map(ClientAddress).map_err(|_| Wrong::default())
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9a-fA-F.:]+$" })
    }
}

impl TestKeys {
    /// Whether nothing at all is expected.
    pub fn expects_nothing(&self) -> bool {
        self.to.is_absent()
            && self.server.is_absent()
            && self.site.is_absent()
            && self.route.is_absent()
            && self.status.is_absent()
            && self.expect_headers.is_absent()
            && self.sticky.is_absent()
    }
}

/// A field's names and texts, for the model.
pub fn pairs(field: &Field<Named<Words>>) -> impl Iterator<Item = (&At<String>, &str)> {
    let named = field.value().map(|named| named.0.as_slice()).unwrap_or_default();
    named.iter().filter_map(|(name, value)| Some((name, value.value()?.0.as_str())))
}
