//! Earlier routes whose paths are alike, told apart by a text that they ask for.
//!
//! A condition for certain texts (`x-tenant: a`, `in: [a, b]`) is only fulfilled for sure by another for some of these
//! texts. So a route with such a condition is kept under each of its texts, and only looked at for routes
//! that ask for one of them: thousands of routes on one path that differ in a header are no thousands squared.

use super::cover::{Conditions, Place};
use crate::hash::FoldState;
use crate::model::Route;
use std::collections::HashMap;

/// Routes of one bucket that one route is compared with. Without a bound, routes that differ in nothing but networks or
/// regular expressions would make reading take a square of their number.
const COMPARISONS_MAX: usize = 256;

/// Routes whose paths are alike.
#[derive(Default)]
pub(super) struct Bucket<'a> {
    routes: Vec<Conditions<'a>>,
    /// Indices by a text that the route asks for.
    by_text: HashMap<(Place, &'a str, &'a str), Vec<usize>, FoldState>,
    /// Indices of those that ask for no certain text.
    others: Vec<usize>,
}

impl<'a> Bucket<'a> {
    pub(super) fn add(&mut self, route: Conditions<'a>) {
        let index = self.routes.len();
        // Under the condition that few have asked for yet: it tells most.
        let crowd = |(place, name, texts): &(Place, &'a str, &'a [String])| {
            let kept = |text: &String| self.by_text.get(&(*place, *name, text.as_str())).map_or(0, Vec::len);
            texts.iter().map(kept).max()
        };
        match route.texts().min_by_key(crowd) {
            Some((place, name, texts)) => {
                for text in texts {
                    self.by_text.entry((place, name, text)).or_default().push(index);
                }
            }
            None => self.others.push(index),
        }
        self.routes.push(route);
    }

    /// One that takes all requests of `later`, paths aside.
    pub(super) fn covers(&self, later: &Conditions<'_>) -> Option<usize> {
        self.covers_where(later, |_| true)
    }

    /// One that takes all requests of `later`, and whose path does by `fits`.
    pub(super) fn covers_where(
        &self,
        later: &Conditions<'_>,
        fits: impl Fn(&Route) -> bool,
    ) -> Option<usize> {
        // An earlier condition that holds for all texts of a later one holds for its first.
        let kept = later
            .texts()
            .filter_map(|(place, name, texts)| self.by_text.get(&(place, name, texts.first()?.as_str())));
        kept.chain([&self.others])
            .flatten()
            .take(COMPARISONS_MAX)
            .map(|index| &self.routes[*index])
            .find(|earlier| earlier.cover(later) && fits(earlier.route))
            .map(|earlier| earlier.number)
    }
}
