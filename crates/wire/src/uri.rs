//! Paths in normal form, queries, authorities (RFC 3986).

use std::fmt::Write as _;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// `%` without two hexadecimal digits, or `%00`.
    #[error("invalid escape (RFC 3986 section 2.1)")]
    Escape,
    /// Dot segments that lead above the root.
    #[error("path above the root (RFC 3986 section 5.2.4)")]
    AboveRoot,
    /// An escaped slash or backslash, or a parameter (`;`), next to dots: servers differ on what that means.
    #[error("ambiguous path")]
    Ambiguous,
    /// A byte that may not stand in a path, or no slash at its start.
    #[error("invalid path (RFC 3986 section 3.3)")]
    Invalid,
}

/// Writes the normal form of a path (RFC 3986 section 6.2.2) to `out`, whatever was there: dot segments are removed,
/// escapes in upper case, escaped unreserved characters decoded; and repeated slashes count once. An empty path means
/// `/`, and `*` stays.
///
/// # Errors
/// When the path is invalid or means different things to different servers; `out` is empty then.
pub fn normalise(path: &[u8], out: &mut String) -> Result<(), UriError> {
    out.clear();
    if matches!(path, b"" | b"*") {
        out.push_str(if path.is_empty() { "/" } else { "*" });
        return Ok(());
    }
    if is_normal(path)? {
        out.push_str(std::str::from_utf8(path).map_err(|_| UriError::Invalid)?);
        return Ok(());
    }
    let mut bytes = std::mem::take(out).into_bytes();
    decode(path, &mut bytes)?;
    remove_dots(&mut bytes)?;
    *out = String::from_utf8(bytes).map_err(|_| UriError::Invalid)?;
    Ok(())
}

/// Whether there is nothing to do, in one pass.
fn is_normal(path: &[u8]) -> Result<bool, UriError> {
    if path[0] != b'/' {
        return Err(UriError::Invalid);
    }
    let mut normal = true;
    let mut last = 0;
    for byte in path {
        match byte {
            b'%' => normal = false,
            b'/' | b'.' if last == b'/' => normal = false,
            b'\\' => return Err(UriError::Invalid),
            byte if !byte.is_ascii_graphic() => return Err(UriError::Invalid),
            _ => {}
        }
        last = *byte;
    }
    Ok(normal)
}

/// Decodes what is unreserved, brings the other escapes to upper case.
fn decode(path: &[u8], out: &mut Vec<u8>) -> Result<(), UriError> {
    out.clear();
    let mut at = 0;
    while at < path.len() {
        if path[at] != b'%' {
            out.push(path[at]);
            at += 1;
            continue;
        }
        let byte = escaped(&path[at..]).ok_or(UriError::Escape)?;
        match byte {
            0 => return Err(UriError::Escape),
            b'-' | b'.' | b'_' | b'~' => out.push(byte),
            byte if byte.is_ascii_alphanumeric() => out.push(byte),
            byte => {
                out.push(b'%');
                out.extend_from_slice(&[hex(byte >> 4), hex(byte & 15)]);
            }
        }
        at += 3;
    }
    Ok(())
}

/// The byte that `%XX` at the start of `text` stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    u8::try_from(digit(1)? << 4 | digit(2)?).ok()
}

fn hex(nibble: u8) -> u8 {
    b"0123456789ABCDEF"[nibble as usize]
}

/// Removes dot segments and empty segments in place; what is written never gets ahead of what is read.
fn remove_dots(path: &mut Vec<u8>) -> Result<(), UriError> {
    let mut out = 0;
    let mut at = 0;
    while at < path.len() {
        // `at` is at a slash.
        let start = at + 1;
        let end = memchr::memchr(b'/', &path[start..]).map_or(path.len(), |slash| start + slash);
        let is_last = end == path.len();
        match &path[start..end] {
            b"" if !is_last => {}
            b"." => {
                if is_last {
                    path[out] = b'/';
                    out += 1;
                }
            }
            b".." => {
                out = memchr::memrchr(b'/', &path[..out]).ok_or(UriError::AboveRoot)?;
                if is_last {
                    path[out] = b'/';
                    out += 1;
                }
            }
            segment if is_ambiguous(segment) => return Err(UriError::Ambiguous),
            _ => {
                path.copy_within(at..end, out);
                out += end - at;
            }
        }
        at = end;
    }
    path.truncate(out);
    if path.is_empty() {
        path.push(b'/');
    }
    Ok(())
}

