//! The signed cookie that keeps a session on its server.

use crate::Target;
use policy::decide::Place;
use policy::persistence::{CookieKeys, Freshness, Ticket, sign, verify};

/// The signed cookie that keeps a session on its server.
pub const TARGET: Target = Target { name: "session_cookie", check, words: WORDS, iterations: 20_000 };

const WORDS: &[&str] = &["AQ", "A", "=", "_", "-", "+", "/", "AQAAAAAAAAAF", "AgAAAAAAAAAF", "\u{e4}", "%3D"];

const KEYS: CookieKeys = CookieKeys { current: [1; 32], previous: Some([2; 32]) };
const OLD: CookieKeys = CookieKeys { current: [2; 32], previous: None };
const SCOPE: u64 = 7;

fn check(input: &[u8]) -> String {
    let number = input.iter().fold(0_u64, |number, byte| number.rotate_left(8) ^ u64::from(*byte));
    check_changed(input, &ticket(number, 1 + input.len() % 8));
    match verify(&KEYS, SCOPE, input) {
        None => format!("refused {}", input.len().min(164)),
        Some((ticket, Freshness::Current)) => {
            assert_eq!(sign(&KEYS, SCOPE, &ticket).as_bytes(), input, "one text for one ticket");
            assert_eq!(verify(&KEYS, SCOPE + 1, input), None, "another site");
            format!("current {}", ticket.places.iter().len())
        }
        Some((ticket, Freshness::Previous)) => {
            assert_eq!(sign(&OLD, SCOPE, &ticket).as_bytes(), input, "one text for one ticket");
            format!("previous {}", ticket.places.iter().len())
        }
    }
}

/// A ticket with so many places.
fn ticket(number: u64, places: usize) -> Ticket {
    let place = |to| Place { to, server: number.wrapping_mul(u64::from(to) + 1) };
    Ticket {
        number: number as u32,
        issued: (number >> 32) as u32,
        places: (0..places as u32).map(place).collect(),
    }
}

/// What is signed is verified; changed in any one place by bytes of the input, it is not.
fn check_changed(input: &[u8], ticket: &Ticket) {
    let value = sign(&KEYS, SCOPE, ticket);
    assert_eq!(verify(&KEYS, SCOPE, value.as_bytes()), Some((ticket.clone(), Freshness::Current)));
    for pair in input.chunks_exact(2).take(16) {
        let mut forged = value.clone().into_bytes();
        let at = usize::from(pair[0]) % forged.len();
        if forged[at] != pair[1] {
            forged[at] = pair[1];
            assert_eq!(verify(&KEYS, SCOPE, &forged), None, "byte {at} changed to {}", pair[1]);
        }
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    /// The stored values that are named after what they are: `UPDATE=1` writes them anew.
    #[test]
    fn named_values_are_what_they_say() {
        let stranger = CookieKeys { current: [3; 32], previous: None };
        let one = ticket(5, 1);
        let value = sign(&KEYS, SCOPE, &one);
        for (name, stored, verdict) in [
            ("current", value.clone(), "current 1"),
            ("current-0", sign(&KEYS, SCOPE, &ticket(0, 1)), "current 1"),
            ("current-max", sign(&KEYS, SCOPE, &ticket(u64::MAX, 8)), "current 8"),
            ("previous", sign(&OLD, SCOPE, &one), "previous 1"),
            ("stranger", sign(&stranger, SCOPE, &one), "refused 50"),
            ("other-site", sign(&KEYS, SCOPE + 1, &one), "refused 50"),
            ("cut", value[..45].to_owned(), "refused 45"),
            ("longer", format!("{value}AAAA"), "refused 54"),
            ("padded", format!("{value}="), "refused 51"),
            ("quoted", format!("\"{value}\""), "refused 52"),
            ("version-1", "AQAAAAAAAAAFSybmwx1bPQg-yNkYH_Xyjg".to_owned(), "refused 34"),
            ("version-3", format!("Aw{}", &value[2..]), "refused 50"),
        ] {
            let path = crate::corpus::folder(TARGET.name).join(name);
            if std::env::var_os("UPDATE").is_some() {
                std::fs::write(&path, &stored).expect("the corpus can be written");
            }
            assert_eq!(std::fs::read_to_string(&path).ok(), Some(stored.clone()), "{name}");
            assert_eq!(check(stored.as_bytes()), verdict, "{name}");
        }
    }
}
