//! Routes: their conditions, and what is used on the way.

use super::filters::{self, Used};
use super::sites::Context;
use super::{general, path, target};
use crate::file::decode::{Field, Named};
use crate::file::raw;
use crate::file::tree::At;
use crate::model::{Conditions, Networks, OwnTimeouts, PathPattern, Route, ValueMatch};
use crate::source::{Diagnostic, Span};
use regex::bytes::RegexBuilder;
use std::sync::Arc;
use wire::field::is_token;

/// Reads a route. `None` if a condition or its target is broken: nothing can be said of it then.
pub fn resolve(
    own: &At<raw::Route>,
    name: String,
    times: Option<&Arc<OwnTimeouts>>,
    site_filters: Used,
    context: &mut Context,
) -> Option<Route> {
    let At { value: own, at } = own;
    if own.to.is_absent() {
        let problem = Diagnostic::error(*at, "a route without `to`");
        context.problems.push(problem.label("where does it lead?").help("write `to: POOL`"));
    }
    let path = match &own.path {
        Field::Absent => Some(PathPattern::Any),
        Field::Broken => None,
        Field::Given(given) => path::resolve(given, context.problems),
    };
    // Without the path nobody knows what the target's texts may use.
    let to = match (&path, own.to.given()) {
        (Some(path), Some(to)) => target::resolve(to, path, context),
        _ => None,
    };
    let used = filters::of_route(own, site_filters, context);
    if let (Some(to), Some(target)) = (own.to.given(), &to) {
        filters::check(used, to, target, context);
    }
    let headers = conditions(&own.header, Kind::Header, context);
    let queries = conditions(&own.query, Kind::Query, context);
    let cookies = conditions(&own.cookie, Kind::Cookie, context);
    let client = networks(own, context);
    let methods = methods(own, context);
    let others = Conditions {
        methods: methods?,
        headers: headers?,
        queries: queries?,
        cookies: cookies?,
        client: client?,
    };
    Some(Route {
        name: name.into(),
        path: path?,
        others: others.kept(),
        to: to?,
        grpc_web: used.grpc_web(),
        own_timeouts: general::request_timeouts(&own.timeouts, times),
        at: *at,
    })
}

/// A route that only has a target: what a site's `to` stands for.
pub fn of_target(
    to: &At<raw::Target>,
    times: Option<&Arc<OwnTimeouts>>,
    used: Used,
    context: &mut Context,
) -> Option<Route> {
    let target = target::resolve(to, &PathPattern::Any, context)?;
    filters::check(used, to, &target, context);
    Some(Route {
        name: "*".into(),
        path: PathPattern::Any,
        others: None,
        to: target,
        grpc_web: used.grpc_web(),
        own_timeouts: times.cloned(),
        at: to.at,
    })
}

/// The methods; none means any. `None` if they are broken.
fn methods(own: &raw::Route, context: &mut Context) -> Option<Vec<String>> {
    let given = match &own.method {
        Field::Absent => return Some(Vec::new()),
        Field::Broken => return None,
        Field::Given(given) => given,
    };
    if given.value.0.is_empty() {
        let problem = Diagnostic::error(given.at, "no method at all");
        context.problems.push(problem.label("no request has one of an empty list"));
        return None;
    }
    let mut methods: Vec<String> = Vec::with_capacity(given.value.0.len());
    for method in &given.value.0 {
        if !methods.contains(&method.value.0) {
            methods.push(method.value.0.clone());
        }
    }
    Some(methods)
}

/// The networks; `Some(None)` means any client, `None` that they are broken.
fn networks(own: &raw::Route, context: &mut Context) -> Option<Option<Networks>> {
    match &own.client {
        Field::Absent => Some(None),
        Field::Broken => None,
        Field::Given(given) if given.value.0.is_empty() => {
            let problem = Diagnostic::error(given.at, "no network at all");
            context.problems.push(problem.label("no client is in an empty list"));
            None
        }
        Field::Given(_) => Some(general::networks(&own.client)),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Header,
    Query,
    Cookie,
}

/// Conditions on values; names of fields in lower case. `None` if one is broken: without it the route would
/// take requests that it was not meant for.
fn conditions(
    field: &Field<Named<raw::ValueMatch>>,
    kind: Kind,
    context: &mut Context,
) -> Option<Vec<(String, ValueMatch)>> {
    let given = match field {
        Field::Absent => return Some(Vec::new()),
        Field::Broken => return None,
        Field::Given(given) => &given.value.0,
    };
    if kind == Kind::Header {
        same_fields(given, context);
    }
    let read: Vec<_> =
        given.iter().filter_map(|(name, value)| named_condition(name, value, kind, context)).collect();
    (read.len() == given.len()).then_some(read)
}

/// Names of fields that differ in the case of letters only are one name, and have one condition.
fn same_fields(given: &[(At<String>, Field<raw::ValueMatch>)], context: &mut Context) {
    for (index, (name, _)) in given.iter().enumerate() {
        let same = |(other, _): &&(At<String>, _)| other.value.eq_ignore_ascii_case(&name.value);
        if let Some((first, _)) = given[..index].iter().find(same) {
            let problem = Diagnostic::error(name.at, format!("the field `{}` is there twice", name.value))
                .label("again here");
            let problem = problem.other(first.at, "first here");
            context.problems.push(problem.help("the case of letters makes no difference in names of fields"));
        }
    }
}

fn named_condition(
    name: &At<String>,
    value: &Field<raw::ValueMatch>,
    kind: Kind,
    context: &mut Context,
) -> Option<(String, ValueMatch)> {
    if kind != Kind::Query && !is_token(name.value.as_bytes()) {
        let noun = if kind == Kind::Header { "field" } else { "cookie" };
        let problem = Diagnostic::error(name.at, format!("`{}` is not the name of a {noun}", name.value));
        context.problems.push(problem.label("no request can have it"));
    }
    let value = condition(&value.given()?.value, context)?.simplified();
    let name = if kind == Kind::Header { name.value.to_ascii_lowercase() } else { name.value.clone() };
    Some((name, value))
}

fn condition(own: &raw::ValueMatch, context: &mut Context) -> Option<ValueMatch> {
    Some(match own {
        raw::ValueMatch::Exact(text) => ValueMatch::Exact(text.clone()),
        raw::ValueMatch::Present(present) => ValueMatch::Present(*present),
        raw::ValueMatch::Prefix(text) => ValueMatch::Prefix(text.clone()),
        raw::ValueMatch::Regex(regex) => ValueMatch::Regex(value_regex(&regex.value, regex.at, context)?),
        raw::ValueMatch::In(texts) => {
            if texts.value.is_empty() {
                let problem = Diagnostic::error(texts.at, "no text at all");
                context.problems.push(problem.label("no value is in an empty list"));
                return None;
            }
            ValueMatch::In(texts.value.iter().map(|text| text.value.clone()).collect())
        }
        raw::ValueMatch::Not(inner) => ValueMatch::Not(Box::new(condition(inner, context)?)),
    })
}

fn value_regex(text: &str, at: Span, context: &mut Context) -> Option<regex::bytes::Regex> {
    match RegexBuilder::new(text).size_limit(path::REGEX_BYTES_MAX).build() {
        Ok(regex) => Some(regex),
        Err(error) => {
            context.problems.push(path::broken_regex(&error, at));
            None
        }
    }
}
