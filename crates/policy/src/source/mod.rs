//! Where things stand in the configuration: sources, positions, and what is wrong at them.
//!
//! Everything that reads the configuration reports [`Diagnostic`]s and never stops at the first; [`render`]
//! draws one for people, [`to_json`] lists all for tools.

mod render;

pub use render::{render, to_json};

use std::path::{Path, PathBuf};

/// Reads files on behalf of the configuration, so that this crate does no IO itself.
///
/// On disk for `check` and the supervisor; a bundle of contents for the engine, which may not read files.
pub trait Files {
    /// The contents of `path`.
    ///
    /// # Errors
    /// Whatever reading gave.
    fn read(&self, path: &Path) -> std::io::Result<Vec<u8>>;

    /// The paths that match a glob pattern (`*`, `?`), sorted. A pattern without wildcards matches itself
    /// if it is there.
    ///
    /// # Errors
    /// Whatever listing the folder gave: also when it is written out and not there.
    fn glob(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>>;

    /// The one name of a file that has several (`a.yaml`, `../etc/a.yaml`, a link), so that it is read once.
    fn real_path(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

/// Which source a position is in: an index into [`Sources`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceId(pub u32);

/// A range of bytes in one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// The source that the range is in.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// One file that was read: its name as given, and its text.
#[derive(Clone, Debug)]
pub struct Source {
    /// The path as it is shown in diagnostics.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
}

/// All files that one configuration was read from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// In the order in which they were read; [`SourceId`] is the index.
    pub files: Vec<Source>,
}

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration cannot be used.
    Error,
    /// It can be used, and is probably not what was meant.
    Warning,
}

/// A place that belongs to a diagnostic besides its main one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub at: Span,
    /// What is to be said of it.
    pub text: String,
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Error or warning.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// The main place.
    pub at: Span,
    /// What stands under the main place in the drawn snippet (what was expected); may be empty.
    pub label: String,
    /// Other places that matter (the earlier route, the other listener).
    pub others: Vec<Label>,
    /// What to write instead, if that is known.
    pub help: Option<String>,
}

impl Span {
    /// Whether all of `other` lies in this one.
    pub fn holds(self, other: Span) -> bool {
        self.source == other.source && self.start <= other.start && other.end <= self.end
    }

    /// `length` bytes that begin `offset` bytes after the start, kept within the span.
    pub fn part(self, offset: usize, length: usize) -> Span {
        let start = self.end.min(self.start.saturating_add(u32::try_from(offset).unwrap_or(u32::MAX)));
        let end = self.end.min(start.saturating_add(u32::try_from(length).unwrap_or(u32::MAX)));
        Span { source: self.source, start, end }
    }
}

impl Sources {
    /// Where `span` begins: the file, and line and column, both counted from 1; columns are characters.
    pub fn position(&self, span: Span) -> (&Path, usize, usize) {
        let Some(file) = self.files.get(span.source.0 as usize) else {
            return (Path::new(""), 1, 1);
        };
        let (line, column) = file.position(span.start);
        (&file.path, line, column)
    }

    /// What is written at `span`.
    pub fn text(&self, span: Span) -> &str {
        self.files
            .get(span.source.0 as usize)
            .and_then(|file| file.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// The folder of the file that `span` is in: what relative paths are relative to.
    pub fn folder(&self, span: Span) -> &Path {
        self.files
            .get(span.source.0 as usize)
            .and_then(|file| file.path.parent())
            .unwrap_or_else(|| Path::new(""))
    }
}

impl Source {
    /// Line and column of a byte, both counted from 1; columns are characters.
    pub fn position(&self, byte: u32) -> (usize, usize) {
        let before = &self.text.as_bytes()[..(byte as usize).min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |newline| newline + 1);
        // Bytes that continue a UTF-8 character do not begin a column.
        let column = 1 + before[start..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        (line, column)
    }
}

impl Diagnostic {
    /// An error: what is wrong, in one line.
    pub fn error(at: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            at,
            label: String::new(),
            others: Vec::new(),
            help: None,
        }
    }

    /// A warning: what is probably not meant.
    pub fn warning(at: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(at, message) }
    }

    /// Says what stands under the main place.
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = label.into();
        self
    }

    /// Adds another place that matters.
    pub fn other(mut self, at: Span, text: impl Into<String>) -> Diagnostic {
        self.others.push(Label { at, text: text.into() });
        self
    }

    /// Says what to write instead.
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }
}
