//! Why a request missed the routes before the one that was taken.

use super::{Request, Trace};
use crate::matching::{Miss, check, path_fits};
use crate::model::{Route, RouteId, Site, ValueMatch};
use crate::text::thousands;

/// Up to this many routes all are told of one by one; among more, only those whose path fits.
const ALL_TOLD_MAX: usize = 20;
/// Of routes whose path fits, no more than this are told of one by one.
const FITTING_TOLD_MAX: usize = 100;

/// Tells of the routes up to the one that was taken, in the order in which they are written.
pub(super) fn explain_routes<T: Trace>(
    site: &Site,
    taken: Option<RouteId>,
    request: &Request<'_>,
    trace: &mut T,
) {
    if !T::ON {
        return;
    }
    let missed = &site.routes[..taken.map_or(site.routes.len(), |route| route.0)];
    if missed.len() <= ALL_TOLD_MAX {
        for route in missed {
            trace.tell("route", false, || (route.name.to_string(), why_missed(route, request)));
        }
    } else {
        explain_many(missed, request, trace);
    }
    match taken {
        Some(route) => trace.tell("route", true, || {
            (site.routes[route.0].name.to_string(), "all conditions hold".to_owned())
        }),
        None => trace.tell("route", false, || (site.name.to_string(), "no route matches".to_owned())),
    }
}

/// Routes that differ in what nobody asked for are told of together.
fn explain_many(missed: &[Route], request: &Request<'_>, trace: &mut impl Trace) {
    let mut fitting = 0;
    let mut rest = missed;
    while let [first, ..] = rest {
        let fits = |route: &Route| path_fits(&route.path, request.path);
        if fits(first) && fitting < FITTING_TOLD_MAX {
            fitting += 1;
            trace.tell("route", false, || (first.name.to_string(), why_missed(first, request)));
            rest = &rest[1..];
            continue;
        }
        let first_fits = fits(first);
        let run = rest.iter().position(|route| fits(route) != first_fits).unwrap_or(rest.len());
        trace.tell("route", false, || {
            let routes = if run == 1 { "1 route".to_owned() } else { format!("{} routes", thousands(run)) };
            let why = if first_fits {
                "the path fits, another condition does not hold".to_owned()
            } else {
                path_misses(request)
            };
            (routes, why)
        });
        rest = &rest[run..];
    }
}

fn path_misses(request: &Request<'_>) -> String {
    format!("path {} does not fit", request.path)
}

fn why_missed(route: &Route, request: &Request<'_>) -> String {
    if !path_fits(&route.path, request.path) {
        return path_misses(request);
    }
    let conditions = route.conditions();
    match check(route, request) {
        Ok(()) => "an earlier route was taken".to_owned(),
        Err(Miss::Method) => format!("method {} is not {}", request.method, conditions.methods.join(" or ")),
        Err(Miss::Client) => {
            let networks = conditions.client.iter().flat_map(|networks| &networks.0);
            let networks: Vec<String> = networks.map(ToString::to_string).collect();
            format!("client {} is in none of {}", request.client, networks.join(", "))
        }
        Err(Miss::Value(kind, name)) => {
            let (all, values) = match kind {
                "header" => (&conditions.headers, fields(request, name)),
                "cookie" => (&conditions.cookies, cookies(request, name)),
                _ => (&conditions.queries, parameters(request, name)),
            };
            let got = match values.as_slice() {
                [] => "missing".to_owned(),
                values => listed(values.iter().map(Vec::as_slice)),
            };
            let wanted = all.iter().find(|(key, _)| key == name);
            let wanted = wanted.map(|(_, condition)| wanted_value(condition)).unwrap_or_default();
            format!("{kind} {name} is {got}; wanted: {wanted}")
        }
    }
}

fn fields(request: &Request<'_>, name: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    request.fields.each(name, &mut |value| {
        found.push(value.to_vec());
        true
    });
    found
}

fn cookies(request: &Request<'_>, name: &str) -> Vec<Vec<u8>> {
    let fields = fields(request, "cookie");
    let pairs = fields.iter().flat_map(|field| wire::cookie::pairs(field));
    pairs.filter(|(key, _)| *key == name.as_bytes()).map(|(_, value)| value.to_vec()).collect()
}

fn parameters(request: &Request<'_>, name: &str) -> Vec<Vec<u8>> {
    let decoded = |text: &[u8]| wire::uri::decode_form(text, &mut Vec::new()).to_vec();
    let pairs = wire::uri::query_pairs(request.query.unwrap_or_default());
    pairs.filter(|(key, _)| decoded(key) == name.as_bytes()).map(|(_, value)| decoded(value)).collect()
}

/// A condition in the words of the file.
fn wanted_value(condition: &ValueMatch) -> String {
    match condition {
        ValueMatch::Exact(text) => quoted(text.as_bytes()),
        ValueMatch::Present(true) => "present".to_owned(),
        ValueMatch::Present(false) => "not present".to_owned(),
        ValueMatch::Prefix(text) => format!("prefix {}", quoted(text.as_bytes())),
        ValueMatch::Regex(regex) => format!("regex {}", quoted(regex.as_str().as_bytes())),
        ValueMatch::In(texts) => format!("one of {}", listed(texts.iter().map(String::as_bytes))),
        ValueMatch::Not(inner) => format!("not {}", wanted_value(inner)),
    }
}

fn listed<'a>(values: impl Iterator<Item = &'a [u8]>) -> String {
    values.map(quoted).collect::<Vec<_>>().join(", ")
}

/// A value as it is shown: nothing in it acts on a terminal.
fn quoted(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    let shown: String = text
        .chars()
        .flat_map(|letter| {
            let (plain, escaped) = if letter.is_control() {
                (None, Some(letter.escape_default()))
            } else {
                (Some(letter), None)
            };
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect();
    format!("`{shown}`")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use regex::bytes::Regex;

    #[test]
    fn conditions_in_words() {
        let text = |text: &str| text.to_owned();
        for (condition, words) in [
            (ValueMatch::Exact(text("a")), "`a`"),
            (ValueMatch::Present(true), "present"),
            (ValueMatch::Not(Box::new(ValueMatch::Present(true))), "not present"),
            (ValueMatch::Not(Box::new(ValueMatch::Exact(text("z")))), "not `z`"),
            (ValueMatch::Prefix(text("a")), "prefix `a`"),
            (ValueMatch::Regex(Regex::new("^a").unwrap()), "regex `^a`"),
            (ValueMatch::In(vec![text("a"), text("b\u{1b}")]), "one of `a`, `b\\u{1b}`"),
        ] {
            assert_eq!(wanted_value(&condition), words);
        }
    }
}
