//! From nodes to the types that mirror the file.
//!
//! Decoding never stops: what is wrong is reported to [`Problems`], the field is marked [`Field::Broken`],
//! and everything beside it is read on. So all mistakes of a file are found at once, and nobody complains
//! that a key is missing which is there and broken.

use super::shape::{RecordShape, Shape};
use super::tree::{At, Entry, Kind, Node};
use crate::source::{Diagnostic, Severity, Sources, Span};

/// From this many errors (and warnings) on no more are kept: nobody reads them.
const DIAGNOSTICS_MAX: usize = 500;
/// From this many errors on nearest words are not searched for: each search looks at every name, which with 100,000
/// names takes longer than all the rest.
const SUGGESTIONS_MAX: usize = 50;

/// Collects what is wrong.
#[derive(Debug)]
pub struct Problems<'s> {
    /// The files, for places within a text.
    pub sources: &'s Sources,
    /// Whether a part of the configuration could not be read, so that what is not found may be there.
    pub incomplete: bool,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    dropped: usize,
}

impl<'s> Problems<'s> {
    /// Nothing wrong yet.
    pub fn new(sources: &'s Sources) -> Problems<'s> {
        Problems { sources, incomplete: false, errors: Vec::new(), warnings: Vec::new(), dropped: 0 }
    }

    /// Adds one. What was said of the same place before (a value repeated through `like` or an alias) is not
    /// said again.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        let list = match diagnostic.severity {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        let again = list.iter().any(|found| found.at == diagnostic.at && found.message == diagnostic.message);
        match list.len() {
            _ if again => {}
            DIAGNOSTICS_MAX.. => self.dropped += 1,
            _ => list.push(diagnostic),
        }
    }

    /// Number of errors so far, as far as they are kept.
    pub fn errors(&self) -> usize {
        self.errors.len()
    }

    /// Number of errors and warnings that were found and not kept.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// All of them, in the order of the files.
    pub fn into_sorted(self) -> Vec<Diagnostic> {
        let mut all = self.errors;
        all.extend(self.warnings);
        all.sort_by_key(|found| (found.at.source.0, found.at.start));
        all
    }

    /// The name nearest to `word`, as advice: `did you mean …?`.
    pub fn nearest<'n>(&self, word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
        if self.errors.len() >= SUGGESTIONS_MAX {
            return None;
        }
        nearest(word, names).map(|name| format!("did you mean `{name}`?"))
    }

    /// The place of `part` within a scalar at `at`, or all of it where escapes hide the part.
    pub fn within(&self, at: Span, part: &str) -> Span {
        match self.sources.text(at).find(part) {
            Some(offset) if !part.is_empty() => at.part(offset, part.len()),
            _ => at,
        }
    }

    /// The place of the word at byte `offset` of the text of a scalar at `at`; all of it where quotes and escapes make
    /// text and file differ in more than the quotes.
    pub fn offset(&self, at: Span, text: &str, offset: usize) -> Span {
        let written = self.sources.text(at);
        match written.find(text) {
            Some(quotes) if offset <= text.len() && quotes <= 1 => {
                let word = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-');
                let rest = text.get(offset..).unwrap_or_default();
                let width = rest.find(|c| !word(c)).unwrap_or(rest.len()).max(1);
                at.part(quotes + offset, width)
            }
            _ => at,
        }
    }
}

/// The name nearest to `word`, if one is near enough to be meant. The case of letters counts only between names that
/// are equally near.
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let limit = (word.chars().count() / 3).max(1);
    let folded = word.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, name)| (*distance, strsim::damerau_levenshtein(word, name), *name))
        .map(|(_, name)| name)
}

/// A type that is read from a node.
pub trait Decode: Sized {
    /// Reads it; `None` after having said why not.
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self>;

    /// What it looks like in the file.
    fn shape() -> Shape;

    /// What takes the place of one that could not be read in a list, where others refer to it.
    fn broken() -> Option<Self> {
        None
    }
}

/// The value of a key.
#[derive(Clone, Debug, Default)]
pub enum Field<T> {
    /// The key is not there.
    #[default]
    Absent,
    /// The key is there and its value was refused.
    Broken,
    /// A value. Few keys of a record are there, so the others take no room for one.
    Given(Box<At<T>>),
}

impl<T> Field<T> {
    /// A value that was read.
    pub fn new(value: T, at: Span) -> Field<T> {
        Field::Given(Box::new(At { value, at }))
    }

    /// The value and its place.
    pub fn given(&self) -> Option<&At<T>> {
        match self {
            Field::Given(value) => Some(value),
            _ => None,
        }
    }

    /// The value.
    pub fn value(&self) -> Option<&T> {
        self.given().map(|given| &given.value)
    }

    /// Whether the key is not there at all.
    pub fn is_absent(&self) -> bool {
        matches!(self, Field::Absent)
    }
}

impl<T: Decode> Field<T> {
    /// Reads the value of a key.
    pub fn read(entry: &Entry, problems: &mut Problems) -> Field<T> {
        let Entry { key, value } = entry;
        if let Kind::Broken = value.kind {
            return Field::Broken;
        }
        if let Kind::Null = value.kind {
            let problem = Diagnostic::error(key.at, format!("`{}` has no value", key.value));
            problems.push(problem.help("leave the key out, or write a value"));
            return Field::Broken;
        }
        match T::decode(value, problems) {
            Some(read) => Field::new(read, value.at),
            None => Field::Broken,
        }
    }
}

