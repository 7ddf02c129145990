//! The file and the files that it includes, as one tree.

use super::substitute::substitute;
use super::tree::{self, At, Entry, Kind, Node};
use crate::source::{Diagnostic, Files, Source, SourceId, Sources, Span};
use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Keys that included files may have; all of them append.
const APPENDED: &[&str] = &["listeners", "pools", "sites", "tests"];
/// A file larger than this is no configuration; positions are 32 bit numbers.
const FILE_BYTES_MAX: usize = 256 << 20;

/// What all files amount to.
pub struct Tree {
    /// The file, with what others append to it.
    pub root: Node,
    /// Whether a part could not be read: what is not found in `root` may be there.
    pub incomplete: bool,
}

/// Reads `path` and what it includes into one tree. `None` if the file itself cannot be read as YAML: nothing is
/// known then.
pub fn read_all(
    files: &dyn Files,
    path: &Path,
    env: &dyn Fn(&str) -> Option<String>,
    sources: &mut Sources,
    found: &mut Vec<Diagnostic>,
) -> Option<Tree> {
    let mut reader = Reader { files, env, sources, found, seen: HashSet::new(), incomplete: false };
    reader.seen.insert(files.real_path(path));
    let mut root = reader.file(path, None)?;
    if let Kind::Null = root.kind {
        root.kind = Kind::Map { entries: Vec::new(), braces: false };
    }
    reader.includes(&mut root);
    let incomplete = reader.incomplete;
    repeated_pools(&root, found);
    Some(Tree { root, incomplete })
}

struct Reader<'a> {
    files: &'a dyn Files,
    env: &'a dyn Fn(&str) -> Option<String>,
    sources: &'a mut Sources,
    found: &'a mut Vec<Diagnostic>,
    /// Every file is read once, however many patterns match it and whatever they call it.
    seen: HashSet<PathBuf>,
    incomplete: bool,
}

impl Reader<'_> {
    /// One file's tree. `named` is the place that names it.
    fn file(&mut self, path: &Path, named: Option<Span>) -> Option<Node> {
        let id = SourceId(u32::try_from(self.sources.files.len()).unwrap_or(u32::MAX));
        let start = Span { source: id, start: 0, end: 0 };
        let (text, problem) = match self.contents(path) {
            Ok(bytes) => as_text(id, bytes),
            Err(problem) => {
                let message = format!("cannot read `{}`: {problem}", path.display());
                (String::new(), Some(Diagnostic::error(named.unwrap_or(start), message)))
            }
        };
        self.sources.files.push(Source { path: path.to_owned(), text });
        if let Some(problem) = problem {
            self.found.push(problem);
            self.incomplete = true;
            return None;
        }
        let text = &self.sources.files[id.0 as usize].text;
        let node = tree::read(id, text, self.found);
        self.incomplete |= node.is_none();
        node.map(|mut node| {
            substitute(&mut node, self.env, self.found);
            node
        })
    }

    fn contents(&self, path: &Path) -> Result<Vec<u8>, String> {
        let bytes = self.files.read(path).map_err(|error| error.to_string())?;
        if bytes.len() > FILE_BYTES_MAX { Err("it is larger than 256 MiB".to_owned()) } else { Ok(bytes) }
    }

    /// Appends what the root includes.
    fn includes(&mut self, root: &mut Node) {
        for pattern in patterns(root) {
            let folder = self.sources.folder(pattern.at).to_owned();
            let matches = match self.files.glob(&folder.join(&pattern.value)) {
                Ok(matches) => matches,
                Err(error) => {
                    let problem = match error.kind() {
                        ErrorKind::NotFound => {
                            let message = format!("the folder of `{}` is not there", pattern.value);
                            Diagnostic::error(pattern.at, message).label("no such folder")
                        }
                        _ => {
                            let message = format!("cannot list `{}`: {error}", pattern.value);
                            Diagnostic::error(pattern.at, message)
                        }
                    };
                    self.found.push(problem);
                    self.incomplete = true;
                    continue;
                }
            };
            if matches.is_empty() && !pattern.value.contains(['*', '?']) {
                let message = format!("`{}` is not there", pattern.value);
                self.found.push(Diagnostic::error(pattern.at, message).label("no such file"));
                self.incomplete = true;
            }
            for path in matches {
                if self.seen.insert(self.files.real_path(&path))
                    && let Some(included) = self.file(&path, Some(pattern.at))
                {
                    self.append(root, included);
                }
            }
        }
    }

    /// Appends an included file's lists and maps to the root's.
    fn append(&mut self, root: &mut Node, included: Node) {
        let at = included.at;
        let entries = match included.kind {
            Kind::Map { entries, .. } => entries,
            Kind::Null => return,
            _ => {
                self.incomplete = true;
                self.found.push(
                    Diagnostic::error(at, "an included file is a map").label("expected `pools:`, `sites:` …"),
                );
                return;
            }
        };
        for entry in entries {
            if APPENDED.contains(&entry.key.value.as_str()) {
                self.append_entry(root, entry);
            } else {
                let problem =
                    Diagnostic::error(entry.key.at, format!("`{}` in an included file", entry.key.value));
                let help = format!("included files hold {}; write it in the main file", APPENDED.join(", "));
                self.found.push(problem.label("only the main file may have it").help(help));
            }
        }
    }

    fn append_entry(&mut self, root: &mut Node, entry: Entry) {
        let Kind::Map { entries, .. } = &mut root.kind else { return };
        let Some(present) = entries.iter_mut().find(|present| present.key.value == entry.key.value) else {
            entries.push(entry);
            return;
        };
        match (&mut present.value.kind, entry.value.kind) {
            (Kind::List(items), Kind::List(more)) => items.extend(more),
            (Kind::Map { entries, .. }, Kind::Map { entries: more, .. }) => entries.extend(more),
            (Kind::Null, kind) => present.value = Node { at: entry.value.at, kind },
            (_, Kind::Null) => {}
            (there, _) => {
                self.incomplete = true;
                let expected = if matches!(there, Kind::List(_)) { "a list" } else { "a map" };
                let problem = Diagnostic::error(
                    entry.value.at,
                    format!("`{}` is {expected} in the main file", entry.key.value),
                );
                self.found.push(problem.other(present.key.at, "there"));
            }
        }
    }
}

