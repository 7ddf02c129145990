//! Path patterns: `/exact`, `/prefix/*`, `/users/{id}`, and regular expressions.

use crate::file::decode::Problems;
use crate::file::raw;
use crate::file::scalar::shortened;
use crate::file::tree::At;
use crate::matching::language::{self, Impossible};
use crate::model::{PathPattern, Segment, Segments};
use crate::source::{Diagnostic, Span};
use regex::RegexBuilder;
use std::borrow::Cow;
use std::fmt::Write as _;

/// Memory that one compiled expression may take. The default of the library is ten times that.
pub const REGEX_BYTES_MAX: usize = 1 << 20;

/// Reads a condition on the path.
pub fn resolve(path: &At<raw::Path>, problems: &mut Problems) -> Option<PathPattern> {
    match &path.value {
        raw::Path::Pattern(text) => match pattern(text) {
            Ok(pattern) => Some(pattern),
            Err(wrong) => {
                let at = problems.within(path.at, wrong.part);
                let problem = Diagnostic::error(at, wrong.message).label(wrong.label);
                problems.push(super::with_help(problem, wrong.help));
                None
            }
        },
        raw::Path::Regex(own) => match own.regex.given() {
            Some(regex) => whole(&regex.value, regex.at, problems),
            None => {
                if own.regex.is_absent() {
                    problems.push(Diagnostic::error(path.at, "`path` is a map without `regex`"));
                }
                None
            }
        },
    }
}

/// An expression that must match the whole path.
fn whole(text: &str, at: Span, problems: &mut Problems) -> Option<PathPattern> {
    // Parsed by itself first, so that messages speak of what was written. It may end in a comment of `(?x)`, which a
    // new line ends; without `(?x)` that would be a part of the expression.
    let compile = |text: &str| RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    let anchored = |_| compile(&format!("^(?:{text})$")).or_else(|_| compile(&format!("^(?:{text}\n)$")));
    let parsed = regex_syntax::parse(text).map_err(|error| regex::Error::Syntax(error.to_string()));
    match parsed.and_then(anchored) {
        Ok(regex) => {
            if let Err(why) = language::check(text) {
                problems.push(impossible(&why, text, at));
                return None;
            }
            Some(PathPattern::Regex(Box::new(regex)))
        }
        Err(error) => {
            problems.push(broken_regex(&error, at));
            None
        }
    }
}

/// An expression that matches no path in normal form.
fn impossible(why: &Impossible, text: &str, at: Span) -> Diagnostic {
    let problem = Diagnostic::error(at, "this regular expression matches no path").label("no request has it");
    match why {
        Impossible::Text(text) => match normalised_path(text) {
            Some(normal) => problem.help(format!("in normal form, in which paths are matched: `{normal}`")),
            None => problem.help(format!("no path in normal form holds `{}`", shortened(text))),
        },
        Impossible::Character => {
            problem.help("a path holds printable ASCII only; everything else is escaped: `%C3%A9` for é")
        }
        Impossible::Start if text.starts_with(|c: char| c.is_ascii_alphanumeric()) && !text.contains('|') => {
            problem.help(format!("it is matched against the whole path: write `/{text}`"))
        }
        Impossible::Start => problem.help("it is matched against the whole path, which begins with /"),
    }
}

/// The normal form of a literal part of a path.
fn normalised_path(text: &str) -> Option<String> {
    let mut path = String::new();
    put_escaped(text, &mut path);
    let mut normal = String::new();
    let rooted = path.starts_with('/');
    wire::uri::normalise(if rooted { path } else { format!("/{path}") }.as_bytes(), &mut normal).ok()?;
    Some(if rooted { normal } else { normal[1..].to_owned() })
}

/// Escapes what cannot stand in a path.
fn put_escaped(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

/// An expression that does not compile.
pub fn broken_regex(error: &regex::Error, at: Span) -> Diagnostic {
    let (message, label) = match error {
        regex::Error::CompiledTooBig(_) => {
            ("this regular expression is too large".to_owned(), "needs more than 1 MiB")
        }
        other => {
            // The library draws over several lines; its last one says what is wrong.
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            (format!("not a regular expression: {}", last.trim_start_matches("error: ")), "")
        }
    };
    Diagnostic::error(at, message).label(label)
}

/// What is wrong with a pattern.
struct Wrong<'t> {
    message: String,
    label: &'static str,
    /// The part of the text that is meant.
    part: &'t str,
    help: Option<String>,
}

fn wrong<'t>(part: &'t str, message: impl Into<String>, label: &'static str) -> Wrong<'t> {
    Wrong { message: message.into(), label, part, help: None }
}

