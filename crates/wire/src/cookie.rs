//! Cookies as servers read them (RFC 6265 section 5, leniently).

/// The pairs of a `Cookie` field, in order. Quotes around a value are a part of it.
pub fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    field.split(|byte| *byte == b';').filter_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        let name = pair[..at].trim_ascii();
        (!name.is_empty()).then(|| (name, pair[at + 1..].trim_ascii()))
    })
}

/// The first value of the cookie called `name`. Names are case-sensitive.
pub fn find<'a>(field: &'a [u8], name: &str) -> Option<&'a [u8]> {
    pairs(field).find(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value)
}

/// Name and value of a `Set-Cookie` field.
pub fn parse_set_cookie(field: &[u8]) -> Option<(&[u8], &[u8])> {
    pairs(field.split(|byte| *byte == b';').next()?).next()
}

/// Whether a name may be that of a cookie (RFC 6265 section 4.1.1: a token).
pub fn is_name(name: &str) -> bool {
    crate::field::is_token(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies() {
        let field = b"a=1; b = x=y ;;c; =d; e=\"q\"; a=2";
        for (name, expected) in
            [("a", Some("1")), ("b", Some("x=y")), ("c", None), ("", None), ("e", Some("\"q\"")), ("A", None)]
        {
            assert_eq!(find(field, name), expected.map(str::as_bytes), "{name}");
        }
    }

    #[test]
    fn set_cookies() {
        assert_eq!(parse_set_cookie(b"ID=7; Path=/; X=1"), Some((b"ID".as_slice(), b"7".as_slice())));
        assert_eq!(parse_set_cookie(b"ID"), None);
        assert_eq!(parse_set_cookie(b"; ID=7"), None);
    }
}
