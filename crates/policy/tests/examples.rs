//! Every configuration that the documentation shows is one: it loads without a word.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{documented, environment, examples, load, rendered};
use std::path::Path;

#[test]
fn examples_in_the_documentation_load() {
    let documented = documented();
    assert!(documented.len() >= 8, "only {} examples", documented.len());
    for (page, block) in documented {
        let loaded = load(&block);
        assert!(loaded.diagnostics.is_empty(), "{}:\n{block}\n{}", page.display(), rendered(&loaded));
    }
}

#[test]
fn example_folders_load() {
    let examples = examples();
    assert!(examples.len() >= 3, "only {} examples", examples.len());
    for folder in examples {
        let files = common::Folder(folder.clone());
        let loaded = policy::load(&files, Path::new("tidegate.yaml"), &environment);
        assert!(loaded.diagnostics.is_empty(), "{}:\n{}", folder.display(), rendered(&loaded));
    }
}