/// Whether a server that decodes `%2F` or `%5C`, or takes parameters (`..;x`) away, would see a dot segment here.
fn is_ambiguous(segment: &[u8]) -> bool {
    let mut rest = segment;
    let mut separated = false;
    loop {
        let separator = (0..rest.len()).find(|at| matches!(rest.get(*at..at + 3), Some(b"%2F" | b"%5C")));
        separated |= separator.is_some();
        let part = &rest[..separator.unwrap_or(rest.len())];
        let bare = part.split(|byte| *byte == b';').next().unwrap_or_default();
        if matches!(bare, b"." | b"..") && (separated || bare.len() < part.len()) {
            return true;
        }
        match separator {
            Some(at) => rest = &rest[at + 3..],
            None => return false,
        }
    }
}

/// The pairs of a query, not decoded; a name without `=` has an empty value.
pub fn query_pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        match memchr::memchr(b'=', pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        }
    })
}

/// The decoded value of the first parameter called `name` (itself compared decoded). Written to `scratch`
/// unless it needs no decoding.
pub fn query_value<'a>(query: &'a [u8], name: &str, scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    let value =
        query_pairs(query).find(|(key, _)| decodes_to(key, name.as_bytes())).map(|(_, value)| value)?;
    Some(decode_form(value, scratch))
}

/// Decodes `%XX` and `+`; a `%` that begins no escape stays.
pub fn decode_form<'a>(value: &'a [u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr2(b'%', b'+', value).is_none() {
        return value;
    }
    scratch.clear();
    scratch.extend(decoded(value));
    scratch
}

fn decodes_to(value: &[u8], text: &[u8]) -> bool {
    value == text || (memchr::memchr2(b'%', b'+', value).is_some() && decoded(value).eq(text.iter().copied()))
}

fn decoded(value: &[u8]) -> impl Iterator<Item = u8> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let byte = *value.get(at)?;
        at += 1;
        Some(match byte {
            b'+' => b' ',
            b'%' => match escaped(&value[at - 1..]) {
                Some(byte) => {
                    at += 2;
                    byte
                }
                None => b'%',
            },
            byte => byte,
        })
    })
}

/// An authority without user information: what may stand in `Host`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'a> {
    /// The host; an IPv6 address without its brackets.
    pub host: &'a [u8],
    /// The port.
    pub port: Option<u16>,
}

/// Splits and validates `host[:port]` (RFC 3986 section 3.2). An empty port counts as none.
pub fn split_authority(text: &[u8]) -> Option<Authority<'_>> {
    let (host, rest) = if let Some(inner) = text.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inner)?;
        let host = &inner[..end];
        std::str::from_utf8(host).ok()?.parse::<std::net::Ipv6Addr>().ok()?;
        (host, &inner[end + 1..])
    } else {
        let end = text.iter().position(|byte| !HOST_BYTES[usize::from(*byte)]).unwrap_or(text.len());
        let host = &text[..end];
        if host.is_empty() {
            return None;
        }
        (host, &text[end..])
    };
    let port = match rest {
        [] | [b':'] => None,
        [b':', digits @ ..] if digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit) => {
            let port = digits.iter().fold(0, |number: u32, digit| number * 10 + u32::from(digit - b'0'));
            Some(u16::try_from(port).ok()?)
        }
        _ => return None,
    };
    Some(Authority { host, port })
}

/// Letters, digits, and what names in use have besides. Escapes and sub-delimiters are legal in a URI's host,
/// but no name that resolves has them, and servers read them differently.
static HOST_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

