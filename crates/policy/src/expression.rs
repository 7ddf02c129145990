//! Values taken from a request: for now single facts, in the spelling that expressions will keep.

use crate::model::{Expression, Fact};

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExpressionError {
    /// What is wrong, and what was expected.
    pub message: String,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
}

/// Facts without a name of their own.
const PLAIN: [(&str, Fact); 5] = [
    ("method", Fact::Method),
    ("scheme", Fact::Scheme),
    ("host", Fact::Host),
    ("path", Fact::Path),
    ("client.ip", Fact::ClientIp),
];

type MakeFact = fn(String) -> Fact;

/// Facts with a name after the dot.
const NAMED: [(&str, MakeFact); 4] =
    [("query", Fact::Query), ("header", Fact::Header), ("cookie", Fact::Cookie), ("capture", Fact::Capture)];

/// Parses an expression such as `cookie.SESSION` or `client.ip`.
///
/// # Errors
/// When it is none that is known; the message names the nearest one.
pub fn parse(text: &str) -> Result<Expression, ExpressionError> {
    let trimmed = text.trim();
    let offset = text.len() - text.trim_start().len();
    parse_fact(trimmed)
        .map(|fact| Expression { fact, text: trimmed.to_owned() })
        .map_err(|error| ExpressionError { offset: offset + error.offset, ..error })
}

/// Parses the name of one fact.
pub(crate) fn parse_fact(text: &str) -> Result<Fact, ExpressionError> {
    if let Some((_, fact)) = PLAIN.iter().find(|(name, _)| *name == text) {
        return Ok(fact.clone());
    }
    let Some((space, name)) = text.split_once('.') else { return Err(unknown(text)) };
    let Some((space, make)) = NAMED.iter().find(|(known, _)| *known == space) else {
        return Err(unknown(text));
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match name.bytes().position(|byte| !is_name(byte)) {
        Some(at) => Err(ExpressionError {
            message: format!("a name after `{space}.` has letters, digits, `-`, `_` and `.` only"),
            offset: space.len() + 1 + at,
        }),
        None if name.is_empty() => {
            Err(ExpressionError { message: format!("expected a name after `{space}.`"), offset: text.len() })
        }
        // Field names are compared in lower case.
        None if *space == "header" => Ok(make(name.to_ascii_lowercase())),
        None => Ok(make(name.to_owned())),
    }
}

fn unknown(text: &str) -> ExpressionError {
    let known = PLAIN.iter().map(|(name, _)| (*name).to_owned());
    let known = known.chain(NAMED.iter().map(|(name, _)| format!("{name}.NAME")));
    let nearest = known
        .clone()
        .max_by(|one, other| similarity(one, text).total_cmp(&similarity(other, text)))
        .filter(|nearest| similarity(nearest, text) > 0.6);
    let message = match nearest {
        Some(nearest) => format!("unknown value `{text}`; did you mean `{nearest}`?"),
        None => {
            let known: Vec<_> = known.map(|name| format!("`{name}`")).collect();
            format!("unknown value `{text}`; expected one of {}", known.join(", "))
        }
    };
    ExpressionError { message, offset: 0 }
}

fn similarity(known: &str, text: &str) -> f64 {
    let space = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    if known.ends_with(".NAME") {
        strsim::jaro_winkler(&space(known), &space(text))
    } else {
        strsim::jaro_winkler(known, text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn facts() {
        for (text, fact) in [
            ("client.ip", Fact::ClientIp),
            (" path ", Fact::Path),
            ("cookie.ID", Fact::Cookie("ID".into())),
            ("header.X-Session", Fact::Header("x-session".into())),
            ("query.a.b", Fact::Query("a.b".into())),
            ("capture.id", Fact::Capture("id".into())),
        ] {
            let expression = parse(text).unwrap();
            assert_eq!(expression.fact, fact);
            assert_eq!(expression.text, text.trim());
        }
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        for (text, message, offset) in [
            ("cokie.ID", "unknown value `cokie.ID`; did you mean `cookie.NAME`?", 0),
            ("client.pi", "unknown value `client.pi`; did you mean `client.ip`?", 0),
            (" cookie.", "expected a name after `cookie.`", 8),
            ("cookie.a b", "a name after `cookie.` has letters, digits, `-`, `_` and `.` only", 8),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!((error.message.as_str(), error.offset), (message, offset));
        }
        assert!(
            parse("xyz").unwrap_err().message.starts_with("unknown value `xyz`; expected one of `method`")
        );
    }
}
