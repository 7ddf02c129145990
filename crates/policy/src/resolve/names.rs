//! Names that others refer to, with those whose owner could not be read: what is broken was reported, and is not
//! called unknown as well.

use crate::file::decode::Problems;
use std::collections::HashMap;

/// Things by their names.
#[derive(Debug, Default)]
pub struct Names<'f, Id> {
    /// `None` is a name whose owner is broken.
    known: HashMap<&'f str, Option<Id>>,
    /// Whether owners are broken whose names nobody knows, so that any name may be one of theirs.
    in_doubt: bool,
}

impl<'f, Id: Copy> Names<'f, Id> {
    /// No names yet. A file that could not be read may hold any.
    pub fn new(problems: &Problems) -> Self {
        Names { known: HashMap::new(), in_doubt: problems.incomplete }
    }

    /// Adds a name; the first owner keeps it.
    pub fn add(&mut self, name: &'f str, id: Option<Id>) {
        self.known.entry(name).or_insert(id);
    }

    /// Notes that there are broken owners whose names are not known.
    pub fn doubt(&mut self) {
        self.in_doubt = true;
    }

    /// The owner of a name: `None` if there surely is none, `Some(None)` if it is, or may be, broken.
    pub fn find(&self, name: &str) -> Option<Option<Id>> {
        match self.known.get(name) {
            None if self.in_doubt => Some(None),
            found => found.copied(),
        }
    }

    /// All names, in no order.
    pub fn all(&self) -> impl Iterator<Item = &'f str> {
        self.known.keys().copied()
    }
}
