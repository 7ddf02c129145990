//! Where things stand in the configuration: sources, positions, and what is wrong at them.

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
    /// Whatever listing the folder gave.
    fn glob(&self, pattern: &Path) -> std::io::Result<Vec<PathBuf>>;
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
