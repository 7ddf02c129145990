//! The conditions of a route besides its path.

use crate::decide::Request;
use crate::model::{Networks, Route, ValueMatch};

/// Why a request does not fulfil a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Miss<'r> {
    /// Another method.
    Method,
    /// A field, parameter or cookie: which kind, and its name.
    Value(&'static str, &'r str),
    /// The client is in none of the networks.
    Client,
}

/// Whether a request fulfils all conditions of a route but the path.
///
/// # Errors
/// The first that it does not.
pub fn check<'r>(route: &'r Route, request: &Request<'_>) -> Result<(), Miss<'r>> {
    let Some(route) = &route.others else { return Ok(()) };
    if !route.methods.is_empty() && !route.methods.iter().any(|method| method == request.method) {
        return Err(Miss::Method);
    }
    for (name, condition) in &route.headers {
        if !fulfils(condition, |test| any_field(request, name, test)) {
            return Err(Miss::Value("header", name));
        }
    }
    for (name, condition) in &route.queries {
        if !fulfils(condition, |test| any_parameter(request, name, test)) {
            return Err(Miss::Value("query", name));
        }
    }
    for (name, condition) in &route.cookies {
        if !fulfils(condition, |test| any_cookie(request, name, test)) {
            return Err(Miss::Value("cookie", name));
        }
    }
    match &route.client {
        Some(networks) if !Networks::contains(networks, request.client) => Err(Miss::Client),
        _ => Ok(()),
    }
}

/// Whether a condition holds over the values that `any` looks through: any of several will do, but with `not`
/// none may.
fn fulfils(condition: &ValueMatch, any: impl Fn(&dyn Fn(&[u8]) -> bool) -> bool + Copy) -> bool {
    match condition {
        ValueMatch::Present(wanted) => any(&|_| true) == *wanted,
        ValueMatch::Not(inner) => !fulfils(inner, any),
        ValueMatch::Exact(text) => any(&|value| value == text.as_bytes()),
        ValueMatch::Prefix(text) => any(&|value| value.starts_with(text.as_bytes())),
        ValueMatch::Regex(regex) => any(&|value| regex.is_match(value)),
        ValueMatch::In(texts) => any(&|value| texts.iter().any(|text| value == text.as_bytes())),
    }
}

fn any_field(request: &Request<'_>, name: &str, test: &dyn Fn(&[u8]) -> bool) -> bool {
    let mut found = false;
    request.fields.each(name, &mut |value| {
        found = test(value);
        !found
    });
    found
}

fn any_cookie(request: &Request<'_>, name: &str, test: &dyn Fn(&[u8]) -> bool) -> bool {
    any_field(request, "cookie", &|field| {
        wire::cookie::pairs(field).any(|(key, value)| key == name.as_bytes() && test(value))
    })
}

fn any_parameter(request: &Request<'_>, name: &str, test: &dyn Fn(&[u8]) -> bool) -> bool {
    // Allocates only where a name or value is escaped.
    let (mut key_scratch, mut value_scratch) = (Vec::new(), Vec::new());
    wire::uri::query_pairs(request.query.unwrap_or_default()).any(|(key, value)| {
        wire::uri::decode_form(key, &mut key_scratch) == name.as_bytes()
            && test(wire::uri::decode_form(value, &mut value_scratch))
    })
}
