//! Answers after which another server is tried.

use super::{record, shape_of};
use crate::file::decode::{Decode, Field, OneOrMore, Problems, nearest, record as read_record};
use crate::file::scalar::{RetryCount, Scalar, Wrong};
use crate::file::shape::Shape;
use crate::file::tree::{Kind, Node};
use serde_json::{Value, json};
use wire::grpc::STATUS_NAMES;

record! {
    /// Answers after which another server is tried. The short form is the list alone: `retries: [503, unavailable]`.
    Retries("`retries`") {
        /// Statuses of HTTP (400 to 599), after which requests with idempotent methods are tried again, and of gRPC
        /// by name (`unavailable`), after which calls of gRPC are.
        on: OneOrMore<RetriedAnswer>,
        /// How many more attempts one request gets because of such answers, 1 to 5. Default: 1.
        max: RetryCount,
    }
}

impl Decode for Retries {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::Map { .. } => read_record(node, "a map", problems),
            _ => OneOrMore::decode(node, problems)
                .map(|on| Retries { on: Field::new(on, node.at), ..Retries::default() }),
        }
    }

    fn shape() -> Shape {
        Shape::Either(vec![OneOrMore::<RetriedAnswer>::shape(), shape_of::<Retries>("Retries")])
    }
}

/// An answer after which another server is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetriedAnswer {
    /// One with this status of HTTP.
    Http(u16),
    /// One with this status of gRPC in its head.
    Grpc(u8),
}

/// The statuses of gRPC as they are written here, each with its number; OK is none of them.
fn grpc_statuses() -> impl Iterator<Item = (u8, String)> {
    (0..).zip(STATUS_NAMES).skip(1).map(|(number, name)| (number, name.to_ascii_lowercase()))
}

impl Scalar for RetriedAnswer {
    const EXPECTED: &'static str = "a status from 400 to 599, or one of gRPC such as unavailable";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        let number: Option<u16> =
            text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(status) = number.filter(|status| (400..600).contains(status)) {
            return Ok(RetriedAnswer::Http(status));
        }
        match grpc_statuses().find(|(_, name)| name == text) {
            Some((status, _)) => Ok(RetriedAnswer::Grpc(status)),
            None => Err(meant(text, number)),
        }
    }

    fn schema() -> Value {
        let names: Vec<String> = grpc_statuses().map(|(_, name)| name).collect();
        json!({ "anyOf": [
            { "type": "integer", "minimum": 400, "maximum": 599 },
            { "type": "string", "pattern": "^[45][0-9]{2}$" },
            { "enum": names },
        ] })
    }
}

/// What was probably meant by what is no such answer.
fn meant(text: &str, number: Option<u16>) -> Wrong {
    if text.eq_ignore_ascii_case("ok") {
        return Wrong::because("a call that is `ok` has not failed");
    }
    if text.len() == 3 && (text.ends_with("xx") || text.ends_with("XX")) {
        return Wrong::help("each status is written by itself: [502, 503, 504]");
    }
    let names: Vec<(u8, String)> = grpc_statuses().collect();
    let by_number = names.iter().find(|(status, _)| Some(u16::from(*status)) == number);
    let name = by_number
        .map(|(_, name)| name.as_str())
        .or_else(|| nearest(&text.replace('-', "_"), names.iter().map(|(_, name)| name.as_str())));
    name.map_or_else(Wrong::default, |name| Wrong::help(format!("did you mean `{name}`?")))
}
