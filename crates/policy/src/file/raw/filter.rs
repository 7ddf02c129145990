//! What requests and their answers pass through, by name.

use crate::file::decode::nearest;
use crate::file::scalar::{Scalar, Wrong};
use serde_json::{Value, json};

/// A kind of filter, by its own name: with its defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterKind {
    /// `grpc_web`.
    GrpcWeb,
}

/// All names.
const NAMES: [&str; 1] = ["grpc_web"];

impl Scalar for FilterKind {
    const EXPECTED: &'static str = "the name of a filter such as grpc_web";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        match text {
            "grpc_web" => Ok(FilterKind::GrpcWeb),
            _ => Err(Wrong::help(match nearest(text, NAMES) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", NAMES.join(", ")),
            })),
        }
    }

    fn schema() -> Value {
        json!({ "enum": NAMES })
    }
}
