//! One hash for rings, identities and look-ups: stable over processes, machines and versions, for rings
//! and cookies outlive all three.
//!
//! Folded multiplication of 8 bytes at a time (the idea of wyhash). Not for signatures.

use std::hash::{BuildHasherDefault, Hasher};

/// The hash of `bytes` under `seed`.
pub fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("chunks of eight bytes"));
        state = fold(state ^ word);
    }
    let mut last = [0; 8];
    last[..words.remainder().len()].copy_from_slice(words.remainder());
    state = fold(state ^ u64::from_le_bytes(last));
    fold(state ^ bytes.len() as u64)
}

fn fold(value: u64) -> u64 {
    // An even or zero operand would lose bits; the constant is odd and `value` is offset by another.
    let product = u128::from(value ^ 0xe703_7ed1_a0b4_28db) * 0xa076_1d64_78bd_642f;
    (product as u64) ^ (product >> 64) as u64
}

/// A hasher for tables whose keys come from the configuration, so nobody can make them collide.
#[derive(Default)]
pub struct FoldHasher(u64);

/// Builds [`FoldHasher`]s.
pub type FoldState = BuildHasherDefault<FoldHasher>;

impl Hasher for FoldHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0, bytes);
    }

    /// Strings end so; the length is in the hash already.
    fn write_u8(&mut self, _: u8) {}

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_what_it_is() {
        // A change here would move every session of every user.
        assert_eq!(hash(0, b""), hash(0, b""));
        assert_eq!(
            [hash(0, b""), hash(0, b"10.0.0.1:80"), hash(1, b"10.0.0.1:80")],
            [17_997_804_971_111_874_558, 16_828_283_875_167_138_034, 11_580_024_132_889_082_187]
        );
    }

    #[test]
    fn spreads() {
        let mut buckets = [0; 16];
        for number in 0..16_000 {
            buckets[(hash(7, format!("key{number}").as_bytes()) >> 60) as usize] += 1;
        }
        assert!(buckets.iter().all(|count| (850..1150).contains(count)), "{buckets:?}");
    }
}
