//! Routes of one site by the segments of their paths.

use super::{path_fits, split};
use crate::hash::FoldState;
use crate::model::{PathPattern, Route, Segment};
use std::collections::HashMap;

/// A node per prefix of segments.
#[derive(Debug)]
pub(super) struct Trie {
    nodes: Vec<Node>,
    /// Routes by regular expression, with their patterns: they fit anywhere.
    regexes: Vec<(u32, PathPattern)>,
}

#[derive(Debug, Default)]
struct Node {
    /// Routes whose path ends here, in order.
    exact: Vec<u32>,
    /// Routes for all that begins so, in order.
    prefix: Vec<u32>,
    literal: HashMap<Box<str>, u32, FoldState>,
    capture: Option<u32>,
}

impl Trie {
    pub(super) fn new(routes: &[Route]) -> Trie {
        let mut trie = Trie { nodes: vec![Node::default()], regexes: Vec::new() };
        for (number, route) in (0..).zip(routes) {
            match &route.path {
                PathPattern::Any => trie.nodes[0].prefix.push(number),
                PathPattern::Regex(_) => trie.regexes.push((number, route.path.clone())),
                PathPattern::Segments { segments, rest } => {
                    let node = segments.iter().fold(0, |node, segment| trie.child(node, segment));
                    let node = &mut trie.nodes[node as usize];
                    if *rest { &mut node.prefix } else { &mut node.exact }.push(number);
                }
            }
        }
        trie
    }

    fn child(&mut self, node: u32, segment: &Segment) -> u32 {
        let new = u32::try_from(self.nodes.len()).expect("fewer nodes than bytes of configuration");
        let parent = &mut self.nodes[node as usize];
        let child = match segment {
            Segment::Literal(text) => *parent.literal.entry(text.as_str().into()).or_insert(new),
            Segment::Capture(_) => *parent.capture.get_or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    /// The first route, as written, whose path fits and that passes `fulfils`.
    pub(super) fn first(&self, path: &str, fulfils: impl Fn(usize) -> bool) -> Option<usize> {
        let mut search = Search { trie: self, best: u32::MAX, fulfils: &fulfils };
        search.visit(0, path.strip_prefix('/'));
        for (route, pattern) in &self.regexes {
            if *route < search.best && path_fits(pattern, path) && fulfils(*route as usize) {
                search.best = *route;
            }
        }
        (search.best != u32::MAX).then_some(search.best as usize)
    }
}

struct Search<'t, F> {
    trie: &'t Trie,
    best: u32,
    fulfils: &'t F,
}

impl<F: Fn(usize) -> bool> Search<'_, F> {
    /// Looks at a node; `left` is what of the path is not walked yet. The depth is bounded by the deepest route.
    fn visit(&mut self, node: u32, left: Option<&str>) {
        let node = &self.trie.nodes[node as usize];
        self.try_all(&node.prefix);
        let Some(left) = left else {
            self.try_all(&node.exact);
            return;
        };
        let (segment, next) = split(left);
        if let Some(child) = node.literal.get(segment) {
            self.visit(*child, next);
        }
        if let Some(child) = node.capture.filter(|_| !segment.is_empty()) {
            self.visit(child, next);
        }
    }

    fn try_all(&mut self, routes: &[u32]) {
        let found = routes
            .iter()
            .take_while(|route| **route < self.best)
            .find(|route| (self.fulfils)(**route as usize));
        if let Some(route) = found {
            self.best = *route;
        }
    }
}
