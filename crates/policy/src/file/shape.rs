//! What a value in the file may look like, as data: the JSON Schema and the reference are written from it.

use serde_json::Value;

/// The shape of a value.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A text, number or word.
    Scalar {
        /// What is expected, with an article: `a duration such as 10s`.
        words: &'static str,
        /// Its JSON Schema.
        schema: Value,
    },
    /// A list.
    List(Box<Shape>),
    /// One value, or a list of them.
    OneOrMore(Box<Shape>),
    /// A map from names of the author's own to values.
    Named {
        /// What the names are, with an article: `a pool's name`.
        names: &'static str,
        /// What a JSON Schema says of the names, and of how many there are; null for nothing.
        rules: Value,
        /// What stands under each.
        value: Box<Shape>,
    },
    /// A map with known keys. Records may hold themselves, so their keys come on demand.
    Record {
        /// The type's name.
        name: &'static str,
        /// Its documentation and keys.
        keys: fn() -> RecordShape,
    },
    /// One of several forms, the short ones first.
    Either(Vec<Shape>),
}

/// A map with known keys.
#[derive(Clone, Debug)]
pub struct RecordShape {
    /// What it is, with an article: `a pool`.
    pub noun: &'static str,
    /// Its documentation.
    pub doc: String,
    /// Its keys in the order in which they are documented.
    pub keys: Vec<KeyShape>,
}

/// One key of a record.
#[derive(Clone, Debug)]
pub struct KeyShape {
    /// The key.
    pub name: &'static str,
    /// What it does.
    pub doc: String,
    /// What it takes.
    pub shape: Shape,
}
