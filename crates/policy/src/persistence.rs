//! The cookie that keeps a session on its server.
//!
//! It says which server, in a number that tells nothing to anybody else, and is signed together with its site, so
//! that nobody can choose a server or carry a cookie from one site to another.

use crate::model::{SameSite, StickyCookie};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Version, identity, signature.
const BYTES: usize = 1 + 8 + SIGNATURE_BYTES;
/// HMAC-SHA256, cut to 128 bits (RFC 2104 section 5).
const SIGNATURE_BYTES: usize = 16;
const VERSION: u8 = 1;

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

/// The value of a cookie for the server with that identity, on the site with that scope.
pub fn sign(keys: &CookieKeys, scope: u64, identity: u64) -> String {
    let mut bytes = [0; BYTES];
    bytes[0] = VERSION;
    bytes[1..9].copy_from_slice(&identity.to_be_bytes());
    let signature = mac(&keys.current, scope, identity).finalize().into_bytes();
    bytes[9..].copy_from_slice(&signature[..SIGNATURE_BYTES]);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The identity that a cookie's value names, if the value is ours.
pub fn verify(keys: &CookieKeys, scope: u64, value: &[u8]) -> Option<(u64, Freshness)> {
    let mut bytes = [0; BYTES];
    let length = URL_SAFE_NO_PAD.decode_slice(value, &mut bytes).ok()?;
    if length != BYTES || bytes[0] != VERSION {
        return None;
    }
    let identity = u64::from_be_bytes(bytes[1..9].try_into().expect("eight bytes"));
    let is_valid = |key: &[u8; 32]| mac(key, scope, identity).verify_truncated_left(&bytes[9..]).is_ok();
    if is_valid(&keys.current) {
        Some((identity, Freshness::Current))
    } else {
        keys.previous.as_ref().is_some_and(is_valid).then_some((identity, Freshness::Previous))
    }
}

fn mac(key: &[u8; 32], scope: u64, identity: u64) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"tidegate session cookie");
    mac.update(&[VERSION]);
    mac.update(&scope.to_be_bytes());
    mac.update(&identity.to_be_bytes());
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

    #[test]
    fn what_was_signed_is_verified() {
        let value = sign(&KEYS, 7, 0x0123_4567_89ab_cdef);
        assert_eq!(value.len(), 34);
        assert_eq!(verify(&KEYS, 7, value.as_bytes()), Some((0x0123_4567_89ab_cdef, Freshness::Current)));
        let old = CookieKeys { current: [2; 32], previous: None };
        let value = sign(&old, 7, 5);
        assert_eq!(verify(&KEYS, 7, value.as_bytes()), Some((5, Freshness::Previous)));
    }

    #[test]
    fn nothing_else_is() {
        let value = sign(&KEYS, 7, 5);
        assert_eq!(verify(&KEYS, 8, value.as_bytes()), None, "another site");
        let stranger = CookieKeys { current: [3; 32], previous: None };
        assert_eq!(verify(&stranger, 7, value.as_bytes()), None, "another key");
        for at in 0..value.len() {
            let mut forged = value.clone().into_bytes();
            forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
            assert_eq!(verify(&KEYS, 7, &forged), None, "byte {at} changed");
        }
        for bad in ["", "x", &value[..30], &format!("{value}A"), "\u{e4}\u{f6}"] {
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
