//! Reading configurations from disk or from memory, as the program does.

#![allow(dead_code, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used)]

use policy::Loaded;
use policy::source::Files;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Files on disk below one folder; paths in diagnostics stay relative to it.
pub struct Folder(pub PathBuf);

impl Files for Folder {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(self.0.join(path))
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        let folder = pattern.parent().unwrap_or(Path::new(""));
        for entry in std::fs::read_dir(self.0.join(folder))? {
            found.push(folder.join(entry?.file_name()));
        }
        Ok(matching(found, pattern))
    }
}

/// A path without `.` and `..`, as if there were no links.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            std::path::Component::ParentDir => {
                plain.pop();
            }
            std::path::Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// Files in memory.
#[derive(Default)]
pub struct Memory(pub BTreeMap<PathBuf, Vec<u8>>);

impl Memory {
    /// Files by path.
    pub fn new(files: &[(&str, &str)]) -> Memory {
        Memory(files.iter().map(|(path, text)| (path.into(), text.as_bytes().to_vec())).collect())
    }
}

impl Files for Memory {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.0
            .get(&plain(path))
            .cloned()
            .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such file"))
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        let folder = pattern.parent().unwrap_or(Path::new(""));
        let found = matching(self.0.keys().cloned().collect(), &plain(pattern));
        Ok(found.iter().map(|path| folder.join(path.file_name().unwrap_or_default())).collect())
    }

    fn real_path(&self, path: &Path) -> PathBuf {
        plain(path)
    }
}

/// Paths that match a pattern with at most one `*`, sorted.
fn matching(mut paths: Vec<PathBuf>, pattern: &Path) -> Vec<PathBuf> {
    let pattern = pattern.to_string_lossy().into_owned();
    paths.retain(|path| {
        let path = path.to_string_lossy();
        match pattern.split_once('*') {
            Some((before, after)) => path.starts_with(before) && path.ends_with(after),
            None => *path == pattern,
        }
    });
    paths.sort();
    paths
}

/// The environment of all tests.
pub fn environment(name: &str) -> Option<String> {
    match name {
        "HOME" => Some("/home/ada".to_owned()),
        "SHOP_PORT" => Some("8080".to_owned()),
        _ => None,
    }
}

/// Loads `tidegate.yaml` with this text.
pub fn load(text: &str) -> Loaded {
    policy::load(&Memory::new(&[("tidegate.yaml", text)]), Path::new("tidegate.yaml"), &environment)
}

/// All diagnostics as they are shown.
pub fn rendered(loaded: &Loaded) -> String {
    let drawn = loaded.diagnostics.iter();
    let drawn: Vec<_> =
        drawn.map(|diagnostic| policy::source::render(diagnostic, &loaded.sources, false)).collect();
    drawn.join("\n\n")
}

/// The folder of the whole project.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The configurations that the documentation shows, each with the page that it is on.
pub fn documented() -> Vec<(PathBuf, String)> {
    let pages = std::fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.chain([root().join("README.md")]);
    let pages = pages.filter(|page| page.extension().is_some_and(|end| end == "md"));
    pages
        .flat_map(|page| {
            let text = std::fs::read_to_string(&page).unwrap();
            blocks(&text).into_iter().map(move |block| (page.clone(), block)).collect::<Vec<_>>()
        })
        .collect()
}

/// The folders of examples.
pub fn examples() -> Vec<PathBuf> {
    let folders = std::fs::read_dir(root().join("examples")).unwrap().map(|entry| entry.unwrap().path());
    folders.filter(|folder| folder.join("tidegate.yaml").exists()).collect()
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
