//! Reading the configuration: files to trees, trees to the types that mirror the file.
//!
//! The steps of [`load`]: read the text strictly ([`tree`]), replace `${NAME}`, append included files
//! (`include`), let pools inherit (`like`), read the typed mirror ([`raw`]), and hand it to
//! [`resolve`]. Only broken YAML in the file itself ends early; every other mistake is collected, so
//! that one run shows them all.

pub mod decode;
mod include;
mod like;
pub mod raw;
pub mod scalar;
pub mod shape;
mod substitute;
pub mod tree;
mod yaml_error;

use crate::model;
use crate::resolve;
use crate::source::{Diagnostic, Files, Severity, Sources};
use decode::{Decode, Problems};
use std::path::Path;

/// What came of reading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; `None` if there is any error.
    pub policy: Option<model::Policy>,
    /// Where there are errors: what could be understood all the same. Good for finding more errors, not for deciding.
    pub draft: Option<model::Policy>,
    /// The files that were read; positions refer to them.
    pub sources: Sources,
    /// Errors and warnings in the order of the files: of each the first 500. From the fiftieth error on no nearest
    /// words are looked for.
    pub diagnostics: Vec<Diagnostic>,
    /// How many more there are.
    pub dropped: usize,
}

impl Loaded {
    /// Whether there is an error, which is: whether there is no policy.
    pub fn failed(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads the configuration at `path`, with all that it includes. `env` gives environment variables: those
/// that the file names as `${NAME}`, and `HOME` and the like for the default of `state_dir`.
pub fn load(files: &dyn Files, path: &Path, env: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut sources = Sources::default();
    let mut found = Vec::new();
    let root = include::read_all(files, path, env, &mut sources, &mut found);
    let (policy, draft, diagnostics, dropped) = match root {
        Some(include::Tree { mut root, incomplete }) => {
            like::inherit(&mut root, incomplete, &mut found);
            let mut problems = Problems::new(&sources);
            problems.incomplete = incomplete;
            found.into_iter().for_each(|diagnostic| problems.push(diagnostic));
            let file = raw::File::decode(&root, &mut problems);
            let policy = file.map(|file| resolve::resolve(&file, files, env, &mut problems));
            let (policy, draft) = if problems.errors() == 0 { (policy, None) } else { (None, policy) };
            let dropped = problems.dropped();
            (policy, draft, problems.into_sorted(), dropped)
        }
        None => (None, None, found, 0),
    };
    Loaded { policy, draft, sources, diagnostics, dropped }
}
