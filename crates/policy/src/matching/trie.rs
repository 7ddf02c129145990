//! Routes of one site by the segments of their paths.

use super::table::{self, Table, narrow};
use super::{path_fits, split};
use crate::model::{PathPattern, Route, Segment};

/// A node per prefix of segments, all of them in a few large pieces.
#[derive(Debug)]
pub(super) enum Trie {
    /// One route that takes any path.
    Single,
    Tree(Box<Tree>),
}

#[derive(Debug)]
pub(super) struct Tree {
    /// The child of a node by a segment's text: node N + 1 is the table's number N.
    children: Table,
    /// One more than there are, for the end of the last one's routes.
    nodes: Box<[Node]>,
    /// Routes of all nodes, one node after the other, and of each in order.
    routes: Box<[u32]>,
    /// Routes by regular expression, with their patterns: they fit anywhere.
    regexes: Box<[(u32, PathPattern)]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Node {
    /// The first of its routes: those for all that begins so.
    prefix: u32,
    /// The first of those whose path ends here.
    exact: u32,
    /// The child by a segment that is captured; 0 is none.
    capture: u32,
}

/// Stands for a captured segment in the table; no path has it.
const CAPTURE: &str = "\0";

impl Trie {
    pub(super) fn new(routes: &[Route]) -> Trie {
        match routes {
            [Route { path: PathPattern::Any, .. }] => Trie::Single,
            _ => Trie::Tree(Box::new(Tree::new(routes))),
        }
    }

    /// The first route, as written, whose path fits and that passes `fulfils`.
    pub(super) fn first(&self, path: &str, fulfils: impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            Trie::Single => fulfils(0).then_some(0),
            Trie::Tree(tree) => tree.first(path, fulfils),
        }
    }
}

impl Tree {
    fn new(routes: &[Route]) -> Tree {
        let mut children = table::Builder::default();
        let mut captures = Vec::new();
        let mut regexes = Vec::new();
        // Each route's node, and whether its path ends there.
        let mut places = Vec::with_capacity(routes.len());
        for (number, route) in (0..).zip(routes) {
            match &route.path {
                PathPattern::Any => places.push((0, false, number)),
                PathPattern::Regex(_) => regexes.push((number, route.path.clone())),
                PathPattern::Segments { segments, rest } => {
                    let node = segments.iter().fold(0, |node, segment| match segment {
                        Segment::Literal(text) => children.number(node, text) + 1,
                        Segment::Capture(_) => {
                            let child = children.number(node, CAPTURE) + 1;
                            captures.push((node, child));
                            child
                        }
                    });
                    places.push((node, !rest, number));
                }
            }
        }
        places.sort_unstable();
        let mut nodes = vec![Node::default(); children.len() as usize + 2];
        captures.into_iter().for_each(|(node, child)| nodes[node as usize].capture = child);
        let mut end = 0;
        for (number, node) in (0..).zip(&mut nodes) {
            let mut skip = |kind: (u32, bool)| {
                let start = end;
                end += places[end..].iter().take_while(|place| (place.0, place.1) == kind).count();
                narrow(start)
            };
            node.prefix = skip((number, false));
            node.exact = skip((number, true));
        }
        Tree {
            children: children.build(),
            nodes: nodes.into(),
            routes: places.into_iter().map(|(_, _, number)| number).collect(),
            regexes: regexes.into(),
        }
    }

    fn first(&self, path: &str, fulfils: impl Fn(usize) -> bool) -> Option<usize> {
        let mut search = Search { tree: self, best: u32::MAX, fulfils: &fulfils };
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
    tree: &'t Tree,
    best: u32,
    fulfils: &'t F,
}

impl<F: Fn(usize) -> bool> Search<'_, F> {
    /// Looks at a node; `left` is what of the path is not walked yet. The depth is bounded by the deepest route.
    fn visit(&mut self, number: u32, left: Option<&str>) {
        let node = self.tree.nodes[number as usize];
        self.try_all(node.prefix, node.exact);
        let Some(left) = left else {
            let next = self.tree.nodes[number as usize + 1];
            self.try_all(node.exact, next.prefix);
            return;
        };
        let (segment, next) = split(left);
        if let Some(child) = self.tree.children.find(number, segment) {
            self.visit(child + 1, next);
        }
        if node.capture != 0 && !segment.is_empty() {
            self.visit(node.capture, next);
        }
    }

    fn try_all(&mut self, start: u32, end: u32) {
        let found = self.tree.routes[start as usize..end as usize]
            .iter()
            .take_while(|route| **route < self.best)
            .find(|route| (self.fulfils)(**route as usize));
        if let Some(route) = found {
            self.best = *route;
        }
    }
}
