//! The reference and the JSON Schema in docs/ say what the types say. `UPDATE=1` writes them anew.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(stored == text, "docs/{name} is stale: UPDATE=1 cargo test -p tidegate-policy --test generated");
}

#[test]
fn the_reference_is_fresh() {
    check("reference.md", &policy::reference());
}

#[test]
fn the_schema_is_fresh() {
    check("tidegate.schema.json", &(serde_json::to_string_pretty(&policy::schema()).unwrap() + "\n"));
}
