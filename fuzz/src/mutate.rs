//! Changing stored inputs a little.

/// One change: which, where, how much, and a byte for it.
pub type Edit = (u8, u16, u16, u8);

/// A stored input, by any number, and what is changed in it.
pub type Mutation = (u16, Vec<Edit>);

/// Inputs never get longer than this.
const BYTES_MAX: usize = 8192;
/// More edits than this leave nothing of an input.
const EDITS_MAX: usize = 12;

/// The input that a mutation stands for.
pub fn apply(mutation: &Mutation, corpus: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let (base, edits) = mutation;
    let mut input = pick(corpus, *base).cloned().unwrap_or_default();
    for edit in edits.iter().take(EDITS_MAX) {
        change(&mut input, *edit, corpus, words);
        input.truncate(BYTES_MAX);
    }
    input
}

fn pick<T>(items: &[T], number: u16) -> Option<&T> {
    items.get(usize::from(number).checked_rem(items.len())?)
}

/// `number` of 65,536 parts of `length`.
fn place(number: u16, length: usize) -> usize {
    usize::from(number) * length / 0x1_0000
}

fn change(input: &mut Vec<u8>, (kind, at, amount, byte): Edit, corpus: &[Vec<u8>], words: &[&str]) {
    let start = place(at, input.len() + 1);
    // Small amounts are likelier than large ones.
    let end = input.len().min(start + usize::from(amount % 16) + if amount > 0xe000 { 64 } else { 0 });
    let word = pick(words, amount).copied().unwrap_or_default().as_bytes().to_vec();
    match kind % 12 {
        0 => replace(input, start..(start + 1).min(input.len()), &[byte]),
        1 => replace(input, start..start, &[byte]),
        2 => replace(input, start..end, &[]),
        3 => {
            let copy = input[start..end].to_vec();
            replace(input, end..end, &copy);
        }
        4 | 5 => replace(input, start..start, &word),
        6 => replace(input, start..end, &word),
        7 => splice(input, start, amount, byte, corpus),
        8 => input[start..end].iter_mut().for_each(|byte| *byte ^= 0x20),
        9 => replace(input, start..(start + 1).min(input.len()), SPECIAL[usize::from(byte) % SPECIAL.len()]),
        10 => replace(input, start..start, SPECIAL[usize::from(byte) % SPECIAL.len()]),
        _ => repeat(input, start..end, byte),
    }
}

/// Bytes that parsers stumble over.
const SPECIAL: [&[u8]; 20] = [
    b"\r", b"\n", b"\r\n", b"\0", b"\t", b" ", b":", b";", b",", b"=", b"\"", b"\\", b"%", b"/", b".", b"-",
    b"\x7f", b"\x80", b"\xff", b"\x0b",
];

fn replace(input: &mut Vec<u8>, range: std::ops::Range<usize>, with: &[u8]) {
    input.splice(range, with.iter().copied());
}

/// Goes on with the end of another input.
fn splice(input: &mut Vec<u8>, start: usize, other: u16, at: u8, corpus: &[Vec<u8>]) {
    let Some(other) = pick(corpus, other) else { return };
    let from = place(u16::from(at) << 8, other.len() + 1);
    input.truncate(start);
    input.extend_from_slice(&other[from..]);
}

/// Repeats a part, to get near bounds.
fn repeat(input: &mut Vec<u8>, range: std::ops::Range<usize>, times: u8) {
    let copy = input[range.clone()].repeat(usize::from(times));
    replace(input, range.end..range.end, &copy);
}
