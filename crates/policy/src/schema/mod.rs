//! What the file may hold, written down for editors (JSON Schema) and for people (Markdown).
//!
//! Both come from the shapes and comments of the types in [`raw`](crate::file::raw), so they cannot say
//! anything else than what is read.

mod json;
mod markdown;
mod rules;

pub use json::schema;
pub use markdown::reference;

use crate::file::decode::Decode;
use crate::file::raw::File;
use crate::file::shape::Shape;

/// The shape of the whole file.
fn root() -> Shape {
    File::shape()
}