/// A map with known keys. Written by [`record!`](super::raw).
pub trait Record: Default {
    /// What it is, with an article: `a pool`.
    const NOUN: &'static str;
    /// Its keys.
    const KEYS: &'static [&'static str];

    /// Reads the value of a key; false if it has no such key.
    fn read_key(&mut self, entry: &Entry, problems: &mut Problems) -> bool;

    /// Notes that a key was meant and could not be read, unless it was read elsewhere.
    fn mark_broken(&mut self, key: &str);

    /// Documentation and keys.
    fn record_shape() -> RecordShape;
}

/// Reads a map with known keys. `expected` is what to say where there is no map: `an address or a map`.
pub fn record<T: Record>(node: &Node, expected: &str, problems: &mut Problems) -> Option<T> {
    let Kind::Map { entries, .. } = &node.kind else {
        problems.push(mismatch(node, expected));
        return None;
    };
    let mut record = T::default();
    for entry in entries {
        if !record.read_key(entry, problems) {
            problems.push(unknown_key(&entry.key, T::NOUN, T::KEYS, problems));
            // What is misspelt is not missing too.
            if let Some(meant) = nearest(&entry.key.value, T::KEYS.iter().copied()) {
                record.mark_broken(meant);
            }
        }
    }
    Some(record)
}

/// A record that could not be read: nothing of it is missing, all is broken.
pub fn broken_record<T: Record>() -> T {
    let mut record = T::default();
    T::KEYS.iter().for_each(|key| record.mark_broken(key));
    record
}

/// A key that a record does not have.
pub fn unknown_key(key: &At<String>, noun: &str, keys: &[&str], problems: &Problems) -> Diagnostic {
    let help = match problems.nearest(&key.value, keys.iter().copied()) {
        _ if key.value == "<<" => "YAML 1.2 has no merge keys; pools take `like: NAME`".to_owned(),
        Some(help) => help,
        None => format!("known here: {}", keys.join(", ")),
    };
    Diagnostic::error(key.at, format!("unknown key `{}` in {noun}", key.value))
        .label("not a key here")
        .help(help)
}

/// A value of another kind than expected.
pub fn mismatch(node: &Node, expected: &str) -> Diagnostic {
    let subject = match &node.kind {
        Kind::Scalar { text, .. } => format!("`{}`", super::scalar::shortened(text)),
        _ => node.noun().to_owned(),
    };
    let diagnostic = Diagnostic::error(node.at, format!("{subject} does not fit here"))
        .label(format!("expected {expected}"));
    match &node.kind {
        Kind::Map { braces: true, .. } if !expected.contains("map") => {
            diagnostic.help("YAML reads {…} as a map: put quotes around a text that begins with {")
        }
        Kind::List(_) if !expected.contains("list") && !expected.contains("map") => {
            diagnostic.help("YAML reads […] as a list: put quotes around a text that begins with [")
        }
        _ => diagnostic,
    }
}

impl<T: Decode> Decode for Vec<At<T>> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::List(items) = &node.kind else {
            problems.push(mismatch(node, "a list").help("write [a, b], or lines that begin with `- `"));
            return None;
        };
        list(items, problems)
    }

    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }
}

/// What can be read of a list. What cannot has been reported; a list of nothing else is broken, not empty.
fn list<T: Decode>(items: &[Node], problems: &mut Problems) -> Option<Vec<At<T>>> {
    let read: Vec<_> = items
        .iter()
        .filter_map(|item| {
            let read = if let Kind::Broken = item.kind { None } else { T::decode(item, problems) };
            read.or_else(T::broken).map(|value| At { value, at: item.at })
        })
        .collect();
    (items.is_empty() || !read.is_empty()).then_some(read)
}

/// One value, or a list of them.
#[derive(Clone, Debug, Default)]
pub struct OneOrMore<T>(pub Vec<At<T>>);

impl<T: Decode> Decode for OneOrMore<T> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        match &node.kind {
            Kind::List(items) => list(items, problems).map(OneOrMore),
            _ => T::decode(node, problems).map(|value| OneOrMore(vec![At { value, at: node.at }])),
        }
    }

    fn shape() -> Shape {
        Shape::OneOrMore(Box::new(T::shape()))
    }
}

/// A map whose keys are names of the author's own, in the order of the file. A broken value keeps its name,
/// so that what refers to it is not called unknown.
#[derive(Clone, Debug)]
pub struct Named<T>(pub Vec<(At<String>, Field<T>)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named(Vec::new())
    }
}

/// What the keys of a [`Named`] map are, for the reference.
pub trait Names {
    /// With an article: `a pool's name`.
    const NAMES: &'static str;

    /// What a JSON Schema says of the names, and of how many there are; null for nothing.
    fn rules() -> serde_json::Value {
        serde_json::Value::Null
    }
}

impl<T: Decode + Names> Decode for Named<T> {
    fn decode(node: &Node, problems: &mut Problems) -> Option<Self> {
        let Kind::Map { entries, .. } = &node.kind else {
            problems.push(mismatch(node, "a map with names for keys"));
            return None;
        };
        let named = entries.iter().map(|entry| (entry.key.clone(), Field::read(entry, problems))).collect();
        Some(Named(named))
    }

    fn shape() -> Shape {
        Shape::Named { names: T::NAMES, rules: T::rules(), value: Box::new(T::shape()) }
    }
}
