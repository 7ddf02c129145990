//! Where routes lead: pools, splits, redirects, answers.

use super::sites::Context;
use super::{find_pool, location, path, with_help};
use crate::file::decode::{Field, Named};
use crate::file::raw;
use crate::file::scalar::Share;
use crate::file::tree::At;
use crate::model::{
    Arm, Balance, Expression, Fact, FixedAnswer, PathPattern, PoolId, Sticky, Target, Text, TextPart,
};
use crate::source::{Diagnostic, Span};
use wire::field::is_token;

/// Statuses of redirects whose client goes to the `Location` by itself.
const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];
/// Fields that framing owns; a fixed answer has them anyway.
const FRAMING: [&str; 5] = ["content-length", "transfer-encoding", "connection", "upgrade", "trailer"];

/// Reads a target. `path` is the route's, whose captures its texts may use.
pub fn resolve(own: &At<raw::Target>, path: &PathPattern, context: &mut Context) -> Option<Target> {
    match &own.value {
        raw::Target::Pool(name) => pool(name, own.at, path, context).map(Target::Pool),
        raw::Target::Split(shares) => split(shares, own.at, path, context),
        raw::Target::Keys(keys) => keyed(keys, own.at, path, context),
    }
}

fn pool(name: &str, at: Span, path: &PathPattern, context: &mut Context) -> Option<PoolId> {
    let pool = find_pool(name, at, context.pool_names, context.problems)?;
    context.pools_used[pool.0] = true;
    check_pool_captures(pool, at, path, context);
    Some(pool)
}

/// What a pool balances or recognises sessions by must be there on every route that leads to it.
fn check_pool_captures(pool: PoolId, at: Span, path: &PathPattern, context: &mut Context) {
    let pool = &context.pools[pool.0];
    let balance = match &pool.balance {
        Balance::RingHash(by) => Some(by),
        _ => None,
    };
    let sticky = match &pool.sticky {
        Some(Sticky::By(by)) => Some(&by.expression),
        _ => None,
    };
    for (by, key) in [(balance, "balance"), (sticky, "sticky")] {
        let Some(Expression { fact: Fact::Capture(name), .. }) = by else { continue };
        if path::captures(path).contains(&name.as_str()) {
            continue;
        }
        let message = format!("`{key}` of the pool `{}` goes by `capture.{name}`", pool.name);
        let problem = Diagnostic::error(at, message).label(format!("the route's path captures no `{name}`"));
        context.problems.push(problem.help(format!("a segment `{{{name}}}` in `path` captures it")));
    }
}

/// The long form: exactly one of `split`, `redirect` and an answer.
fn keyed(keys: &raw::TargetKeys, at: Span, path: &PathPattern, context: &mut Context) -> Option<Target> {
    let answers = [!keys.body.is_absent(), !keys.headers.is_absent()].contains(&true);
    if !keys.split.is_absent() {
        if answers || !keys.redirect.is_absent() || !keys.status.is_absent() {
            exclusive("`split` stands alone", at, context);
        }
        return split(keys.split.value()?, at, path, context);
    }
    if !keys.redirect.is_absent() {
        if answers {
            exclusive("a redirect has no body and no fields of its own", at, context);
        }
        return redirect(keys, path, context);
    }
    answer(keys, at, path, context)
}

fn exclusive(message: &str, at: Span, context: &mut Context) {
    context.problems.push(Diagnostic::error(at, message).label("these keys do not go together"));
}

fn split(shares: &Named<Share>, at: Span, path: &PathPattern, context: &mut Context) -> Option<Target> {
    let mut arms = Vec::new();
    let mut whole = true;
    for (name, share) in &shares.0 {
        // A name without a share may be a misspelt key, which has been said.
        let pool = share.given().and_then(|_| pool(&name.value, name.at, path, context));
        match (pool, share.value()) {
            (Some(pool), Some(share)) => arms.push((name.at, Arm { pool, share: share.0 })),
            _ => whole = false,
        }
    }
    let complete = shares.0.iter().all(|(_, share)| share.given().is_some());
    if complete {
        check_sum(&shares.0, at, context);
    }
    same_sticky(&arms, context);
    whole.then(|| Target::Split(arms.into_iter().map(|(_, arm)| arm).collect()))
}

fn check_sum(shares: &[(At<String>, Field<Share>)], at: Span, context: &mut Context) {
    let sum: u32 = shares.iter().filter_map(|(_, share)| share.value()).map(|share| share.0).sum();
    if sum != 10_000 {
        let problem = Diagnostic::error(at, format!("the shares sum to {}, not to 100%", percent(sum)));
        context.problems.push(problem.label("expected 100% in sum"));
    }
}

/// Hundredths of a percent for people.
fn percent(share: u32) -> String {
    match share % 100 {
        0 => format!("{}%", share / 100),
        rest => format!("{}.{rest:02}%", share / 100),
    }
}

/// A session's record holds for all arms, so they must agree on what a session is.
fn same_sticky(arms: &[(Span, Arm)], context: &mut Context) {
    let Some((first_at, first)) = arms.first() else { return };
    for (at, arm) in &arms[1..] {
        let (a, b) = (&context.pools[first.pool.0], &context.pools[arm.pool.0]);
        if !alike(a.sticky.as_ref(), b.sticky.as_ref()) {
            let message =
                format!("`{}` and `{}` are arms of one split and differ in `sticky`", a.name, b.name);
            let problem = Diagnostic::error(*at, message).label("another `sticky` than the first arm's");
            let problem = problem.other(*first_at, "the first arm");
            context.problems.push(
                problem
                    .help(format!("write `like: {}` in `{}`, or the same `sticky` in both", a.name, b.name)),
            );
        }
    }
}

