//! Whatever is written, reading it ends, without panic, with a policy or an error.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{load, rendered};
use proptest::prelude::*;

/// Pieces of configurations, so that chance gets beyond the parser.
const PIECES: &[&str] = &[
    "pools:\n",
    "sites:\n",
    "  a:\n",
    "  a.example.com:\n",
    "    servers: [10.0.0.1:80]\n",
    "    to: a\n",
    "    routes:\n",
    "      - { path: /x/*, to: a }\n",
    "      - { path: \"/{id}\", to: { a: 50%, b: 50% } }\n",
    "  b: { like: a }\n",
    "  '*': { to: { status: 404 } }\n",
    "tls: { internal: true }\n",
    "tests:\n",
    "  - { get: http://a/, to: a }\n",
    "listeners: [\":80\", { address: \":443\", tls: true }]\n",
    "timeouts: { idle: 1s }\n",
    "&x ",
    "*x",
    "!t ",
    "{",
    "}",
    "[",
    "]",
    ": ",
    "- ",
    "\"",
    "'",
    "#",
    "%",
    "|\n",
    "\t",
    "\n",
    "---\n",
    "${HOME}",
    "${",
    "é",
    "\u{0}",
    "null",
    "~",
    "<<: ",
    "? ",
    "include: [\"*\"]\n",
    "errors: { 5xx: { html: x } }\n",
    "99999999999999999999",
    "{rest}",
];

fn check(text: &str) {
    let loaded = load(text);
    assert_eq!(loaded.policy.is_none(), loaded.failed());
    let acts = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    assert!(!rendered(&loaded).contains(acts), "a file can act on the terminal: {:?}", rendered(&loaded));
    policy::source::to_json(&loaded.diagnostics, &loaded.sources);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_panic(text in "\\PC{0,80}") {
        check(&text);
    }

    #[test]
    fn any_mixture_of_pieces_is_read_without_panic(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 0..24),
    ) {
        check(&pieces.concat());
    }
}

#[test]
fn repeated_aliases_do_not_become_a_large_tree() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        let aliases = vec![alias; 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let loaded = load(&text);
    assert!(rendered(&loaded).contains("aliases repeat too much"));
}

#[test]
fn nothing_that_is_drawn_acts_on_a_terminal() {
    check("a: \u{9b}31m\n\u{8d}: [\u{1b}[31m]\nb: \u{7f}\r");
}

#[test]
fn depth_is_bounded() {
    for open in ["[", "{a: ", "- "] {
        assert!(load(&open.repeat(100_000)).failed(), "{open}");
    }
}
