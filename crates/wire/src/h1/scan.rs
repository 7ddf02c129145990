//! Where a run of bytes ends, found eight bytes at a time.
//!
//! Eight bytes are one number here. What is taken from each of them borrows from the next one above, what is added
//! carries over to it; so the signs that this leaves are hints, each to be looked at, but none is missing.

/// A kind of byte that runs of others end at.
pub(super) trait Stop {
    /// Which of [`KINDS`] it is.
    const KIND: u8;

    /// The highest bit of each byte that may be a stop.
    fn hints(bytes: u64) -> u64;
}

/// What no value may have (RFC 9110 section 5.5): control characters except the tab. The end of a line is one.
pub(super) enum Control {}

/// What no token may have (RFC 9110 section 5.6.2). The colon behind a name is one.
pub(super) enum NotToken {}

/// What ends a target, or makes it one to be looked at with care, and the question mark.
pub(super) enum NotInPath {}

impl Stop for Control {
    const KIND: u8 = 1;

    #[inline]
    fn hints(bytes: u64) -> u64 {
        let low = bytes.wrapping_sub(each(0x20));
        let delete = bytes.wrapping_add(each(1));
        (low | delete) & !bytes
    }
}

impl Stop for NotToken {
    const KIND: u8 = 2;

    #[inline]
    fn hints(bytes: u64) -> u64 {
        // All but letters, which names are made of but for a dash or two.
        let letters = bytes | each(0x20);
        letters.wrapping_sub(each(b'a')) | each(b'z').wrapping_sub(letters)
    }
}

impl Stop for NotInPath {
    const KIND: u8 = 4;

    #[inline]
    fn hints(bytes: u64) -> u64 {
        let equal = |byte| {
            let differences = bytes ^ each(byte);
            differences.wrapping_sub(each(1)) & !differences
        };
        let graphic = bytes.wrapping_sub(each(b'!')) | bytes.wrapping_add(each(1)) | bytes;
        graphic | equal(b'#') | equal(b'?') | equal(b'\\')
    }
}

/// Of each byte, the kinds of stops that it is.
static KINDS: [u8; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if matches!(byte, 0..=0x1f | 0x7f) && byte != b'\t' {
            table[at] |= Control::KIND;
        }
        if !crate::field::is_token_byte(byte) {
            table[at] |= NotToken::KIND;
        }
        if !byte.is_ascii_graphic() || matches!(byte, b'#' | b'?' | b'\\') {
            table[at] |= NotInPath::KIND;
        }
        at += 1;
    }
    table
};

/// Eight times this byte.
#[inline]
const fn each(byte: u8) -> u64 {
    u64::from_ne_bytes([byte; 8])
}

/// The first place that is a stop; the length of `bytes` if there is none.
#[inline]
pub(super) fn find<S: Stop>(bytes: &[u8]) -> usize {
    let mut at = 0;
    let mut rest = bytes;
    while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
        let mut hints = S::hints(u64::from_le_bytes(*eight)) & each(0x80);
        while hints != 0 {
            let place = (hints.trailing_zeros() / 8) as usize;
            if is::<S>(eight[place]) {
                return at + place;
            }
            hints &= hints - 1;
        }
        at += 8;
        rest = behind;
    }
    at + rest.iter().position(|byte| is::<S>(*byte)).unwrap_or(rest.len())
}

#[inline]
fn is<S: Stop>(byte: u8) -> bool {
    KINDS[usize::from(byte)] & S::KIND != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each byte, at each place of a buffer of each length, behind each byte that could confuse.
    fn check<S: Stop>(plain: u8) {
        for byte in 0..=u8::MAX {
            for length in 1..20 {
                for place in 0..length {
                    for before in [plain, b'\t', b'-', b'0', 0x80, 0xff] {
                        let mut buffer = vec![plain; length];
                        buffer[place.saturating_sub(1)] = before;
                        buffer[place] = byte;
                        let first = buffer.iter().position(|byte| is::<S>(*byte)).unwrap_or(length);
                        assert_eq!(find::<S>(&buffer), first, "{buffer:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn many_bytes_at_a_time_are_one_after_the_other() {
        check::<Control>(b'a');
        check::<NotToken>(b'a');
        check::<NotInPath>(b'/');
    }
}
