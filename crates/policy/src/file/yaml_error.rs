//! What is wrong with the YAML itself, in words that help somebody who is not thinking of YAML.
//!
//! Most of these mistakes are one: a text that YAML reads as something else, and that needs quotes.

use super::tree::{At, Kind, Node};
use crate::source::{Diagnostic, SourceId, Span};
use granit_parser::{ErrorKind, Marker, ScanError};

/// The parser's span in bytes of the text.
pub fn span(source: SourceId, text: &str, span: granit_parser::Span) -> Span {
    let start = byte(text, &span.start);
    let end = byte(text, &span.end).max(start);
    Span { source, start, end }
}

fn byte(text: &str, marker: &Marker) -> u32 {
    marker.byte_offset().unwrap_or(0).min(text.len()) as u32
}

/// A syntax error, with advice where the cause is known.
pub fn explain(source: SourceId, text: &str, error: &ScanError) -> Diagnostic {
    let start = byte(text, error.marker());
    let width = text[start as usize..].chars().next().map_or(0, char::len_utf8) as u32;
    let at = Span { source, start, end: start + width };
    let line = line_of(text, start as usize);
    let (message, help) = words(error, line);
    let diagnostic = Diagnostic::error(at, message);
    match help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    }
}

fn line_of(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[at..].find('\n').map_or(text.len(), |newline| at + newline);
    &text[start..end]
}

/// Message and advice for a syntax error on `line`.
fn words(error: &ScanError, line: &str) -> (String, Option<String>) {
    let quote = |message: &str, help: &str| (message.to_owned(), Some(help.to_owned()));
    match error.kind() {
        ErrorKind::UnknownAnchor | ErrorKind::MissingAnchorOrAliasName => quote(
            "YAML reads an unquoted `*` or `&` at the beginning as a reference",
            "quote it: '*' or '*.example.com'",
        ),
        ErrorKind::UnexpectedCharacter { character } => {
            (format!("a text cannot begin with `{character}` in YAML"), Some("quote the text".to_owned()))
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => quote(
            "expected `,` or the closing bracket",
            "within { } and [ ] a text that holds { } [ ] , or `: ` needs quotes, for example \"/users/{id}\" \
             or \"[::]:443\"",
        ),
        ErrorKind::MappingValueNotAllowed
        | ErrorKind::InvalidColonPlacement
        | ErrorKind::InvalidMappingValueWhitespace => quote(
            "a second `: ` within one line",
            "a text that holds `: ` needs quotes; a key that belongs to a map begins a new line or stands within { }",
        ),
        ErrorKind::DirectiveDisallowed if line.starts_with("%YAML") => quote(
            "directives (`%`) are not read",
            "leave this line and the `---` out: every file is YAML 1.2",
        ),
        ErrorKind::DirectiveDisallowed
        | ErrorKind::MissingDirectiveName
        | ErrorKind::InvalidDirectiveName => {
            quote("directives (`%`) are not read", "quote a text that begins with `%`")
        }
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed => {
            quote("a tab in the indentation", "indent with spaces")
        }
        ErrorKind::UndeclaredTagHandle
        | ErrorKind::InvalidTagTerminator
        | ErrorKind::MissingTagUri
        | ErrorKind::ExpectedTagBang => {
            quote("YAML reads an unquoted `!` at the beginning as a tag", "quote the text")
        }
        ErrorKind::RecursionLimitExceeded => ("too many maps and lists within each other".to_owned(), None),
        ErrorKind::UnknownQuotedScalarEscape => {
            quote("an escape that double quotes do not know", "within single quotes a backslash is itself")
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation
            if line.contains("]:") || line.trim_start().starts_with(['[', '{', '"', '\'']) =>
        {
            quote(
                "text goes on after the closing bracket or quote",
                "a text that begins with [ { or a quote is quoted as a whole, for example \"[::]:443\"",
            )
        }
        ErrorKind::SimpleKeyExpected | ErrorKind::ExpectedBlockMappingKey => {
            quote("expected `key: value`", "a key is followed by a colon and a space")
        }
        other => (format!("broken YAML: {other}"), None),
    }
}

/// A tag, which the language has no use for.
pub fn tag(at: Span, written: &str) -> Diagnostic {
    Diagnostic::error(at, "YAML reads an unquoted `!` at the beginning as a tag")
        .label("tags have no meaning here")
        .help(format!("quote the text: '{written}'"))
}

/// A key that is no text.
pub fn key(node: &Node) -> Diagnostic {
    let help = match node.kind {
        Kind::Map { braces: true, .. } => "YAML reads {…} as a map: quote a text that begins with {",
        Kind::List(_) => "YAML reads […] as a list: quote a text that begins with [, for example \"[::1]\"",
        _ => "write the key before the colon",
    };
    Diagnostic::error(node.at, format!("a key is a text, this is {}", node.noun())).help(help)
}

/// A key that its map has twice.
pub fn duplicate(key: &At<String>, first: Span) -> Diagnostic {
    Diagnostic::error(key.at, format!("`{}` is there twice", key.value))
        .label("again here")
        .other(first, "first here")
}
