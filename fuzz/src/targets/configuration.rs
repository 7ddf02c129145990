//! Configurations.

use crate::Target;
use policy::source::{Files, Severity, render, to_json};
use std::io;
use std::path::{Path, PathBuf};

/// Configurations.
pub const TARGET: Target = Target { name: "configuration", check, words: WORDS, iterations: 4_000 };

const WORDS: &[&str] = &[
    "listeners: [\"127.0.0.1:80\"]\n",
    "pools:\n",
    "  a: { servers: [10.0.0.1:80] }\n",
    "  b: { like: a }\n",
    "sites:\n",
    "  '*': { to: a }\n",
    "  a.example: { to: { a: 50%, b: 50% } }\n",
    "    routes:\n",
    "      - { path: \"/{id}/*\", to: a }\n",
    "tests:\n",
    "  - { get: http://a/, to: a }\n",
    "include: [x.yaml]\n",
    "timeouts: { idle: 1s }\n",
    "&x ",
    "*x",
    "${HOME}",
    "$${",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "#",
    "|\n",
    "\"",
    "'",
    "null",
    "~",
    "<<: ",
    "---\n",
    "\t",
    "!t ",
    "? ",
];

/// The one file, which may include itself.
struct OneFile<'a>(&'a [u8]);

impl Files for OneFile<'_> {
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match path.extension() {
            Some(end) if end == "yaml" => Ok(self.0.to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn glob(&self, pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(vec![pattern.to_owned()])
    }
}

fn check(input: &[u8]) -> String {
    let environment = |name: &str| (name == "HOME").then(|| "/home/a".to_owned());
    let loaded = policy::load(&OneFile(input), Path::new("tidegate.yaml"), &environment);
    assert_eq!(loaded.policy.is_none(), loaded.failed(), "a policy, or an error that says why not");
    let mut words = Vec::new();
    for diagnostic in &loaded.diagnostics {
        let others = diagnostic.others.iter().map(|label| label.at);
        for at in std::iter::once(diagnostic.at).chain(others) {
            assert!(at.start <= at.end);
            if let Some(source) = loaded.sources.files.get(at.source.0 as usize) {
                let text = source.text.get(at.start as usize..at.end as usize);
                assert!(text.is_some(), "a place outside of its file: {diagnostic:?}");
            }
        }
        assert!(!diagnostic.message.is_empty());
        let drawn = render(diagnostic, &loaded.sources, false);
        let level = if diagnostic.severity == Severity::Error { "error: " } else { "warning: " };
        assert!(drawn.starts_with(level), "{drawn}");
        let acts = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
        assert!(!drawn.contains(acts), "a file can act on the terminal: {drawn:?}");
        // Without what is quoted from the file, which may have such quotes itself.
        let message = &diagnostic.message;
        let before = message.split('`').next().unwrap_or_default();
        let after = message.rsplit('`').next().unwrap_or_default();
        let kind =
            [before, after].concat().chars().filter(char::is_ascii_alphabetic).take(24).collect::<String>();
        words.push(kind);
    }
    let listed = to_json(&loaded.diagnostics, &loaded.sources);
    assert_eq!(listed.as_array().map(Vec::len), Some(loaded.diagnostics.len()));
    // The first one only: all of them would keep every mixture.
    format!(
        "{} {}",
        if loaded.policy.is_some() { "policy" } else { "refused" },
        words.first().unwrap_or(&String::new())
    )
}
