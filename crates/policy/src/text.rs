//! Texts with values in them: `/new/{rest}`, `https://{host}/`.
//!
//! Braces around the name of a value stand for that value; braces around anything else (JSON, say) are
//! themselves. `{{` is a brace that begins no value.

use crate::decide::{Request, value};
use crate::expression::{ExpressionError, parse_fact};
use crate::model::{Fact, Route, Text, TextPart};
use std::borrow::Cow;

/// Parses a text.
///
/// # Errors
/// When braces hold what looks like the name of a value with a dot, and there is no such value.
pub fn parse(text: &str) -> Result<Text, ExpressionError> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        literal.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('{') {
            literal.push('{');
            rest = after;
            continue;
        }
        match rest.split_once('}').filter(|(name, _)| is_value_name(name)) {
            Some((name, after)) => {
                let offset = text.len() - rest.len();
                let fact = value_name(name)
                    .map_err(|error| ExpressionError { offset: offset + error.offset, ..error })?;
                if !literal.is_empty() {
                    parts.push(TextPart::Literal(std::mem::take(&mut literal)));
                }
                parts.push(TextPart::Fact(fact));
                rest = after;
            }
            None => literal.push('{'),
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        parts.push(TextPart::Literal(literal));
    }
    Ok(Text(parts))
}

fn is_value_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
}

/// A value's name; a name without a dot that is no value is that of a capture.
fn value_name(name: &str) -> Result<Fact, ExpressionError> {
    match parse_fact(name) {
        Err(_) if !name.contains('.') => Ok(Fact::Capture(name.to_owned())),
        result => result,
    }
}

/// Where a text is written to; values must not become more there than they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A body without a form of its own: anything goes.
    Plain,
    /// HTML: characters of markup are escaped.
    Html,
    /// A string of JSON: quotes, backslashes and control characters are escaped.
    Json,
    /// A field's value: control characters are left out.
    Field,
}

/// Appends a text with its values to `out`. Missing values leave nothing.
pub fn render(text: &Text, request: &Request<'_>, route: Option<&Route>, place: Place, out: &mut Vec<u8>) {
    for part in &text.0 {
        match part {
            TextPart::Literal(literal) => out.extend_from_slice(literal.as_bytes()),
            TextPart::Fact(fact) => {
                if let Some(value) = shown(fact, request, route) {
                    put(&value, place, out);
                }
            }
        }
    }
}

/// A fact's value as it stands in texts: an IPv6 host in its brackets.
pub(crate) fn shown<'a>(fact: &Fact, request: &Request<'a>, route: Option<&Route>) -> Option<Cow<'a, [u8]>> {
    match fact {
        Fact::Host if request.host.contains(':') => {
            Some(Cow::Owned(format!("[{}]", request.host).into_bytes()))
        }
        _ => value(fact, request, route),
    }
}

/// Appends a value, escaped as its place wants it.
pub(crate) fn put(value: &[u8], place: Place, out: &mut Vec<u8>) {
    match place {
        Place::Plain => out.extend_from_slice(value),
        Place::Field => out.extend(value.iter().filter(|byte| !byte.is_ascii_control())),
        Place::Html => {
            for byte in value {
                match byte {
                    b'&' => out.extend_from_slice(b"&amp;"),
                    b'<' => out.extend_from_slice(b"&lt;"),
                    b'>' => out.extend_from_slice(b"&gt;"),
                    b'"' => out.extend_from_slice(b"&quot;"),
                    b'\'' => out.extend_from_slice(b"&#39;"),
                    byte => out.push(*byte),
                }
            }
        }
        Place::Json => {
            for byte in value {
                match byte {
                    b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
                    byte if byte.is_ascii_control() => {
                        out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                    }
                    byte => out.push(*byte),
                }
            }
        }
    }
}

/// Hundredths of a percent for people: `95%`, `12.5%`.
pub(crate) fn percent(share: u32) -> String {
    let text = format!("{}.{:02}", share / 100, share % 100);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// A number for people: `99,999`.
pub(crate) fn thousands(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let literal = |text: &str| TextPart::Literal(text.into());
        for (text, parts) in [
            ("", vec![]),
            ("plain", vec![literal("plain")]),
            ("/v1/{rest}", vec![literal("/v1/"), TextPart::Fact(Fact::Capture("rest".into()))]),
            ("{host}{path}", vec![TextPart::Fact(Fact::Host), TextPart::Fact(Fact::Path)]),
            ("{\"a\": {\"b\": 1}}", vec![literal("{\"a\": {\"b\": 1}}")]),
            ("{{host}", vec![literal("{host}")]),
            ("{", vec![literal("{")]),
            ("{header.X-A}", vec![TextPart::Fact(Fact::Header("x-a".into()))]),
        ] {
            assert_eq!(parse(text).unwrap().0, parts, "{text}");
        }
        let error = parse("a {clent.ip}").unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.offset),
            ("unknown value `clent.ip`; did you mean `client.ip`?", 3)
        );
    }

    #[test]
    fn values_stay_values_wherever_they_are_put() {
        for (place, expected) in [
            (Place::Plain, "<a href=\"x\">'&\\\n"),
            (Place::Field, "<a href=\"x\">'&\\"),
            (Place::Html, "&lt;a href=&quot;x&quot;&gt;&#39;&amp;\\\n"),
            (Place::Json, "<a href=\\\"x\\\">'&\\\\\\u000a"),
        ] {
            let mut out = Vec::new();
            put(b"<a href=\"x\">'&\\\n", place, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected, "{place:?}");
        }
    }

    #[test]
    fn numbers_for_people() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
        for (share, text) in [(9500, "95%"), (1250, "12.5%"), (1, "0.01%"), (0, "0%")] {
            assert_eq!(percent(share), text);
        }
    }
}