/// Reads a pattern into segments in normalised form.
fn pattern(text: &str) -> Result<PathPattern, Wrong<'_>> {
    let Some(path) = text.strip_prefix('/') else {
        let help = (!text.starts_with('*') && !text.is_empty()).then(|| format!("write `/{text}`"));
        return Err(Wrong {
            help,
            ..wrong(text, format!("the path `{text}` does not begin with /"), "expected /")
        });
    };
    if let Some(query) = path.find(['?', '#']) {
        let part = &path[query..];
        return Err(Wrong {
            help: Some("conditions on the query stand under `query:`".to_owned()),
            ..wrong(part, "a path has no query", "not part of a path")
        });
    }
    let (path, rest) = match path.strip_suffix('*') {
        Some("") => return Ok(PathPattern::Segments { segments: Segments::default(), rest: true }),
        Some(prefix) if prefix.ends_with('/') => (&prefix[..prefix.len() - 1], true),
        _ => (path, false),
    };
    let mut segments: Vec<Found<'_>> = Vec::new();
    let last = path.matches('/').count();
    for (index, part) in path.split('/').enumerate() {
        if part.is_empty() && (index < last || rest) {
            return Err(wrong(text, "a normalised path has no empty segments", "no request has `//`"));
        }
        segments.push(segment(part, &segments, rest)?);
    }
    let segments = segments.iter().map(|found| match found {
        Found::Literal(text) => Segment::Literal(text),
        Found::Capture(name) => Segment::Capture(name),
    });
    Ok(PathPattern::Segments { segments: segments.collect(), rest })
}

/// A [`Segment`] that is read.
enum Found<'t> {
    Literal(Cow<'t, str>),
    Capture(&'t str),
}

fn segment<'t>(part: &'t str, before: &[Found<'_>], rest: bool) -> Result<Found<'t>, Wrong<'t>> {
    if part.contains('*') {
        return Err(Wrong {
            help: Some(
                "`/*` stands at the end and `{name}` for one segment; `{ regex: … }` does the rest"
                    .to_owned(),
            ),
            ..wrong(part, "`*` stands nowhere but in a last `/*`", "not a whole last segment")
        });
    }
    if part == "." || part == ".." {
        return Err(wrong(part, "a normalised path has no dot segments", "no request has this path"));
    }
    if let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        let taken = name == "rest" && rest
            || before.iter().any(|segment| matches!(segment, Found::Capture(before) if *before == name));
        if taken {
            return Err(wrong(part, format!("`{name}` is captured twice"), "again here"));
        }
        if is_capture_name(name) {
            return Ok(Found::Capture(name));
        }
    }
    if part.contains(['{', '}']) {
        return Err(wrong(
            part,
            "a capture is a whole segment",
            "expected {name} with letters, digits and _",
        ));
    }
    normalised(part).map(Found::Literal)
}

/// Letters, digits and `_`, as facts are written in expressions.
fn is_capture_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(word) && !name.as_bytes()[0].is_ascii_digit()
}

/// The form that requests are compared in, as [`wire::uri::normalise`] makes it. What cannot stand in a
/// request's path (spaces, letters beyond ASCII) is meant escaped.
fn normalised(part: &str) -> Result<Cow<'_, str>, Wrong<'_>> {
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%' && byte != b'\\';
    if part.bytes().all(plain) {
        return Ok(Cow::Borrowed(part));
    }
    let mut path = String::with_capacity(part.len() + 8);
    path.push('/');
    put_escaped(part, &mut path);
    let mut normal = String::new();
    match wire::uri::normalise(path.as_bytes(), &mut normal) {
        Ok(()) => Ok(Cow::Owned(normal.strip_prefix('/').unwrap_or(&normal).to_owned())),
        Err(error) => Err(Wrong {
            help: part.contains('%').then(|| "`%25` is the character %".to_owned()),
            ..wrong(part, error.to_string(), "no request has this path")
        }),
    }
}

/// The names that a pattern captures.
pub fn captures(pattern: &PathPattern) -> Vec<&str> {
    match pattern {
        PathPattern::Any => Vec::new(),
        PathPattern::Segments { segments, rest } => segments
            .iter()
            .filter_map(|segment| match segment {
                Segment::Capture(name) => Some(name),
                Segment::Literal(_) => None,
            })
            .chain(rest.then_some("rest"))
            .collect(),
        PathPattern::Regex(regex) => regex.capture_names().flatten().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Segment<'_> {
        Segment::Literal(text)
    }

    fn check(text: &str, expected: &[Segment<'_>], expected_rest: bool) {
        match pattern(text) {
            Ok(PathPattern::Segments { segments, rest }) => {
                let segments: Vec<_> = segments.iter().collect();
                assert_eq!((segments.as_slice(), rest), (expected, expected_rest), "{text}");
            }
            Ok(other) => panic!("{text}: {other:?}"),
            Err(wrong) => panic!("{text}: {}", wrong.message),
        }
    }

    #[test]
    fn patterns_become_segments() {
        check("/", &[literal("")], false);
        check("/*", &[], true);
        check("/api", &[literal("api")], false);
        check("/api/", &[literal("api"), literal("")], false);
        check("/api/*", &[literal("api")], true);
        check("/users/{id}/x", &[literal("users"), Segment::Capture("id"), literal("x")], false);
    }

    #[test]
    fn literals_are_normalised_as_requests_are() {
        check("/%7euser/%2f%c3%a9", &[literal("~user"), literal("%2F%C3%A9")], false);
        check("/é x", &[literal("%C3%A9%20x")], false);
    }

    #[test]
    fn what_cannot_match_is_refused() {
        for text in [
            "",
            "api",
            "*",
            "/a*",
            "/*/b",
            "/a/../b",
            "/{a}/{a}",
            "/{rest}/*",
            "/x{a}",
            "/{1}",
            "/%4",
            "/a?b",
        ] {
            assert!(pattern(text).is_err(), "{text}");
        }
    }
}
