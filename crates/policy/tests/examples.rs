//! Every configuration that the documentation shows is one: it loads without a word, and its own tests hold. (The
//! program's tests run `tidegate check` on them, certificates included.)

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{documented, environment, examples, load, rendered};
use policy::Loaded;
use policy::decide::{CookieKeys, Rules};
use policy::testing::run_all;
use std::path::Path;
use std::sync::Arc;

/// Nothing is said of a configuration, and its tests hold; gives their number.
fn is_good(loaded: Loaded, what: &str) -> usize {
    assert!(loaded.diagnostics.is_empty(), "{what}:\n{}", rendered(&loaded));
    let policy = Arc::new(loaded.policy.unwrap());
    let rules = Rules::new(Arc::clone(&policy), CookieKeys { current: [7; 32], previous: None });
    let failures = run_all(&rules);
    assert!(failures.is_empty(), "{what}:\n{failures:?}");
    policy.tests.len()
}

#[test]
fn examples_in_the_documentation_load() {
    let documented = documented();
    assert!(documented.len() >= 8, "only {} examples", documented.len());
    let tests: usize = documented
        .iter()
        .map(|(page, block)| is_good(load(block), &format!("{}:\n{block}", page.display())))
        .sum();
    assert!(tests >= 5, "only {tests} tests");
}

#[test]
fn example_folders_load() {
    let examples = examples();
    assert!(examples.len() >= 3, "only {} examples", examples.len());
    for folder in examples {
        let files = common::Folder(folder.clone());
        let loaded = policy::load(&files, Path::new("tidegate.yaml"), &environment);
        assert!(is_good(loaded, &folder.display().to_string()) > 0, "an example has tests");
    }
}
