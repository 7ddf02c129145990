//! Persistence: by a cookie of ours, or by a value of the application's own.

use super::general;
use super::together::{Place, at, together};
use crate::file::decode::Problems;
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{SameSite, Sticky, StickyBy, StickyCookie};
use crate::source::Diagnostic;
use std::time::Duration;
use wire::field::is_token;

/// How sessions of a pool are recognised.
pub fn resolve(own: &At<raw::Sticky>, place: Place, problems: &mut Problems) -> Option<Sticky> {
    let At { value: own, at: whole } = own;
    match (own.cookie.given(), own.by.given()) {
        (Some(cookie), Some(by)) => {
            let problem =
                Diagnostic::error(by.at, "`sticky` is by a cookie of ours, or by a value: not both");
            problems.push(problem.label("a value").other(cookie.at, "a cookie of ours"));
            None
        }
        (Some(cookie), None) => Some(Sticky::Cookie(sticky_cookie(cookie, own, place, problems))),
        (None, Some(by)) => {
            only_with_cookie(own, place, problems);
            Some(Sticky::By(StickyBy {
                expression: by.value.0.clone(),
                expire: general::time(&own.expire, Duration::from_secs(60 * 60)),
                max: own.max.value().map_or(1_000_000, |max| max.0 as usize),
            }))
        }
        (None, None) => {
            if own.cookie.is_absent() && own.by.is_absent() {
                let problem =
                    Diagnostic::error(*whole, "`sticky` says nothing of how a session is recognised");
                problems.push(problem.help("write `cookie: NAME` or `by: cookie.ID`"));
            }
            None
        }
    }
}

/// Attributes of a cookie make no sense on a value of the application's own.
fn only_with_cookie(own: &raw::Sticky, place: Place, problems: &mut Problems) {
    let fields = [
        (at(&own.path), "path"),
        (at(&own.domain), "domain"),
        (at(&own.secure), "secure"),
        (at(&own.http_only), "http_only"),
        (at(&own.same_site), "same_site"),
    ];
    for (key, name) in fields {
        if key.is_some() {
            let message = format!("`{name}` is an attribute of a cookie of ours");
            let finish = |found: Diagnostic| found.label("has no meaning with `by`");
            together(&message, &[key, at(&own.by)], place, problems, finish);
        }
    }
}

fn sticky_cookie(
    name: &At<String>,
    own: &raw::Sticky,
    place: Place,
    problems: &mut Problems,
) -> StickyCookie {
    if !is_token(name.value.as_bytes()) {
        let problem = Diagnostic::error(name.at, format!("`{}` cannot be a cookie's name", name.value));
        problems.push(problem.label("expected letters, digits, - and _"));
    }
    if let Some(max) = own.max.given() {
        let message = "`max` bounds the sessions that we remember";
        let finish = |found: Diagnostic| found.label("has no meaning with `cookie`: the client remembers");
        together(message, &[Some(max.at), Some(name.at)], place, problems, finish);
    }
    let cookie = StickyCookie {
        name: name.value.clone(),
        path: own.path.value().cloned().unwrap_or_else(|| "/".to_owned()),
        domain: own.domain.value().cloned(),
        expire: own.expire.value().map(|time| time.0),
        secure: own.secure.value().copied(),
        http_only: own.http_only.value().copied().unwrap_or(true),
        same_site: own.same_site.value().copied().unwrap_or_default(),
    };
    check_attributes(&cookie, own, place, problems);
    cookie
}

fn check_attributes(cookie: &StickyCookie, own: &raw::Sticky, place: Place, problems: &mut Problems) {
    // RFC 6265 section 4.1.1: an attribute ends at a semicolon or a control character.
    let broken = |value: &str| value.bytes().any(|byte| byte == b';' || byte <= b' ' || byte >= 0x7f);
    if let Some(path) = own.path.given().filter(|path| !path.value.starts_with('/') || broken(&path.value)) {
        let problem = Diagnostic::error(path.at, format!("`{}` is not a path of a cookie", path.value));
        problems.push(problem.label("expected a path such as /"));
    }
    if let Some(domain) = own.domain.given().filter(|domain| domain.value.is_empty() || broken(&domain.value))
    {
        let problem = Diagnostic::error(domain.at, format!("`{}` is not a domain", domain.value));
        problems.push(problem.label("expected a domain such as example.com"));
    }
    if let Some(same_site) = own.same_site.given()
        && cookie.same_site == SameSite::None
        && cookie.secure != Some(true)
    {
        let message = "`same_site: none` needs `secure: true`";
        let label = "browsers refuse such a cookie otherwise";
        let finish = |found: Diagnostic| found.label(label).help("add `secure: true`");
        together(message, &[Some(same_site.at), at(&own.secure)], place, problems, finish);
    }
    let prefixed = [("__Host-", cookie.path == "/" && cookie.domain.is_none()), ("__Secure-", true)];
    for (prefix, fits) in prefixed {
        if cookie.name.starts_with(prefix)
            && !(fits && cookie.secure == Some(true))
            && let Some(name) = own.cookie.given()
        {
            let message = format!(
                "a cookie named `{prefix}…` must be secure, and with `__Host-` have the path / and no domain"
            );
            let keys = [Some(name.at), at(&own.secure), at(&own.path), at(&own.domain)];
            let finish = |found: Diagnostic| found.label("browsers refuse it").help("add `secure: true`");
            together(&message, &keys, place, problems, finish);
        }
    }
}
