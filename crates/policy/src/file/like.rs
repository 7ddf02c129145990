//! `like`: a pool takes over another pool's keys.
//!
//! Works on trees, so that it needs no knowledge of what the keys mean: maps merge, lists and texts replace,
//! `null` clears. The keys that have short forms and rival forms need care: a short form is a map too, and
//! what is written in one form takes the place of the other form's keys.

use super::decode::nearest;
use super::tree::{At, Entry, Kind, Node};
use crate::source::{Diagnostic, Span};
use std::collections::HashMap;

/// Replaces every pool that has `like` by what it then amounts to.
///
/// `incomplete`: pools that are not found may be in a file that could not be read.
pub fn inherit(root: &mut Node, incomplete: bool, found: &mut Vec<Diagnostic>) {
    let Kind::Map { entries, .. } = &mut root.kind else { return };
    let Some(pools) = entries.iter_mut().find(|entry| entry.key.value == "pools") else { return };
    let Kind::Map { entries: pools, .. } = &mut pools.value.kind else { return };
    if pools.iter().all(|pool| base_name(&pool.value).is_none()) {
        return;
    }
    let merged = Inheritance::new(pools, incomplete, found).merge_all();
    for (pool, merged) in pools.iter_mut().zip(merged) {
        if let Some(merged) = merged {
            pool.value = merged;
        }
    }
}

/// What `like` of a pool names.
fn base_name(pool: &Node) -> Option<At<&str>> {
    let entry = pool.entry("like")?;
    match &entry.value.kind {
        Kind::Scalar { text, .. } => Some(At { value: text, at: entry.value.at }),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Untouched,
    /// Being merged: whoever meets it has gone in a circle.
    Open,
    Done,
}

struct Inheritance<'p> {
    pools: &'p [Entry],
    names: HashMap<&'p str, usize>,
    state: Vec<State>,
    merged: Vec<Option<Node>>,
    incomplete: bool,
    found: &'p mut Vec<Diagnostic>,
}

impl<'p> Inheritance<'p> {
    fn new(pools: &'p [Entry], incomplete: bool, found: &'p mut Vec<Diagnostic>) -> Self {
        let names = pools.iter().enumerate().map(|(index, pool)| (pool.key.value.as_str(), index)).collect();
        let count = pools.len();
        let (state, merged) = (vec![State::Untouched; count], vec![None; count]);
        Inheritance { pools, names, state, merged, incomplete, found }
    }

    fn merge_all(mut self) -> Vec<Option<Node>> {
        for index in 0..self.pools.len() {
            self.merge(index);
        }
        self.merged
    }

    /// Merges the chain of bases that begins at a pool, the innermost base first. No recursion: a chain may
    /// be as long as there are pools.
    fn merge(&mut self, start: usize) {
        let mut chain = vec![start];
        let mut index = start;
        while self.state[index] == State::Untouched {
            self.state[index] = State::Open;
            let Some(base) = self.base(index) else { break };
            if self.state[base] == State::Open {
                self.circle(&chain, base);
                break;
            }
            chain.push(base);
            index = base;
        }
        for &index in chain.iter().rev() {
            if self.state[index] == State::Open {
                self.state[index] = State::Done;
                self.merge_one(index);
            }
        }
    }

    /// The pool that another is like, if it is there.
    fn base(&mut self, index: usize) -> Option<usize> {
        let name = base_name(&self.pools[index].value)?;
        let base = self.names.get(name.value).copied();
        if base.is_none() && !self.incomplete {
            let problem = Diagnostic::error(name.at, format!("no pool is named `{}`", name.value));
            let problem = problem.label("unknown pool");
            self.found.push(match nearest(name.value, self.names.keys().copied()) {
                Some(name) => problem.help(format!("did you mean `{name}`?")),
                None => problem,
            });
        }
        base
    }

    fn circle(&mut self, chain: &[usize], back: usize) {
        let last = *chain.last().unwrap_or(&back);
        let at = base_name(&self.pools[last].value).map_or(Span::default(), |name| name.at);
        let from = chain.iter().position(|&index| index == back).unwrap_or(0);
        let mut names: Vec<&str> =
            chain[from..].iter().map(|&index| self.pools[index].key.value.as_str()).collect();
        names.push(&self.pools[back].key.value);
        let message = format!("`like` goes in a circle: {}", names.join(" -> "));
        self.found.push(Diagnostic::error(at, message).label("the circle closes here"));
    }

