//! YAML text to a tree of nodes that know where they stand.
//!
//! The parser's events become [`Node`]s; nothing is interpreted yet, so `no` and `1.10` stay the texts that
//! they are. Invariants of a tree: keys are scalars and unique within their map, there are no tags, no second
//! document, and what aliases repeat is bounded, so that no small file becomes a large tree.

use super::yaml_error;
use crate::source::{Diagnostic, SourceId, Span};
use granit_parser::{Event, Parser, ScalarStyle, StructureStyle, options};
use std::collections::HashMap;

/// Nodes that all aliases of one file may repeat.
const ALIAS_NODES_MAX: usize = 200_000;
/// Maps and lists within each other. A configuration needs about ten.
const DEPTH_MAX: usize = 48;
/// From this many keys on a map is checked for duplicates by hashing.
const HASHED_KEYS: usize = 16;

/// A value and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub at: Span,
}

/// One YAML value.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where it is written. Of an alias: where the alias is.
    pub at: Span,
    /// What it is.
    pub kind: Kind,
}

/// The kinds of values.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// A value that was reported as broken; nobody needs to say so again.
    Broken,
    /// A text, not interpreted.
    Scalar {
        /// Escapes resolved.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// `[...]` or lines with dashes.
    List(Vec<Node>),
    /// `{...}` or lines with keys.
    Map {
        /// In the order of the file; keys are unique.
        entries: Vec<Entry>,
        /// Written with braces.
        braces: bool,
    },
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: At<String>,
    /// Its value.
    pub value: Node,
}

impl Node {
    /// What it is, for people: `a text`, `a list`, `a map`, `nothing`.
    pub fn noun(&self) -> &'static str {
        match self.kind {
            Kind::Null | Kind::Broken => "nothing",
            Kind::Scalar { .. } => "a text",
            Kind::List(_) => "a list",
            Kind::Map { .. } => "a map",
        }
    }

    /// The value of `key`, if this is a map that has it.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.kind {
            Kind::Map { entries, .. } => entries.iter().find(|entry| entry.key.value == key),
            _ => None,
        }
    }

    /// Nodes in it, itself included.
    fn count(&self) -> usize {
        match &self.kind {
            Kind::Null | Kind::Broken | Kind::Scalar { .. } => 1,
            Kind::List(items) => 1 + items.iter().map(Node::count).sum::<usize>(),
            Kind::Map { entries, .. } => {
                1 + entries.iter().map(|entry| 1 + entry.value.count()).sum::<usize>()
            }
        }
    }
}

/// Reads `text` into a tree. An empty text is [`Kind::Null`].
///
/// Broken syntax ends reading: then there is no tree. Repeated keys, tags and the like are reported to `found`
/// too, and the tree is made as if they were not there.
pub fn read(source: SourceId, text: &str, found: &mut Vec<Diagnostic>) -> Option<Node> {
    let mut builder = Builder {
        source,
        text,
        open: Vec::new(),
        root: None,
        anchors: HashMap::new(),
        alias_nodes_left: ALIAS_NODES_MAX,
        found,
    };
    let options = options! {
        emit_comments: false,
        disallow_directives: true,
        flow_nesting_limit: DEPTH_MAX,
        block_nesting_limit: DEPTH_MAX,
    };
    for event in Parser::new_from_str_with_options(text, options) {
        let outcome = match event {
            Ok((event, span)) => builder.event(event, span),
            Err(error) => Err(yaml_error::explain(source, text, &error)),
        };
        if let Err(problem) = outcome {
            builder.found.push(problem);
            return None;
        }
    }
    let start = Span { source, start: 0, end: 0 };
    Some(builder.root.unwrap_or(Node { at: start, kind: Kind::Null }))
}

/// A map or list whose end has not been seen.
struct Open {
    start: u32,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<At<String>>, braces: bool, broken: bool },
}

struct Builder<'t, 'f> {
    source: SourceId,
    text: &'t str,
    open: Vec<Open>,
    root: Option<Node>,
    /// Anchored nodes by the parser's number.
    anchors: HashMap<usize, Node>,
    alias_nodes_left: usize,
    found: &'f mut Vec<Diagnostic>,
}

