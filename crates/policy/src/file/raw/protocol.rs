//! Words for the protocols of clients and servers.

use crate::file::scalar::{Scalar, Wrong};
use serde_json::{Value, json};

/// What clients may speak on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerProtocol {
    /// `h1`.
    H1,
    /// `h2`.
    H2,
}

impl Scalar for ListenerProtocol {
    const EXPECTED: &'static str = "h1 or h2";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        match text {
            "h1" => Ok(ListenerProtocol::H1),
            "h2" => Ok(ListenerProtocol::H2),
            _ => Err(meant(text)),
        }
    }

    fn schema() -> Value {
        json!({ "enum": ["h1", "h2"] })
    }
}

/// What is spoken with the servers of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolProtocol {
    /// `h1`.
    H1,
    /// `h2`: over TLS.
    H2,
    /// `h2c`: without.
    H2c,
}

impl Scalar for PoolProtocol {
    const EXPECTED: &'static str = "h1, h2 or h2c";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        match text {
            "h1" => Ok(PoolProtocol::H1),
            "h2" => Ok(PoolProtocol::H2),
            "h2c" => Ok(PoolProtocol::H2c),
            "https" => Err(Wrong::help("HTTP/1.1 over TLS is written `tls: true`")),
            _ => Err(meant(text)),
        }
    }

    fn schema() -> Value {
        json!({ "enum": ["h1", "h2", "h2c"] })
    }
}

/// What was probably meant by a word that names no protocol here: the one of the nearest version.
fn meant(text: &str) -> Wrong {
    let lower = text.to_ascii_lowercase();
    // `h1`, `h2` and `h3` are all equally near to each other as words.
    let version = lower.trim_start_matches(|c: char| !c.is_ascii_digit());
    match version.bytes().next() {
        Some(b'0' | b'1') => Wrong::help("did you mean `h1`?"),
        Some(b'2' | b'3') => Wrong::help("did you mean `h2`?"),
        None if lower.starts_with("http") => Wrong::help("did you mean `h1`?"),
        None if lower.starts_with("grpc") => {
            Wrong::help("gRPC is spoken over HTTP/2: `h2`, or `h2c` without TLS")
        }
        _ => Wrong::default(),
    }
}
