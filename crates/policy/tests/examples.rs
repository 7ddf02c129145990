//! Every configuration that the documentation shows is one: it loads without a word.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{environment, load, rendered};
use std::path::{Path, PathBuf};

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
    let mut checked = 0;
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    for page in pages.chain([root().join("README.md")]) {
        if page.extension().is_none_or(|end| end != "md") {
            continue;
        }
        for block in blocks(&std::fs::read_to_string(&page).unwrap()) {
            let loaded = load(&block);
            assert!(loaded.diagnostics.is_empty(), "{}:\n{block}\n{}", page.display(), rendered(&loaded));
            checked += 1;
        }
    }
    assert!(checked >= 8, "only {checked} examples");
}

#[test]
fn example_folders_load() {
    let mut checked = 0;
    for folder in std::fs::read_dir(root().join("examples")).unwrap() {
        let folder = folder.unwrap().path();
        if folder.join("tidegate.yaml").exists() {
            let files = common::Folder(folder.clone());
            let loaded = policy::load(&files, Path::new("tidegate.yaml"), &environment);
            assert!(loaded.diagnostics.is_empty(), "{}:\n{}", folder.display(), rendered(&loaded));
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} examples");
}