/// The text of a file; where it is not UTF-8, what can be shown of it, and where it goes wrong.
fn as_text(source: SourceId, bytes: Vec<u8>) -> (String, Option<Diagnostic>) {
    let error = match String::from_utf8(bytes) {
        Ok(text) => return (text, None),
        Err(error) => error,
    };
    let start = error.utf8_error().valid_up_to();
    let byte = error.as_bytes()[start];
    // What comes before is as it was, so the place is the same.
    let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
    let end = start + char::REPLACEMENT_CHARACTER.len_utf8();
    let problem =
        Diagnostic::error(Span { source, start: start as u32, end: end as u32 }, "this is not UTF-8")
            .label(format!("the byte 0x{byte:02X}"))
            .help("save the file as UTF-8");
    (text, Some(problem))
}

/// The patterns under `include`. Other shapes are refused later, as the types are read.
fn patterns(root: &Node) -> Vec<At<String>> {
    let Some(entry) = root.entry("include") else { return Vec::new() };
    let items = match &entry.value.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(&entry.value),
    };
    items
        .iter()
        .filter_map(|item| match &item.kind {
            Kind::Scalar { text, .. } => Some(At { value: text.clone(), at: item.at }),
            _ => None,
        })
        .collect()
}

/// Pools that two files name alike. (Within one file a repeated key does not get this far, and sites are
/// compared by their hosts.)
fn repeated_pools(root: &Node, found: &mut Vec<Diagnostic>) {
    let Some(Entry { value: Node { kind: Kind::Map { entries, .. }, .. }, .. }) = root.entry("pools") else {
        return;
    };
    let mut seen: HashMap<&str, Span> = HashMap::with_capacity(entries.len());
    for Entry { key, .. } in entries {
        if let Some(first) = seen.insert(&key.value, key.at) {
            let problem = Diagnostic::error(key.at, format!("the pool `{}` is there twice", key.value));
            found.push(problem.label("again here").other(first, "first here"));
        }
    }
}