impl Builder<'_, '_> {
    /// Takes one event; an error ends reading.
    fn event(&mut self, event: Event<'_>, span: granit_parser::Span) -> Result<(), Diagnostic> {
        let at = self.span(span);
        let tagged = event.tag().is_some();
        if let Some(tag) = event.tag() {
            let at = span.tag_span().map_or(at, |span| self.span(span));
            self.found.push(yaml_error::tag(at, &tag.original()));
        }
        match event {
            Event::DocumentStart(..) if self.root.is_some() => {
                return Err(Diagnostic::error(at, "a second document in one file")
                    .label("one file holds one document")
                    .help("other files are read through `include: [GLOB]`"));
            }
            Event::Scalar(text, style, anchor, _) => {
                // What a tag leaves of a text is not what was meant.
                let kind = if tagged { Kind::Broken } else { scalar(text.into_owned(), style) };
                let node = Node { at, kind };
                self.finish(node, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { start: at.start, anchor, content: Content::List(Vec::new()) });
            }
            Event::MappingStart(style, anchor, _) => {
                let braces = style == StructureStyle::Flow;
                let content = Content::Map { entries: Vec::new(), key: None, braces, broken: false };
                self.open.push(Open { start: at.start, anchor, content });
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(at),
            Event::Alias(anchor) => self.alias(anchor, at)?,
            _ => {}
        }
        if self.open.len() > DEPTH_MAX {
            return Err(Diagnostic::error(
                at,
                format!("more than {DEPTH_MAX} maps and lists within each other"),
            ));
        }
        Ok(())
    }

    /// The parser's span in our own form.
    fn span(&self, span: granit_parser::Span) -> Span {
        yaml_error::span(self.source, self.text, span)
    }

    /// Repeats an anchored node at `at`.
    fn alias(&mut self, anchor: usize, at: Span) -> Result<(), Diagnostic> {
        let Some(node) = self.anchors.get(&anchor) else {
            return Err(Diagnostic::error(at, "an alias within the very value that it repeats")
                .label("this never ends"));
        };
        let count = node.count();
        if count > self.alias_nodes_left {
            return Err(Diagnostic::error(at, "aliases repeat too much")
                .label(format!("all aliases of a file may repeat {ALIAS_NODES_MAX} values in sum")));
        }
        self.alias_nodes_left -= count;
        let node = Node { at, kind: node.kind.clone() };
        self.add(node);
        Ok(())
    }

    /// Ends the innermost map or list.
    fn close(&mut self, end: Span) {
        let Some(open) = self.open.pop() else { return };
        let kind = match open.content {
            Content::List(items) => Kind::List(items),
            Content::Map { broken: true, .. } => Kind::Broken,
            Content::Map { entries, braces, .. } => {
                let mut entries = entries;
                unique(&mut entries, self.found);
                Kind::Map { entries, braces }
            }
        };
        // The parser ends a block at the next token, which may be lines below its last character.
        let end = self.trimmed_end(open.start, end.end);
        let at = Span { source: self.source, start: open.start, end };
        self.finish(Node { at, kind }, open.anchor);
    }

    /// `end`, moved back over white space that follows the last character.
    fn trimmed_end(&self, start: u32, end: u32) -> u32 {
        let slice = self.text.get(start as usize..end as usize).unwrap_or_default();
        start + slice.trim_end().len() as u32
    }

    /// Remembers an anchored node, and adds it.
    fn finish(&mut self, node: Node, anchor: usize) {
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        self.add(node);
    }

    /// Puts a finished node where it belongs.
    fn add(&mut self, node: Node) {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return;
        };
        match &mut open.content {
            Content::List(items) => items.push(node),
            Content::Map { entries, key, broken, .. } => match key.take() {
                Some(key) => entries.push(Entry { key, value: node }),
                None => {
                    let text = match node.kind {
                        Kind::Scalar { text, .. } => text,
                        _ => {
                            *broken = true;
                            self.found.push(yaml_error::key(&node));
                            String::new()
                        }
                    };
                    *key = Some(At { value: text, at: node.at });
                }
            },
        }
    }
}

/// Reports keys that a map has twice, and keeps the first of each.
pub fn unique(entries: &mut Vec<Entry>, found: &mut Vec<Diagnostic>) {
    let doubles = duplicates(entries);
    for &(second, first) in &doubles {
        found.push(yaml_error::duplicate(&entries[second].key, entries[first].key.at));
    }
    for &(second, _) in doubles.iter().rev() {
        entries.remove(second);
    }
}

/// Indices of keys that were there before, each with the index of the first, ascending.
fn duplicates(entries: &[Entry]) -> Vec<(usize, usize)> {
    let key = |index: usize| entries[index].key.value.as_str();
    if entries.len() < HASHED_KEYS {
        let first = |index| (0..index).find(|&earlier| key(earlier) == key(index));
        return (0..entries.len()).filter_map(|index| Some((index, first(index)?))).collect();
    }
    let mut seen = HashMap::with_capacity(entries.len());
    (0..entries.len())
        .filter_map(|index| match seen.entry(key(index)) {
            std::collections::hash_map::Entry::Occupied(first) => Some((index, *first.get())),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                vacant.insert(index);
                None
            }
        })
        .collect()
}

/// A scalar, or nothing where YAML 1.2 says null.
fn scalar(text: String, style: ScalarStyle) -> Kind {
    let plain = style == ScalarStyle::Plain;
    if plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL") {
        return Kind::Null;
    }
    Kind::Scalar { text, plain }
}
