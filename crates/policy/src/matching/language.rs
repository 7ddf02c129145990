//! What paths a regular expression can match, as far as its syntax tells.

use regex_syntax::hir::{Class, Hir, HirKind, Literal, Repetition};

/// An expression that takes nearly everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Every path.
    All,
    /// Every path that begins with a slash: all but the `*` of `OPTIONS *`.
    Rooted,
}

/// Whether an expression over the whole path takes all, or all that begin with a slash.
pub(crate) fn scope(regex: &regex::Regex) -> Option<Scope> {
    let hir = regex_syntax::parse(regex.as_str()).ok()?;
    let mut parts = Vec::new();
    flatten(&hir, &mut parts);
    match parts[..] {
        [rest] if is_anything(rest) => Some(Scope::All),
        [first, rest] if is_slash(first) && is_anything(rest) => Some(Scope::Rooted),
        _ => None,
    }
}

/// The parts that follow each other, without groups and without anchors of the whole.
fn flatten<'h>(hir: &'h Hir, parts: &mut Vec<&'h Hir>) {
    match hir.kind() {
        HirKind::Concat(all) => all.iter().for_each(|part| flatten(part, parts)),
        HirKind::Capture(group) => flatten(&group.sub, parts),
        HirKind::Look(regex_syntax::hir::Look::Start | regex_syntax::hir::Look::End) | HirKind::Empty => {}
        _ => parts.push(hir),
    }
}

fn is_slash(hir: &Hir) -> bool {
    matches!(hir.kind(), HirKind::Literal(Literal(text)) if **text == *b"/")
}

/// Whether it is any number of any characters that stand in a path.
fn is_anything(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Repetition(Repetition { min: 0, max: None, sub, .. }) => match sub.kind() {
            HirKind::Class(class) => (0x21..0x7f).all(|byte| has(class, byte)),
            HirKind::Capture(group) => {
                matches!(group.sub.kind(), HirKind::Class(class) if (0x21..0x7f).all(|byte| has(class, byte)))
            }
            _ => false,
        },
        _ => false,
    }
}

fn has(class: &Class, byte: u8) -> bool {
    match class {
        Class::Unicode(class) => {
            class.iter().any(|range| (range.start()..=range.end()).contains(&char::from(byte)))
        }
        Class::Bytes(class) => class.iter().any(|range| (range.start()..=range.end()).contains(&byte)),
    }
}

/// Why an expression cannot match any path in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Impossible {
    /// It asks for characters that are escaped in a path, or for an escape that is not in normal form: these.
    Text(String),
    /// It asks for a character outside of any path.
    Character,
    /// What it matches does not begin with a slash.
    Start,
}

/// Whether an expression that must match the whole path can match any.
///
/// # Errors
/// When it surely cannot.
pub(crate) fn check(pattern: &str) -> Result<(), Impossible> {
    let Ok(hir) = regex_syntax::parse(pattern) else { return Ok(()) };
    possible(&hir)?;
    if start(&hir) == Start::Other { Err(Impossible::Start) } else { Ok(()) }
}

/// Whether it can match characters of a path only.
fn possible(hir: &Hir) -> Result<(), Impossible> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Ok(()),
        HirKind::Literal(Literal(text)) => literal(text),
        HirKind::Class(class) if (0x21..0x7f).any(|byte| has(class, byte) && byte != b'\\') => Ok(()),
        HirKind::Class(_) => Err(Impossible::Character),
        HirKind::Repetition(repetition) if repetition.min == 0 => Ok(()),
        HirKind::Repetition(repetition) => possible(&repetition.sub),
        HirKind::Capture(group) => possible(&group.sub),
        HirKind::Concat(parts) => parts.iter().try_for_each(possible),
        HirKind::Alternation(parts) => {
            let mut first = Ok(());
            for part in parts {
                match possible(part) {
                    Ok(()) => return Ok(()),
                    wrong => first = first.and(wrong),
                }
            }
            first
        }
    }
}