    fn merge_one(&mut self, index: usize) {
        let own = &self.pools[index].value;
        let Some(name) = base_name(own) else { return };
        let base = self
            .names
            .get(name.value)
            .copied()
            .filter(|&base| self.state[base] == State::Done && base != index);
        let mut merged = match base {
            Some(base) => {
                let base = self.merged[base].as_ref().unwrap_or(&self.pools[base].value);
                merge_nodes("", base, own)
            }
            None => own.clone(),
        };
        if let (None, Kind::Map { entries, .. }) = (base, &mut merged.kind)
            && own.entry("servers").is_none()
        {
            // They would have come from the other pool: broken as that is, they are not missing.
            let key = At { value: "servers".to_owned(), at: name.at };
            entries.push(Entry { key, value: Node { at: name.at, kind: Kind::Broken } });
        }
        self.merged[index] = Some(merged);
    }
}

/// `own` over `base`.
fn merge_nodes(key: &str, base: &Node, own: &Node) -> Node {
    let Kind::Map { entries: over, braces } = &own.kind else { return own.clone() };
    if key == "sticky" && is_other_kind(base, own) {
        return cleared(own);
    }
    let long;
    let under = match &base.kind {
        Kind::Map { entries, .. } => entries,
        _ => match long_form(key, base) {
            Some(entries) => {
                long = entries;
                &long
            }
            None => return cleared(own),
        },
    };
    let mut entries: Vec<Entry> = Vec::with_capacity(under.len() + over.len());
    let other_check = key == "health" && is_other_check(under, over);
    for entry in under {
        match own.entry(&entry.key.value) {
            None if other_check && ASKED.contains(&entry.key.value.as_str()) => {}
            Some(own) => entries.push(Entry {
                key: own.key.clone(),
                value: merge_nodes(&entry.key.value, &entry.value, &own.value),
            }),
            None => entries.push(entry.clone()),
        }
    }
    let new = over.iter().filter(|entry| under.iter().all(|known| known.key.value != entry.key.value));
    entries.extend(new.map(|entry| Entry { key: entry.key.clone(), value: cleared(&entry.value) }));
    entries.retain(|entry| !matches!(entry.value.kind, Kind::Null));
    Node { at: own.at, kind: Kind::Map { entries, braces: *braces } }
}

/// What is written where nothing is taken over: there is nothing that `null` could clear, but the key is not there
/// either way.
fn cleared(own: &Node) -> Node {
    let Kind::Map { entries, braces } = &own.kind else { return own.clone() };
    let entries = entries.iter().filter(|entry| !matches!(entry.value.kind, Kind::Null));
    Node { at: own.at, kind: Kind::Map { entries: entries.cloned().collect(), braces: *braces } }
}

/// The value of a key, unless it only clears.
fn given<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    node.entry(key).map(|entry| &entry.value).filter(|value| !matches!(value.kind, Kind::Null))
}

/// Whether a session is recognised by a cookie of ours here and by a value there: nothing of the one belongs
/// to the other, so it replaces it as a whole.
fn is_other_kind(base: &Node, own: &Node) -> bool {
    let base_has = |key: &str| match &base.kind {
        Kind::Scalar { text, .. } => text == key,
        _ => base.entry(key).is_some(),
    };
    given(own, "by").is_some() && base_has("cookie") || given(own, "cookie").is_some() && base_has("by")
}

/// What of a health check belongs to its kind: one of another kind takes none of it over.
const ASKED: [&str; 5] = ["path", "tcp", "grpc", "expect", "host"];

/// Whether what is asked here is of another kind than what is asked there: a path, a gRPC service, or only that a
/// connection opens.
fn is_other_check(base: &[Entry], own: &[Entry]) -> bool {
    let kind = |entries: &[Entry]| {
        ["path", "tcp", "grpc"].into_iter().find(|kind| {
            entries.iter().filter(|entry| entry.key.value == *kind).any(|entry| match &entry.value.kind {
                Kind::Null => false,
                Kind::Scalar { text, .. } => *kind == "path" || text != "false",
                _ => true,
            })
        })
    };
    let own = kind(own);
    own.is_some() && kind(base) != own
}

/// The keys that a short form stands for.
fn long_form(key: &str, base: &Node) -> Option<Vec<Entry>> {
    if key == "retries" {
        let key = At { value: "on".to_owned(), at: base.at };
        return Some(vec![Entry { key, value: base.clone() }]);
    }
    let Kind::Scalar { text, .. } = &base.kind else { return None };
    let (long, value) = match (key, text.as_str()) {
        ("health", "tcp") => ("tcp", "true"),
        ("health", "grpc") => ("grpc", "true"),
        ("health", path) => ("path", path),
        ("sticky", "cookie") => ("cookie", "tidegate"),
        _ => return None,
    };
    let kind = Kind::Scalar { text: value.to_owned(), plain: true };
    let key = At { value: long.to_owned(), at: base.at };
    Some(vec![Entry { key, value: Node { at: base.at, kind } }])
}
