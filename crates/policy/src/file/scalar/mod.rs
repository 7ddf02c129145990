//! Values that are one scalar: their text is read by the type that is expected, never guessed by its looks.

mod units;

pub use units::*;

use super::decode::{Decode, Problems, mismatch};
use super::shape::Shape;
use super::tree::{Kind, Node};
use crate::source::Diagnostic;
use serde_json::{Value, json};

/// A type that is written as one scalar.
pub trait Scalar: Sized {
    /// What is expected, with an article and an example: `a duration such as 10s`.
    const EXPECTED: &'static str;

    /// Reads the text. `plain`: it was written without quotes.
    ///
    /// # Errors
    /// What is wrong with it.
    fn parse(text: &str, plain: bool) -> Result<Self, Wrong>;

    /// The JSON Schema of what [`parse`](Scalar::parse) takes, as near as a schema can say it.
    fn schema() -> Value;
}

/// Why a scalar was refused.
#[derive(Debug, Default)]
pub struct Wrong {
    /// In one line, if there is more to say than that it is not what was expected.
    pub message: Option<String>,
    /// What to write instead.
    pub help: Option<String>,
    /// The byte of the text at which it goes wrong.
    pub offset: Option<usize>,
}

impl Wrong {
    /// With a message of its own.
    pub fn because(message: impl Into<String>) -> Wrong {
        Wrong { message: Some(message.into()), ..Wrong::default() }
    }

    /// With advice.
    pub fn help(help: impl Into<String>) -> Wrong {
        Wrong { help: Some(help.into()), ..Wrong::default() }
    }
}

impl<T: Scalar> Decode for T {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let (text, plain) = match &node.kind {
            Kind::Scalar { text, plain } => (text, *plain),
            _ => {
                problems.push(mismatch(node, T::EXPECTED));
                return None;
            }
        };
        match T::parse(text, plain) {
            Ok(value) => Some(value),
            Err(wrong) => {
                problems.push(refusal::<T>(node, text, wrong, problems));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Scalar { words: T::EXPECTED, schema: T::schema() }
    }
}

/// The diagnostic for a refused scalar.
fn refusal<T: Scalar>(node: &Node, text: &str, wrong: Wrong, problems: &Problems) -> Diagnostic {
    let at = wrong.offset.map_or(node.at, |offset| problems.offset(node.at, text, offset));
    let message =
        wrong.message.unwrap_or_else(|| format!("`{}` is not {}", shortened(text), noun(T::EXPECTED)));
    let diagnostic = Diagnostic::error(at, message);
    // A place within the text is beyond what is expected of the whole.
    let whole = wrong.offset.is_none();
    let diagnostic = if whole { diagnostic.label(format!("expected {}", T::EXPECTED)) } else { diagnostic };
    match wrong.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

/// `a duration such as 10s` without its example.
fn noun(expected: &str) -> &str {
    expected.split(" such as ").next().unwrap_or(expected)
}

/// A text of the author's for a message, cut where it gets long.
pub fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut short: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        short.push('…');
    }
    short
}

impl Scalar for String {
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        Ok(text.to_owned())
    }

    fn schema() -> Value {
        // `on`, `1.10` and `8080` stay texts, whatever a JSON reader takes them for.
        json!({ "type": ["string", "number", "boolean"] })
    }
}

impl Scalar for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str, plain: bool) -> Result<Self, Wrong> {
        match (text, plain) {
            ("true", true) => Ok(true),
            ("false", true) => Ok(false),
            ("true" | "false", false) => Err(Wrong::help("write it without quotes")),
            ("yes" | "on" | "y" | "Yes" | "On" | "True" | "TRUE", _) => Err(Wrong::help("write `true`")),
            ("no" | "off" | "n" | "No" | "Off" | "False" | "FALSE", _) => Err(Wrong::help("write `false`")),
            _ => Err(Wrong::default()),
        }
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

/// Decimal digits only: no sign, no `1_000`, no `0x`.
fn digits<T: std::str::FromStr>(text: &str) -> Option<T> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

/// The schema of a whole number, which may be written with quotes too.
fn whole(least: u64, most: u64) -> Value {
    json!({ "anyOf": [
        { "type": "integer", "minimum": least, "maximum": most },
        { "type": "string", "pattern": "^[0-9]+$" },
    ] })
}

/// A number of things.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count(pub u32);

impl Scalar for Count {
    const EXPECTED: &'static str = "a whole number from 1 on";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        digits(text).filter(|&count| count > 0).map(Count).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(1, u32::MAX.into())
    }
}

/// A seed of the dice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Scalar for Seed {
    const EXPECTED: &'static str = "a whole number";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        digits(text).map(Seed).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(0, u64::MAX)
    }
}

/// A server's share.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight(pub u32);

impl Scalar for Weight {
    const EXPECTED: &'static str = "a weight from 0 to 1000";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        digits(text).filter(|&weight| weight <= 1000).map(Weight).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(0, 1000)
    }
}

/// A port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Port(pub u16);

impl Scalar for Port {
    const EXPECTED: &'static str = "a port from 1 to 65535";

    fn parse(text: &str, _plain: bool) -> Result<Self, Wrong> {
        digits(text).filter(|&port| port > 0).map(Port).ok_or_else(Wrong::default)
    }

    fn schema() -> Value {
        whole(1, 65535)
    }
}
