//! The cookie that keeps a session on its servers.
//!
//! It says which server for each `to` that the session has reached, in numbers that tell nothing to anybody else, and
//! is signed together with its site, so that nobody can choose a server or carry a cookie from one site to another.
//! Pools of one site share it, and none drops what another has written.

use crate::decide::{PLACES_MAX, Place, Places};
use crate::model::{SameSite, StickyCookie};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Version, number, time of issue.
const HEAD_BYTES: usize = 1 + 4 + 4;
/// The `to`, and the server's identity.
const PLACE_BYTES: usize = 4 + 8;
/// HMAC-SHA256, cut to 128 bits (RFC 2104 section 5).
const SIGNATURE_BYTES: usize = 16;
const BYTES_MAX: usize = HEAD_BYTES + PLACES_MAX * PLACE_BYTES + SIGNATURE_BYTES;
const VERSION: u8 = 2;

/// The keys that sign and verify.
#[derive(Clone)]
pub struct CookieKeys {
    /// Signs, and verifies.
    pub current: [u8; 32],
    /// Verifies still; cookies under it are issued anew.
    pub previous: Option<[u8; 32]>,
}

/// Under which key a cookie is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// The current one.
    Current,
    /// The one before.
    Previous,
}

/// What a cookie says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ticket {
    /// Drawn when the session began: parallel requests of one session that need a new place agree by it.
    pub number: u32,
    /// When it was issued, in seconds since 1970.
    pub issued: u32,
    /// Where the session is; never empty in a cookie.
    pub places: Places,
}

/// The value of a cookie that says this, on the site with that scope.
pub fn sign(keys: &CookieKeys, scope: u64, ticket: &Ticket) -> String {
    let mut bytes = Vec::with_capacity(BYTES_MAX);
    bytes.push(VERSION);
    bytes.extend_from_slice(&ticket.number.to_be_bytes());
    bytes.extend_from_slice(&ticket.issued.to_be_bytes());
    for place in ticket.places.iter() {
        bytes.extend_from_slice(&place.to.to_be_bytes());
        bytes.extend_from_slice(&place.server.to_be_bytes());
    }
    let signature = mac(&keys.current, scope, &bytes).finalize().into_bytes();
    bytes.extend_from_slice(&signature[..SIGNATURE_BYTES]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a cookie's value says, if the value is ours.
pub fn verify(keys: &CookieKeys, scope: u64, value: &[u8]) -> Option<(Ticket, Freshness)> {
    let mut bytes = [0; BYTES_MAX];
    let length = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()?;
    let (said, signature) = bytes[..length].split_at(length.checked_sub(SIGNATURE_BYTES)?);
    let (head, places) = said.split_at_checked(HEAD_BYTES)?;
    if head[0] != VERSION || places.is_empty() || places.len() % PLACE_BYTES != 0 {
        return None;
    }
    let is_valid = |key: &[u8; 32]| mac(key, scope, said).verify_truncated_left(signature).is_ok();
    let freshness = if is_valid(&keys.current) {
        Freshness::Current
    } else {
        keys.previous.as_ref().is_some_and(is_valid).then_some(Freshness::Previous)?
    };
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let place = |bytes: &[u8]| Place {
        to: number(&bytes[..4]),
        server: u64::from_be_bytes(bytes[4..].try_into().expect("eight bytes")),
    };
    let places = places.chunks_exact(PLACE_BYTES).map(place).collect();
    Some((Ticket { number: number(&head[1..5]), issued: number(&head[5..]), places }, freshness))
}

fn mac(key: &[u8; 32], scope: u64, said: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"tidegate session cookie");
    mac.update(&scope.to_be_bytes());
    mac.update(said);
    mac
}

/// The value of a `Set-Cookie` field (RFC 6265 section 4.1). `tls`: whether the client came over TLS.
pub fn set_cookie(cookie: &StickyCookie, value: &str, tls: bool) -> String {
    let mut text = format!("{}={value}; Path={}", cookie.name, cookie.path);
    if let Some(domain) = &cookie.domain {
        text.push_str("; Domain=");
        text.push_str(domain);
    }
    if let Some(expire) = cookie.expire {
        text.push_str(&format!("; Max-Age={}", expire.as_secs()));
    }
    if cookie.secure.unwrap_or(tls) {
        text.push_str("; Secure");
    }
    if cookie.http_only {
        text.push_str("; HttpOnly");
    }
    text.push_str(match cookie.same_site {
        SameSite::Lax => "; SameSite=Lax",
        SameSite::Strict => "; SameSite=Strict",
        SameSite::None => "; SameSite=None",
    });
    text
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const KEYS: CookieKeys = CookieKeys { current: [1; 32], previous: Some([2; 32]) };

    fn ticket(places: u32) -> Ticket {
        let place = |to| Place { to, server: 0x0123_4567_89ab_cdef ^ u64::from(to) };
        Ticket { number: 9, issued: 1_800_000_000, places: (0..places).map(place).collect() }
    }

    #[test]
    fn what_was_signed_is_verified() {
        let old = CookieKeys { current: [2; 32], previous: None };
        for (places, length) in [(1, 50), (2, 66), (8, 162)] {
            let value = sign(&KEYS, 7, &ticket(places));
            assert_eq!(value.len(), length);
            assert_eq!(verify(&KEYS, 7, value.as_bytes()), Some((ticket(places), Freshness::Current)));
            let value = sign(&old, 7, &ticket(places));
            assert_eq!(verify(&KEYS, 7, value.as_bytes()), Some((ticket(places), Freshness::Previous)));
        }
    }

    #[test]
    fn nothing_else_is() {
        let value = sign(&KEYS, 7, &ticket(2));
        assert_eq!(verify(&KEYS, 8, value.as_bytes()), None, "another site");
        let stranger = CookieKeys { current: [3; 32], previous: None };
        assert_eq!(verify(&stranger, 7, value.as_bytes()), None, "another key");
        for at in 0..value.len() {
            let mut forged = value.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(verify(&KEYS, 7, &forged), None, "byte {at} changed");
        }
        let empty = sign(&KEYS, 7, &ticket(0));
        // Of the format before, signed as it was.
        let old = "AQAAAAAAAAAFSybmwx1bPQg-yNkYH_Xyjg";
        for bad in [
            "",
            "x",
            old,
            &empty,
            &value[..16],
            &value[..50],
            &format!("{value}A"),
            &value.repeat(4),
            "\u{e4}\u{f6}",
        ] {
            assert_eq!(verify(&KEYS, 7, bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn attributes() {
        let mut cookie = StickyCookie {
            name: "tidegate".into(),
            path: "/".into(),
            domain: None,
            expire: None,
            secure: None,
            http_only: true,
            same_site: SameSite::Lax,
        };
        assert_eq!(set_cookie(&cookie, "v", true), "tidegate=v; Path=/; Secure; HttpOnly; SameSite=Lax");
        assert_eq!(set_cookie(&cookie, "v", false), "tidegate=v; Path=/; HttpOnly; SameSite=Lax");
        cookie.domain = Some("a.b".into());
        cookie.expire = Some(std::time::Duration::from_secs(60));
        cookie.secure = Some(true);
        cookie.http_only = false;
        cookie.same_site = SameSite::None;
        assert_eq!(
            set_cookie(&cookie, "v", false),
            "tidegate=v; Path=/; Domain=a.b; Max-Age=60; Secure; SameSite=None"
        );
    }
}
