//! Every broken file has its diagnostics, drawn, as a snapshot beside the code.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Folder, environment, rendered};
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// The files to check: those that are not parts of others.
fn files() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| PathBuf::from(entry.unwrap().file_name()))
        .filter(|path| path.extension().is_some_and(|end| end == "yaml" || end == "json"))
        .collect();
    files.sort();
    files
}

#[test]
fn broken_files_say_what_is_wrong() {
    let files = files();
    assert!(files.len() >= 30, "only {} broken files", files.len());
    for path in files {
        let loaded = policy::load(&Folder(folder()), &path, &environment);
        assert!(loaded.policy.is_none() && loaded.failed(), "{} is not broken", path.display());
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        insta::with_settings!({ snapshot_path => "broken", prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(name, rendered(&loaded));
        });
    }
}

#[test]
fn every_diagnostic_has_its_place_in_json() {
    for path in files() {
        let loaded = policy::load(&Folder(folder()), &path, &environment);
        let listed = policy::source::to_json(&loaded.diagnostics, &loaded.sources);
        let listed = listed.as_array().unwrap();
        assert_eq!(listed.len(), loaded.diagnostics.len());
        for one in listed {
            assert!(one["line"].as_u64().unwrap() >= 1 && one["column"].as_u64().unwrap() >= 1, "{one}");
            assert!(one["end_line"].as_u64() >= one["line"].as_u64(), "{one}");
            assert!(!one["message"].as_str().unwrap().is_empty() && one["file"].is_string(), "{one}");
        }
    }
}
