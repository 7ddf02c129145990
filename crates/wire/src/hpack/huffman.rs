//! The Huffman code of strings (RFC 7541 appendix B).

/// Bits of each byte's code. The code is canonical: codes of one length are consecutive, in the order of the bytes, and
/// longer ones follow shorter ones; so the lengths are all there is to know.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6,
    6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8,
    13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15,
    11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23,
    23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26,
    26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21,
    22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27,
    27, 26,
];

/// The longest code, which only the end of a string has besides some bytes.
const BITS_MAX: usize = 30;

/// Codes up to this length are looked up at once.
const QUICK_BITS: usize = 8;

/// For each length, the bytes whose codes have it.
struct Codes {
    /// The first code of that length, with as many bits.
    first: [u32; BITS_MAX + 1],
    /// How many there are.
    count: [u32; BITS_MAX + 1],
    /// Where their bytes begin in `bytes`.
    start: [u32; BITS_MAX + 1],
    bytes: [u8; 256],
    /// For each beginning, the byte and the length of its code; a length of 0 where the code is longer.
    quick: [(u8, u8); 1 << QUICK_BITS],
}

static CODES: Codes = Codes::new();

impl Codes {
    const fn new() -> Codes {
        let mut codes = Codes {
            first: [0; BITS_MAX + 1],
            count: [0; BITS_MAX + 1],
            start: [0; BITS_MAX + 1],
            bytes: [0; 256],
            quick: [(0, 0); 1 << QUICK_BITS],
        };
        let mut code: u32 = 0;
        let mut placed = 0;
        let mut length = 1;
        while length <= BITS_MAX {
            code <<= 1;
            codes.first[length] = code;
            codes.start[length] = placed as u32;
            let mut byte = 0;
            while byte < 256 {
                if LENGTHS[byte] as usize == length {
                    codes.bytes[placed] = byte as u8;
                    if length <= QUICK_BITS {
                        let spare = QUICK_BITS - length;
                        let mut at = 0;
                        while at < 1 << spare {
                            codes.quick[((code as usize) << spare) + at] = (byte as u8, length as u8);
                            at += 1;
                        }
                    }
                    placed += 1;
                    code += 1;
                }
                byte += 1;
            }
            codes.count[length] = placed as u32 - codes.start[length];
            length += 1;
        }
        codes
    }
}

/// Appends what `coded` stands for to `out`; `None` where it is no such string: it names the end, or its padding is longer
/// than a byte or not of ones.
pub fn decode(coded: &[u8], out: &mut Vec<u8>) -> Option<()> {
    // The bits to come are the upper ones.
    let mut bits: u64 = 0;
    let mut filled = 0;
    let mut rest = coded.iter();
    loop {
        while filled <= 56 {
            let Some(byte) = rest.next() else { break };
            bits |= u64::from(*byte) << (56 - filled);
            filled += 8;
        }
        let (byte, length) = CODES.quick[(bits >> (64 - QUICK_BITS)) as usize];
        let length = usize::from(length);
        if length > 0 && length <= filled {
            out.push(byte);
            bits <<= length;
            filled -= length;
            continue;
        }
        if filled < 8 && bits == mask(filled) {
            return Some(());
        }
        let (byte, length) = long(bits, filled)?;
        out.push(byte);
        bits <<= length;
        filled -= length;
    }
}

/// The upper `filled` bits.
fn mask(filled: usize) -> u64 {
    if filled == 0 { 0 } else { u64::MAX << (64 - filled) }
}

/// A code that is not among the quick ones.
fn long(bits: u64, filled: usize) -> Option<(u8, usize)> {
    for length in QUICK_BITS + 1..=BITS_MAX.min(filled) {
        let code = (bits >> (64 - length)) as u32;
        let ahead = code.wrapping_sub(CODES.first[length]);
        if ahead < CODES.count[length] {
            return Some((CODES.bytes[(CODES.start[length] + ahead) as usize], length));
        }
    }
    None
}