/// Whether a text can stand in a path in normal form.
fn literal(text: &[u8]) -> Result<(), Impossible> {
    let refused = || Err(Impossible::Text(String::from_utf8_lossy(text).into_owned()));
    if !text.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'\\') || has_empty_segment(text) {
        return refused();
    }
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let [high, low, ..] = rest[at + 1..] else { return Ok(()) };
        let mut normal = String::new();
        let escape = [b'/', b'%', high, low];
        // An unreserved character would be decoded, a digit in lower case brought to upper case.
        if wire::uri::normalise(&escape, &mut normal).is_err() || normal.as_bytes() != escape {
            return refused();
        }
        rest = &rest[at + 3..];
    }
    Ok(())
}

fn has_empty_segment(text: &[u8]) -> bool {
    text.windows(2).any(|pair| pair == b"//")
}

/// What a match can begin with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// A slash, or the `*` of `OPTIONS *`.
    Slash,
    /// It may be empty, so that what follows decides.
    Empty,
    /// Neither.
    Other,
}

fn start(hir: &Hir) -> Start {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Start::Empty,
        HirKind::Literal(Literal(text)) if text.starts_with(b"/") || **text == *b"*" => Start::Slash,
        HirKind::Class(class) if has(class, b'/') || has(class, b'*') => Start::Slash,
        HirKind::Literal(_) | HirKind::Class(_) => Start::Other,
        HirKind::Repetition(repetition) => match start(&repetition.sub) {
            Start::Other if repetition.min == 0 => Start::Empty,
            inner => inner,
        },
        HirKind::Capture(group) => start(&group.sub),
        HirKind::Concat(parts) => {
            parts.iter().map(start).find(|start| *start != Start::Empty).unwrap_or(Start::Empty)
        }
        HirKind::Alternation(parts) => {
            let starts = || parts.iter().map(start);
            match starts().find(|start| *start == Start::Slash) {
                Some(slash) => slash,
                None if starts().any(|start| start == Start::Empty) => Start::Empty,
                None => Start::Other,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_all() {
        let check = |text: &str, expected: Option<Scope>| {
            assert_eq!(scope(&regex::Regex::new(&format!("^(?:{text})$")).unwrap()), expected, "{text}");
        };
        for text in [".*", "(.*)", "^.*$", "(?s).*", "(?P<rest>.*)", "(.)*"] {
            check(text, Some(Scope::All));
        }
        for text in ["/.*", "/(?P<rest>.*)", "^/.*$"] {
            check(text, Some(Scope::Rooted));
        }
        for text in ["/.+", "/a.*", "/[a-z]*", ".*x", "/[^/]*", "a|.*", "/.*/"] {
            check(text, None);
        }
    }

    #[test]
    fn what_can_match_a_path() {
        for text in [
            "/a",
            ".*",
            "/caf%C3%A9",
            "(a|/b)",
            "[^/]*/x",
            "(?i)/A",
            "/a|b c",
            "/\\d+",
            "\\*",
            "/é?",
            "/%[0-9a-f]",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
        let text = |text: &str| Impossible::Text(text.to_owned());
        for (pattern, expected) in [
            ("/a b", text("/a b")),
            ("/café", text("/café")),
            ("/caf%c3%a9", text("/caf%c3%a9")),
            ("/%41", text("/%41")),
            ("/a//b", text("/a//b")),
            ("/[é]", text("/é")),
            ("/[éà]", Impossible::Character),
            ("/a\\\\b", text("/a\\b")),
            ("/\\n", text("/\n")),
            ("api/.*", Impossible::Start),
            ("[a-z]+", Impossible::Start),
            ("a?b", Impossible::Start),
            ("(a|b)/c", Impossible::Start),
        ] {
            assert_eq!(check(pattern), Err(expected), "{pattern}");
        }
    }
}