fn alike(a: Option<&Sticky>, b: Option<&Sticky>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(Sticky::Cookie(a)), Some(Sticky::Cookie(b))) => a == b,
        (Some(Sticky::By(a)), Some(Sticky::By(b))) => {
            a.expression.fact == b.expression.fact && a.expire == b.expire && a.max == b.max
        }
        _ => false,
    }
}

fn redirect(keys: &raw::TargetKeys, path: &PathPattern, context: &mut Context) -> Option<Target> {
    let location = keys.redirect.given()?;
    let status = keys.status.value().map_or(308, |status| status.0);
    if let Some(at) = keys.status.given().map(|status| status.at).filter(|_| !REDIRECTS.contains(&status)) {
        let problem = Diagnostic::error(at, format!("{status} is not the status of a redirect"));
        context.problems.push(problem.label("expected 301, 302, 303, 307 or 308"));
    }
    let text = &location.value.0;
    check_location(text, location.at, context);
    check_captures(text, location.at, path, context);
    Some(Target::Redirect { status, location: Box::new(text.clone()) })
}

fn check_location(text: &Text, at: Span, context: &mut Context) {
    let Err(wrong) = location::check(text) else { return };
    let problem = match wrong {
        location::Wrong::Start | location::Wrong::Bytes => {
            Diagnostic::error(at, "not a URL to redirect to").label("expected /path or https://host/path")
        }
        location::Wrong::Host => Diagnostic::error(at, "a redirect whose host the client chooses")
            .label("expected https://host/path"),
    };
    let help = match (wrong, text.0.first()) {
        (location::Wrong::Start, Some(TextPart::Fact(Fact::Capture(name)))) => {
            Some(format!("write `/{{{name}}}`"))
        }
        (location::Wrong::Host, _) => {
            Some("the host is written out, `{host}`, or ends in a domain such as `.example.com`".to_owned())
        }
        _ => None,
    };
    context.problems.push(with_help(problem, help));
}

fn answer(keys: &raw::TargetKeys, at: Span, path: &PathPattern, context: &mut Context) -> Option<Target> {
    if keys.status.is_absent() {
        let problem = Diagnostic::error(at, "a fixed answer without `status`");
        context.problems.push(problem.help("write { status: 200, body: TEXT }"));
    }
    let status = keys.status.given()?;
    let body = keys.body.given();
    if let Some(body) = body.filter(|_| matches!(status.value.0, 204 | 205 | 304)) {
        let problem =
            Diagnostic::error(body.at, format!("an answer with the status {} has no body", status.value.0));
        context.problems.push(problem.label("RFC 9110 section 15 forbids it"));
    }
    if let Some(body) = body {
        check_captures(&body.value.0, body.at, path, context);
    }
    let mut headers = Vec::new();
    for (name, value) in keys.headers.value().map(|named| named.0.as_slice()).unwrap_or_default() {
        check_field_name(name, context);
        if let Some(value) = value.given() {
            check_field_value(&value.value.0, value.at, context);
            if name.value.eq_ignore_ascii_case("location") && (300..=399).contains(&status.value.0) {
                check_location(&value.value.0, value.at, context);
            }
            check_captures(&value.value.0, value.at, path, context);
            headers.push((name.value.clone(), value.value.0.clone()));
        }
    }
    let body = body.map_or_else(Text::default, |body| body.value.0.clone());
    Some(Target::Answer(Box::new(FixedAnswer { status: status.value.0, body, headers })))
}

fn check_field_name(name: &At<String>, context: &mut Context) {
    if !is_token(name.value.as_bytes()) {
        let problem = Diagnostic::error(name.at, format!("`{}` is not the name of a field", name.value));
        context.problems.push(problem.label("expected letters, digits and -"));
    } else if FRAMING.contains(&name.value.to_ascii_lowercase().as_str()) {
        let problem = Diagnostic::error(name.at, format!("`{}` is written by Tidegate itself", name.value));
        context.problems.push(problem.label("not to be set"));
    }
}

fn check_field_value(text: &Text, at: Span, context: &mut Context) {
    let control = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
    let broken = |part: &TextPart| matches!(part, TextPart::Literal(text) if text.bytes().any(control));
    if text.0.iter().any(broken) {
        let problem = Diagnostic::error(at, "a field's value has no line breaks or control characters");
        context.problems.push(problem);
    }
}

/// Every capture that a text uses must come from the route's path.
fn check_captures(text: &Text, at: Span, path: &PathPattern, context: &mut Context) {
    let names = path::captures(path);
    for part in &text.0 {
        let TextPart::Fact(Fact::Capture(name)) = part else { continue };
        if names.contains(&name.as_str()) {
            continue;
        }
        let problem = Diagnostic::error(
            context.problems.within(at, &format!("{{{name}}}")),
            format!("the path captures no `{name}`"),
        );
        let literal = format!("`{{{{{name}}}` is the text itself");
        let help = match name.as_str() {
            "rest" => "`{rest}` is what a path that ends in `/*` leaves open".to_owned(),
            _ if names.is_empty() => format!("a segment `{{{name}}}` in `path` captures it; {literal}"),
            _ => context
                .problems
                .nearest(name, names.iter().copied())
                .unwrap_or_else(|| format!("captured here: {}; {literal}", names.join(", "))),
        };
        context.problems.push(problem.label("not captured").help(help));
    }
}