/// Writes the host in the form in which hosts are compared to `out`, whatever was there: in lower case, without a dot
/// at the end; IPv6 addresses in their shortest form (RFC 5952). Only for hosts that were found valid.
pub fn normal_host(host: &[u8], out: &mut String) {
    out.clear();
    let host = match host {
        [name @ .., b'.'] if !name.is_empty() => name,
        name => name,
    };
    let host = std::str::from_utf8(host).unwrap_or_default();
    // Only an address has colons; `0::1` and `::1` are one.
    if host.contains(':')
        && let Ok(address) = host.parse::<std::net::Ipv6Addr>()
        && write!(out, "{address}").is_ok()
    {
        return;
    }
    out.push_str(host);
    out.make_ascii_lowercase();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(path: &[u8]) -> Result<String, UriError> {
        let mut out = "left over".to_owned();
        normalise(path, &mut out).map(|()| out)
    }

    #[track_caller]
    fn check(path: &str, expected: Result<&str, UriError>) {
        assert_eq!(normal(path.as_bytes()), expected.map(str::to_owned), "{path}");
    }

    #[test]
    fn normal_forms() {
        for (path, expected) in [
            ("/", "/"),
            ("", "/"),
            ("*", "*"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("//a///b", "/a/b"),
            ("/a//", "/a/"),
            ("/a/./b", "/a/b"),
            ("/a/.", "/a/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/b/../..", "/"),
            ("/.well-known/x", "/.well-known/x"),
            ("/...", "/..."),
            ("/a;v=1/.b;c", "/a;v=1/.b;c"),
            ("/%7euser", "/~user"),
            ("/%41", "/A"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%20b", "/a%20b"),
            ("/%e4%BD", "/%E4%BD"),
            ("/a/%2e%2e/b", "/b"),
            ("/a/.%2e", "/"),
            ("/group%2Fproject/..x", "/group%2Fproject/..x"),
        ] {
            check(path, Ok(expected));
        }
    }

    #[test]
    fn refused_paths() {
        for (path, error) in [
            ("/..", UriError::AboveRoot),
            ("/a/../../b", UriError::AboveRoot),
            ("/%2e%2e/", UriError::AboveRoot),
            ("/%", UriError::Escape),
            ("/%g0", UriError::Escape),
            ("/%4", UriError::Escape),
            ("/%00", UriError::Escape),
            ("/a/..%2fb", UriError::Ambiguous),
            ("/a/%2e%2e%2Fb", UriError::Ambiguous),
            ("/a/x%5c..", UriError::Ambiguous),
            ("/a/.%2f", UriError::Ambiguous),
            ("/a/..;/b", UriError::Ambiguous),
            ("/a/%2e%2e;x=1/b", UriError::Ambiguous),
            ("/a/.;", UriError::Ambiguous),
            ("/a%2f..;b", UriError::Ambiguous),
            ("/a\\b", UriError::Invalid),
            ("a/b", UriError::Invalid),
            ("/a b", UriError::Invalid),
            ("/\u{e4}", UriError::Invalid),
        ] {
            check(path, Err(error));
        }
    }

    #[test]
    fn queries() {
        let mut scratch = Vec::new();
        let query = b"a=1&b=x%20y+z&&c&%64=4&a=2&e=%zz";
        for (name, expected) in [
            ("a", Some("1")),
            ("b", Some("x y z")),
            ("c", Some("")),
            ("d", Some("4")),
            ("e", Some("%zz")),
            ("f", None),
        ] {
            assert_eq!(query_value(query, name, &mut scratch), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn authorities() {
        let split = |text: &'static str| {
            split_authority(text.as_bytes()).map(|authority| (authority.host, authority.port))
        };
        assert_eq!(split("a.b"), Some((b"a.b".as_slice(), None)));
        assert_eq!(split("a:"), Some((b"a".as_slice(), None)));
        assert_eq!(split("a:80"), Some((b"a".as_slice(), Some(80))));
        assert_eq!(split("[::1]:443"), Some((b"::1".as_slice(), Some(443))));
        assert_eq!(split("[::1]"), Some((b"::1".as_slice(), None)));
        for bad in [
            "", ":80", "a:b", "a:99999", "a:-1", "u@a", "a b", "[::1", "[a]", "[::1]x", "a/b", "a%41",
            "a:1:2",
        ] {
            assert_eq!(split(bad), None, "{bad}");
        }
        let mut host = String::new();
        for (text, expected) in [
            ("Shop.Example.COM.", "shop.example.com"),
            ("a", "a"),
            (".", "."),
            ("", ""),
            ("0::1", "::1"),
            ("2001:DB8:0:0:1:0:0:0", "2001:db8:0:0:1::"),
            ("::FFFF:10.0.0.1", "::ffff:10.0.0.1"),
        ] {
            normal_host(text.as_bytes(), &mut host);
            assert_eq!(host, expected);
        }
    }

    proptest! {
        #[test]
        fn normal_form_is_its_own_normal_form(path in "/[a./%2eEfF5cC~-]{0,24}") {
            if let Ok(once) = normal(path.as_bytes()) {
                prop_assert_eq!(normal(once.as_bytes()), Ok(once.clone()));
                prop_assert!(!once.contains("//"));
                prop_assert!(!once.split('/').any(|segment| segment == "." || segment == ".."));
            }
        }

        #[test]
        fn arbitrary_bytes_are_taken_calmly(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = normal(&bytes);
            let _ = query_value(&bytes, "a", &mut Vec::new());
            let _ = split_authority(&bytes);
            normal_host(&bytes, &mut String::new());
        }
    }
}
