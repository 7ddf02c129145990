//! Routes that no request can ever reach, because an earlier one takes all of theirs.
//!
//! Only what is provable counts, by one earlier route alone. The search follows the trie's idea, a hash per prefix of
//! segments ([`Bucket`]s tell apart what differs in conditions only), so that 100,000 routes are looked through in one
//! pass. Where that would still compare too many routes, some dead ones stay unnoticed: the same ones each time.

mod bucket;
mod cover;

use super::language::{Scope, scope};
use super::path_fits;
use crate::hash::FoldState;
use crate::model::{PathPattern, Route, RouteId, Segment, Segments, Site};
use bucket::Bucket;
use cover::Conditions;
use std::collections::HashMap;

/// Each dead route with an earlier one that takes all of its requests.
pub fn unreachable(site: &Site) -> Vec<(RouteId, RouteId)> {
    let mut earlier = Earlier::default();
    let mut dead = Vec::new();
    for (number, route) in site.routes.iter().enumerate() {
        let route = Conditions::new(number, route);
        match earlier.covers(&route) {
            Some(by) => dead.push((RouteId(number), RouteId(by))),
            None => earlier.add(route),
        }
    }
    dead
}

/// Routes that have been looked at and can be reached, by the shape of their paths.
#[derive(Default)]
struct Earlier<'a> {
    /// For one path each, or for one with captures. These count alike, whatever their names.
    exact: HashMap<Vec<Key<'a>>, Bucket<'a>, FoldState>,
    /// For all that begins so; without any segment for everything.
    prefix: HashMap<Vec<Key<'a>>, Bucket<'a>, FoldState>,
    /// For all that begins with a slash, by a regular expression: everything but the `*` of `OPTIONS *`.
    rooted: Bucket<'a>,
    /// By other regular expressions: under their text, and all together.
    same_regex: HashMap<&'a str, Bucket<'a>, FoldState>,
    regexes: Bucket<'a>,
}

impl<'a> Earlier<'a> {
    fn add(&mut self, route: Conditions<'a>) {
        match &route.route.path {
            PathPattern::Any => self.prefix.entry(Vec::new()).or_default().add(route),
            PathPattern::Segments { segments, rest } => {
                let key = segments.iter().map(Key::of).collect();
                if *rest { &mut self.prefix } else { &mut self.exact }.entry(key).or_default().add(route);
            }
            PathPattern::Regex(regex) => match scope(regex) {
                Some(Scope::All) => self.prefix.entry(Vec::new()).or_default().add(route),
                Some(Scope::Rooted) => self.rooted.add(route),
                None => {
                    self.same_regex.entry(regex.as_str()).or_default().add(route.clone());
                    self.regexes.add(route);
                }
            },
        }
    }

    /// One that takes all requests of `later`.
    fn covers(&self, later: &Conditions<'_>) -> Option<usize> {
        let all = || self.prefix.get(&[][..]).and_then(|all| all.covers(later));
        match &later.route.path {
            PathPattern::Any => all(),
            PathPattern::Regex(regex) => {
                let same = self.same_regex.get(regex.as_str()).and_then(|same| same.covers(later));
                same.or_else(all).or_else(|| {
                    let rooted = !regex.is_match("*");
                    rooted.then(|| self.rooted.covers(later)).flatten()
                })
            }
            PathPattern::Segments { segments, rest } => {
                let mut shapes = Vec::new();
                let keys: Vec<Key<'_>> = segments.iter().map(Key::of).collect();
                generalise(&keys, &mut Vec::new(), &mut shapes);
                self.covers_shapes(&shapes, *rest, later)
                    // `/*` fits the `*` of `OPTIONS *` too.
                    .or_else(|| (!segments.is_empty()).then(|| self.rooted.covers(later)).flatten())
                    .or_else(|| self.regex_covers(segments, *rest, later))
            }
        }
    }

    fn covers_shapes(&self, shapes: &[Vec<Key<'_>>], rest: bool, later: &Conditions<'_>) -> Option<usize> {
        let by_prefix = shapes.iter().find_map(|shape| {
            (0..=shape.len()).find_map(|end| self.prefix.get(&shape[..end])?.covers(later))
        });
        let by_exact = || shapes.iter().find_map(|shape| self.exact.get(shape)?.covers(later));
        by_prefix.or_else(|| if rest { None } else { by_exact() })
    }

    /// A regular expression covers a single path if it matches it.
    fn regex_covers(&self, segments: &Segments, rest: bool, later: &Conditions<'_>) -> Option<usize> {
        let path = if rest { None } else { literal(segments) }?;
        let fits = |earlier: &Route| path_fits(&earlier.path, &path);
        self.regexes.covers_where(later, fits)
    }
}

/// The one path that segments without captures stand for.
fn literal(segments: &Segments) -> Option<String> {
    let mut path = String::new();
    for segment in segments.iter() {
        let Segment::Literal(text) = segment else { return None };
        path.push('/');
        path.push_str(text);
    }
    Some(path)
}

/// A segment of an earlier route: its text, or a capture.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key<'a> {
    Literal(&'a str),
    Capture,
}

impl<'a> Key<'a> {
    fn of(segment: Segment<'a>) -> Key<'a> {
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
fn generalise<'a>(segments: &[Key<'a>], shape: &mut Vec<Key<'a>>, shapes: &mut Vec<Vec<Key<'a>>>) {
    let Some((first, rest)) = segments.split_first() else {
        shapes.push(shape.clone());
        return;
    };
    shape.push(*first);
    generalise(rest, shape, shapes);
    shape.pop();
    let varies = matches!(first, Key::Literal(text) if !text.is_empty()) && shape.len() < VARIED_MAX;
    if varies {
        shape.push(Key::Capture);
        generalise(rest, shape, shapes);
        shape.pop();
    }
}

#[cfg(test)]
mod tests;
