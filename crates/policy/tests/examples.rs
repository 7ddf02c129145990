//! Every configuration that the documentation shows is one: it loads without a word, and its own tests hold. (The
//! program's tests run `tidegate check` on them, certificates included.)

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{environment, load, rendered};
use policy::Loaded;
use policy::decide::{CookieKeys, Rules};
use policy::testing::run_all;
use std::path::{Path, PathBuf};
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

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The YAML blocks of a Markdown text that are more than a comment.
fn blocks(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    for part in markdown.split("```yaml\n").skip(1) {
        let block = part.split("```").next().unwrap_or_default();
        if block.lines().any(|line| !line.trim_start().starts_with('#') && !line.trim().is_empty()) {
            blocks.push(block.to_owned());
        }
    }
    blocks
}

#[test]
fn examples_in_the_documentation_load() {
    let (mut checked, mut tests) = (0, 0);
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.chain([root().join("README.md")]) {
        if page.extension().is_none_or(|end| end != "md") {
            continue;
        }
        for block in blocks(&std::fs::read_to_string(&page).unwrap()) {
            tests += is_good(load(&block), &format!("{}:\n{block}", page.display()));
            checked += 1;
        }
    }
    assert!(checked >= 8 && tests >= 5, "only {checked} examples with {tests} tests");
}

#[test]
fn example_folders_load() {
    let mut checked = 0;
    for folder in std::fs::read_dir(root().join("examples")).unwrap() {
        let folder = folder.unwrap().path();
        if folder.join("tidegate.yaml").exists() {
            let files = common::Folder(folder.clone());
            let loaded = policy::load(&files, Path::new("tidegate.yaml"), &environment);
            assert!(is_good(loaded, &folder.display().to_string()) > 0, "an example has tests");
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} examples");
}
