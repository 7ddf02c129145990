//! `${NAME}` in keys and values: replaced from the environment, only where it is so written.

use super::tree::{self, Entry, Kind, Node};
use crate::source::{Diagnostic, Span};

/// Replaces every `${NAME}` in a tree. `$${` stands for `${` itself.
pub fn substitute(node: &mut Node, env: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<Diagnostic>) {
    let at = node.at;
    match &mut node.kind {
        Kind::Null | Kind::Broken => {}
        Kind::Scalar { text, .. } => {
            if replace(text, at, env, problems) == Replaced::Failed {
                node.kind = Kind::Broken;
            }
        }
        Kind::List(items) => items.iter_mut().for_each(|item| substitute(item, env, problems)),
        Kind::Map { entries, .. } => {
            let mut keys = Keys::default();
            for Entry { key, value } in entries.iter_mut() {
                keys.note(replace(&mut key.value, key.at, env, problems));
                substitute(value, env, problems);
            }
            if keys.replaced {
                tree::unique(entries, problems);
            }
            // Nobody knows which key it was meant to be.
            if keys.broken {
                node.kind = Kind::Broken;
            }
        }
    }
}

/// What became of the keys of a map.
#[derive(Default)]
struct Keys {
    /// Some are others than written, so that two may now be one.
    replaced: bool,
    broken: bool,
}

impl Keys {
    fn note(&mut self, replaced: Replaced) {
        self.replaced |= replaced == Replaced::Yes;
        self.broken |= replaced == Replaced::Failed;
    }
}

/// Whether variables were replaced in a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Replaced {
    /// There are none.
    No,
    Yes,
    /// One is not set, or not written well.
    Failed,
}

/// Replaces the variables in one text.
fn replace(
    text: &mut String,
    at: Span,
    env: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<Diagnostic>,
) -> Replaced {
    if !text.contains("${") {
        return Replaced::No;
    }
    match replaced(text, env) {
        Ok(new) => {
            *text = new;
            Replaced::Yes
        }
        Err(wrong) => {
            let problem = Diagnostic::error(at, wrong);
            problems.push(problem.help("`$${` stands for the two characters `${`"));
            Replaced::Failed
        }
    }
}

/// The text with its variables replaced, or what is wrong with one of them.
fn replaced(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let escaped = rest[..start].ends_with('$');
        out.push_str(&rest[..start]);
        rest = &rest[start + 2..];
        if escaped {
            out.push('{');
            continue;
        }
        let end = rest.find('}').ok_or("`${` without its `}`")?;
        let name = &rest[..end];
        if !is_name(name) {
            return Err(format!("`{name}` is not a name of an environment variable"));
        }
        let value = env(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?;
        out.push_str(&value);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

fn is_name(name: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(word) && !name.as_bytes()[0].is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_only_where_so_written() {
        let env = |name: &str| (name == "PORT").then(|| "8080".to_owned());
        let check = |text: &str, expected: Result<&str, &str>| {
            assert_eq!(replaced(text, &env), expected.map(str::to_owned).map_err(str::to_owned), "{text}");
        };
        check("10.0.0.1:${PORT}", Ok("10.0.0.1:8080"));
        check("${PORT}${PORT}", Ok("80808080"));
        check("$${PORT}", Ok("${PORT}"));
        check("$PORT", Ok("$PORT"));
        check("${HOST}", Err("the environment variable `HOST` is not set"));
        check("${PORT", Err("`${` without its `}`"));
        check("${1}", Err("`1` is not a name of an environment variable"));
    }
}
