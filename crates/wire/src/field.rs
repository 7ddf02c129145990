//! The syntax of field names and values (RFC 9110 section 5).

/// Whether a byte may stand in a token (RFC 9110 section 5.6.2).
pub const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether these bytes are a token, and so may name a field.
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token_byte(*byte))
}

/// Whether these bytes may be a field's value (RFC 9110 section 5.5).
pub fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| matches!(byte, b'\t' | b' '..=b'~' | 0x80..))
}

/// The members of a list (RFC 9110 section 5.6.1), without white space around them and without empty ones.
/// A comma inside quotes does not separate.
pub fn list(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        loop {
            let (member, next) = split_member(rest?);
            rest = next;
            let member = member.trim_ascii();
            if !member.is_empty() {
                return Some(member);
            }
        }
    })
}

/// Splits at the first comma that is not quoted.
fn split_member(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&value[..at], Some(&value[at + 1..])),
            _ => {}
        }
    }
    (value, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists() {
        let members = |value: &'static str| list(value.as_bytes()).collect::<Vec<_>>();
        assert_eq!(members("a, b ,,c"), [b"a", b"b", b"c"]);
        assert_eq!(members(""), Vec::<&[u8]>::new());
        assert_eq!(members("a=\"x, \\\" y\", b"), [b"a=\"x, \\\" y\"".as_slice(), b"b"]);
    }

    #[test]
    fn tokens() {
        assert!(is_token(b"X-Request_Id.1"));
        for bad in [&b""[..], b"a b", b"a:", b"\x80", b"a\0", b"(a)"] {
            assert!(!is_token(bad));
        }
    }
}
