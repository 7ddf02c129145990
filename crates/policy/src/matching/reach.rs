//! Routes that no request can ever reach, because an earlier one takes all of theirs.
//!
//! Only what is provable counts. The search follows the trie's idea, a hash per prefix of segments, so that
//! 100,000 routes are looked through in one pass.

use crate::hash::FoldState;
use crate::model::{Networks, PathPattern, Route, RouteId, Segment, Site, ValueMatch};
use std::collections::HashMap;

/// Each dead route with an earlier one that takes all of its requests.
pub fn unreachable(site: &Site) -> Vec<(RouteId, RouteId)> {
    let mut dead = Vec::new();
    // Earlier routes by shape of path. Captures count alike, whatever their names.
    let mut exact: HashMap<Vec<Key<'_>>, Vec<usize>, FoldState> = HashMap::default();
    let mut prefix: HashMap<Vec<Key<'_>>, Vec<usize>, FoldState> = HashMap::default();
    let mut regexes: Vec<usize> = Vec::new();
    for (number, route) in site.routes.iter().enumerate() {
        let covers = |earlier: &usize| conditions_cover(&site.routes[*earlier], route);
        let by = match &route.path {
            PathPattern::Regex(regex) => {
                let same = regexes.iter().find(|earlier| {
                    matches!(&site.routes[**earlier].path, PathPattern::Regex(other) if other.as_str() == regex.as_str())
                        && covers(earlier)
                });
                // Only what fits any path surely covers a regular expression.
                same.or_else(|| prefix.get(&Vec::new()).and_then(|all| all.iter().find(|at| covers(at))))
            }
            PathPattern::Any => prefix.get(&Vec::new()).and_then(|all| all.iter().find(|at| covers(at))),
            PathPattern::Segments { segments, rest } => {
                let mut shapes = Vec::new();
                generalise(segments, &mut Vec::new(), &mut shapes);
                let by_prefix = shapes.iter().find_map(|shape| {
                    (0..=shape.len()).find_map(|end| prefix.get(&shape[..end])?.iter().find(|at| covers(at)))
                });
                let by_exact = || {
                    let shapes = shapes.iter().filter(|_| !rest);
                    shapes
                        .filter_map(|shape| exact.get(shape))
                        .find_map(|all| all.iter().find(|at| covers(at)))
                };
                by_prefix.or_else(by_exact)
            }
        };
        if let Some(by) = by {
            dead.push((RouteId(number), RouteId(*by)));
            continue;
        }
        match &route.path {
            PathPattern::Regex(_) => regexes.push(number),
            PathPattern::Any => prefix.entry(Vec::new()).or_default().push(number),
            PathPattern::Segments { segments, rest } => {
                let key = segments.iter().map(Key::of).collect();
                if *rest { &mut prefix } else { &mut exact }.entry(key).or_default().push(number);
            }
        }
    }
    dead
}

/// A segment of an earlier route: its text, or a capture.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'a> {
    Literal(&'a str),
    Capture,
}

impl<'a> Key<'a> {
    fn of(segment: &'a Segment) -> Key<'a> {
        match segment {
            Segment::Literal(text) => Key::Literal(text),
            Segment::Capture(_) => Key::Capture,
        }
    }
}

/// Segments beyond which shapes are not varied any more: two to that power would be tried.
const VARIED_MAX: usize = 6;

/// All shapes that an earlier route may have to cover these segments: each literal as it is or as a capture (which
/// takes no empty segment).
fn generalise<'a>(segments: &'a [Segment], shape: &mut Vec<Key<'a>>, shapes: &mut Vec<Vec<Key<'a>>>) {
    let Some((first, rest)) = segments.split_first() else {
        shapes.push(shape.clone());
        return;
    };
    shape.push(Key::of(first));
    generalise(rest, shape, shapes);
    shape.pop();
    let varies = matches!(first, Segment::Literal(text) if !text.is_empty()) && shape.len() < VARIED_MAX;
    if varies {
        shape.push(Key::Capture);
        generalise(rest, shape, shapes);
        shape.pop();
    }
}

/// Whether whatever fulfils `later` surely fulfils `earlier`, paths aside.
fn conditions_cover(earlier: &Route, later: &Route) -> bool {
    let methods = earlier.methods.is_empty()
        || (!later.methods.is_empty() && later.methods.iter().all(|method| earlier.methods.contains(method)));
    let client = match (&earlier.client, &later.client) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(earlier), Some(later)) => networks_cover(earlier, later),
    };
    methods
        && client
        && values_cover(&earlier.headers, &later.headers)
        && values_cover(&earlier.queries, &later.queries)
        && values_cover(&earlier.cookies, &later.cookies)
}

fn networks_cover(earlier: &Networks, later: &Networks) -> bool {
    later.0.iter().all(|later| earlier.0.iter().any(|earlier| earlier.contains(later)))
}

/// Each earlier condition is implied by a later one on the same name.
fn values_cover(earlier: &[(String, ValueMatch)], later: &[(String, ValueMatch)]) -> bool {
    earlier
        .iter()
        .all(|(name, weak)| later.iter().any(|(other, strong)| name == other && implies(strong, weak)))
}

/// Whether what fulfils `strong` surely fulfils `weak`. A field may have several values, of which any may fulfil a
/// condition; so only conditions that one and the same value fulfils imply each other.
fn implies(strong: &ValueMatch, weak: &ValueMatch) -> bool {
    use ValueMatch::{Exact, In, Not, Prefix, Present, Regex};
    match (strong, weak) {
        (Exact(text), Exact(other)) => text == other,
        (Exact(_) | Prefix(_) | Regex(_) | In(_), Present(true)) => true,
        (Present(one), Present(other)) => one == other,
        (Exact(text) | Prefix(text), Prefix(prefix)) => text.starts_with(prefix.as_str()),
        (Exact(text), In(all)) => all.contains(text),
        (Exact(text), Regex(regex)) => regex.is_match(text.as_bytes()),
        (In(some), In(all)) => some.iter().all(|text| all.contains(text)),
        (In(some), Prefix(prefix)) => some.iter().all(|text| text.starts_with(prefix.as_str())),
        (Regex(one), Regex(other)) => one.as_str() == other.as_str(),
        (Not(one), Not(other)) => implies(other, one),
        (Present(false), Not(inner)) => !matches!(**inner, Present(false) | Not(_)),
        _ => false,
    }
}
