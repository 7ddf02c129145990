//! Paths, queries and authorities. The input is a target or an authority.

use crate::Target;
use wire::uri::{decode_form, normal_host, normalise, query_pairs, query_value, split_authority};

/// Paths, queries and authorities.
pub const TARGET: Target = Target { name: "uri", check, words: WORDS, iterations: 50_000 };

const WORDS: &[&str] = &[
    "/",
    "//",
    "/./",
    "/../",
    "/..",
    "%2e%2e",
    "%2F",
    "%5C",
    "%00",
    "%41",
    "%c3%a4",
    "%",
    "..%2f",
    "\\",
    "?",
    "&",
    "=",
    "+",
    "a=1",
    "*",
    "[::1]",
    "[0:0::0001]",
    ":80",
    "65536",
    "a.example",
    "A.EXAMPLE.",
    "@",
    "#",
    "\u{e4}",
];

fn check(input: &[u8]) -> String {
    let (path, query) = match input.iter().position(|byte| *byte == b'?') {
        Some(at) => (&input[..at], &input[at + 1..]),
        None => (input, &[][..]),
    };
    format!("{}; {}; {}", check_path(path), check_query(query), check_authority(input))
}

fn check_path(path: &[u8]) -> String {
    let mut normal = "left over".to_owned();
    if let Err(error) = normalise(path, &mut normal) {
        return format!("path refused {error:?}");
    }
    assert!(normal == "*" || normal.starts_with('/'));
    assert!(normal.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\'));
    assert!(!normal.contains("//"));
    assert!(!normal.split('/').any(|segment| matches!(segment, "." | "..")), "{normal}");
    // Nor after a server has decoded slashes and cleaned up.
    let decoded = normal.replace("%2F", "/").replace("%5C", "/");
    assert!(
        !decoded.split('/').any(|segment| matches!(segment, "." | "..")) || !normal.contains('%'),
        "{normal}"
    );
    let mut again = String::new();
    normalise(normal.as_bytes(), &mut again).expect("a normal form is a path");
    assert_eq!(again, normal, "the normal form of a normal form");
    let escapes = normal.match_indices('%').map(|(at, _)| &normal[at + 1..at + 3]);
    for escape in escapes {
        let byte = u8::from_str_radix(escape, 16).expect("two hexadecimal digits");
        assert!(!escape.bytes().any(|digit| digit.is_ascii_lowercase()));
        assert!(!(byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) && byte != 0, "%{escape}");
    }
    format!(
        "path{}{}",
        if normal.as_bytes() == path { "" } else { " changed" },
        if normal.contains('%') { " escaped" } else { "" }
    )
}

fn check_query(query: &[u8]) -> String {
    let pairs: Vec<_> = query_pairs(query).collect();
    let mut decoded = 0;
    for (name, value) in &pairs {
        assert!(!name.contains(&b'&') && !value.contains(&b'&') && !name.contains(&b'='));
        let mut scratch = Vec::new();
        let plain = decode_form(value, &mut scratch);
        assert!(plain.len() <= value.len(), "decoding never makes longer");
        decoded += usize::from(plain != *value);
        // The first of a name is the one that is found.
        let Ok(name) = std::str::from_utf8(name) else { continue };
        if name.contains(['%', '+']) {
            continue;
        }
        let mut keys = (Vec::new(), Vec::new());
        let first = pairs.iter().find(|(key, _)| decode_form(key, &mut keys.0) == name.as_bytes());
        let (_, first) = first.expect("the pair itself");
        let expected = decode_form(first, &mut keys.1).to_vec();
        assert_eq!(query_value(query, name, &mut Vec::new()), Some(expected.as_slice()), "{name}");
    }
    format!("{} pairs{}", pairs.len().min(2), if decoded > 0 { " decoded" } else { "" })
}

fn check_authority(text: &[u8]) -> String {
    let Some(authority) = split_authority(text) else { return "no authority".to_owned() };
    let is_v6 = text.starts_with(b"[");
    assert!(
        !authority.host.is_empty() && text.windows(authority.host.len()).any(|part| part == authority.host)
    );
    assert!(authority.host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(byte)));
    assert_eq!(authority.host.contains(&b':'), is_v6);
    if let Some(port) = authority.port {
        let digits = text.rsplit(|byte| *byte == b':').next().unwrap_or_default();
        assert_eq!(std::str::from_utf8(digits).expect("digits").parse(), Ok(port));
    }
    let (mut normal, mut again) = ("left over".to_owned(), String::new());
    normal_host(authority.host, &mut normal);
    normal_host(normal.as_bytes(), &mut again);
    assert!(!normal.bytes().any(|byte| byte.is_ascii_uppercase()));
    if is_v6 {
        let address: std::net::Ipv6Addr = normal.parse().expect("an address stays one");
        let text = std::str::from_utf8(authority.host).expect("an address is ASCII");
        assert_eq!(text.parse(), Ok(address), "the address itself");
        assert_eq!(normal, address.to_string(), "all spellings of an address are compared alike");
    }
    assert!(again == normal || normal.ends_with('.'), "only names that end in two dots change twice");
    format!(
        "authority{}{}",
        if is_v6 { " v6" } else { "" },
        if authority.port.is_some() { " port" } else { "" }
    )
}
