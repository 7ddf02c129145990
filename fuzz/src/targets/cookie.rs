//! `Cookie` and `Set-Cookie` fields.

use crate::Target;
use wire::cookie::{find, pairs, parse_set_cookie};

/// `Cookie` and `Set-Cookie` fields.
pub const TARGET: Target = Target { name: "cookie", check, words: WORDS, iterations: 50_000 };

const WORDS: &[&str] = &[
    "a=1", "; ", ";", "=", "==", " = ", "a", "\"", "\"a;b\"", ",", "Path=/", "HttpOnly", "\t", "ID=",
    "\u{e4}=1",
];

fn check(input: &[u8]) -> String {
    let found: Vec<_> = pairs(input).collect();
    assert_eq!(found, naive(input));
    for (name, value) in &found {
        for part in [name, value] {
            assert!(!part.contains(&b';') && part.trim_ascii() == *part);
        }
        assert!(!name.is_empty() && !name.contains(&b'='));
        if let Ok(name) = std::str::from_utf8(name) {
            let first = found.iter().find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| *value);
            assert_eq!(find(input, name), first, "the first of a name");
        }
    }
    assert!(find(input, "").is_none());
    let set = parse_set_cookie(input);
    if let Some(set) = set {
        assert_eq!(found.first(), Some(&set), "attributes follow the pair");
    }
    let repeated = (1..found.len()).any(|at| found[..at].iter().any(|(name, _)| *name == found[at].0));
    format!(
        "{} pairs{}{}{}",
        found.len().min(3),
        if repeated { " repeated" } else { "" },
        if set.is_some() { " set" } else { "" },
        if found.iter().any(|(_, value)| value.is_empty()) { " empty" } else { "" }
    )
}

/// Splits at semicolons, then at the first equals sign.
fn naive(field: &[u8]) -> Vec<(&[u8], &[u8])> {
    let mut found = Vec::new();
    for part in field.split(|byte| *byte == b';') {
        let mut halves = part.splitn(2, |byte| *byte == b'=');
        if let (Some(name), Some(value)) = (halves.next(), halves.next())
            && !name.trim_ascii().is_empty()
        {
            found.push((name.trim_ascii(), value.trim_ascii()));
        }
    }
    found
}
