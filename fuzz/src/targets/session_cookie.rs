//! The signed cookie that keeps a session on its server.

use crate::Target;
use policy::persistence::{CookieKeys, Freshness, sign, verify};

/// The signed cookie that keeps a session on its server.
pub const TARGET: Target = Target { name: "session_cookie", check, words: WORDS, iterations: 20_000 };

const WORDS: &[&str] = &["AQ", "A", "=", "_", "-", "+", "/", "AQAAAAAAAAAF", "\u{e4}", "%3D"];

const KEYS: CookieKeys = CookieKeys { current: [1; 32], previous: Some([2; 32]) };
const OLD: CookieKeys = CookieKeys { current: [2; 32], previous: None };
const SCOPE: u64 = 7;

fn check(input: &[u8]) -> String {
    let number = input.iter().fold(0_u64, |number, byte| number.rotate_left(8) ^ u64::from(*byte));
    check_changed(input, number);
    match verify(&KEYS, SCOPE, input) {
        None => format!("refused {}", input.len().min(36)),
        Some((identity, Freshness::Current)) => {
            assert_eq!(sign(&KEYS, SCOPE, identity).as_bytes(), input, "one text for one identity");
            assert_eq!(verify(&KEYS, SCOPE + 1, input), None, "another site");
            "current".to_owned()
        }
        Some((identity, Freshness::Previous)) => {
            assert_eq!(sign(&OLD, SCOPE, identity).as_bytes(), input, "one text for one identity");
            "previous".to_owned()
        }
    }
}

/// What is signed is verified; changed in any one place by bytes of the input, it is not.
fn check_changed(input: &[u8], identity: u64) {
    let value = sign(&KEYS, SCOPE, identity);
    assert_eq!(verify(&KEYS, SCOPE, value.as_bytes()), Some((identity, Freshness::Current)));
    for pair in input.chunks_exact(2).take(16) {
        let mut forged = value.clone().into_bytes();
        let at = usize::from(pair[0]) % forged.len();
        if forged[at] != pair[1] {
            forged[at] = pair[1];
            assert_eq!(verify(&KEYS, SCOPE, &forged), None, "byte {at} changed to {}", pair[1]);
        }
    }
}
