//! The index over routes: it decides as a scan in order would.
//!
//! The input has a pattern a line, an empty line, and a path a line. A pattern may begin with `X ` for a condition on
//! a field besides.

use crate::Target;
use policy::decide::{CookieKeys, Dice, Input, Machine, Rules, Step};
use policy::matching::{check as conditions, path_fits};
use policy::model::RouteId;
use policy::source::Files;
use policy::testing::TestRequest;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The index over routes.
pub const TARGET: Target = Target { name: "path_matcher", check, words: WORDS, iterations: 4_000 };

const WORDS: &[&str] = &[
    "/a\n",
    "/a/*\n",
    "/*\n",
    "/{x}\n",
    "/{x}/b\n",
    "/a/{y}/*\n",
    "X /a\n",
    "X /{z}/*\n",
    "/",
    "\n",
    "\n\n",
    "/a/b/c\n",
    "/b\n",
    "/a/\n",
    "//",
    "/%61",
    "/a%2Fb\n",
    "/.well-known\n",
    "X /*\n",
];

struct InMemory(Vec<u8>);

impl Files for InMemory {
    fn read(&self, _path: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.clone())
    }

    fn glob(&self, _pattern: &Path) -> io::Result<Vec<PathBuf>> {
        Ok(Vec::new())
    }
}

/// Rules with a route for each pattern; `None` if they are refused.
fn rules(patterns: &[&str]) -> Option<Rules> {
    let routes: Vec<_> = patterns
        .iter()
        .map(|pattern| match pattern.strip_prefix("X ") {
            Some(path) => serde_json::json!({ "path": path, "header": { "x": "1" }, "to": "p" }),
            None => serde_json::json!({ "path": pattern, "to": "p" }),
        })
        .collect();
    let file = serde_json::json!({
        "listeners": ["127.0.0.1:80"],
        "pools": { "p": { "servers": ["10.0.0.1:80"] } },
        "sites": { "a.test": { "routes": routes } },
    });
    let files = InMemory(file.to_string().into_bytes());
    let loaded = policy::load(&files, Path::new("tidegate.json"), &|_| Some("/tmp".to_owned()));
    let keys = CookieKeys { current: [7; 32], previous: None };
    loaded.policy.map(|policy| Rules::new(Arc::new(policy), keys))
}

fn check(input: &[u8]) -> String {
    let Ok(text) = std::str::from_utf8(input) else { return "no text".to_owned() };
    let (patterns, paths) = text.split_once("\n\n").unwrap_or((text, "/"));
    let patterns: Vec<&str> = patterns.lines().filter(|line| !line.is_empty()).take(12).collect();
    let Some(rules) = rules(&patterns) else { return format!("refused {}", patterns.len().min(4)) };
    let mut verdicts = Vec::new();
    for path in paths.lines().take(8) {
        for fields in [vec![], vec![("X".to_owned(), "1".to_owned())]] {
            let Ok(request) = TestRequest::from_parts("GET", false, "a.test", path, fields, None) else {
                continue;
            };
            if request.refusal().is_some() {
                continue;
            }
            let facts = request.facts(rules.policy());
            let routes = &rules.policy().sites[0].routes;
            let scan = routes
                .iter()
                .position(|route| path_fits(&route.path, facts.path) && conditions(route, &facts).is_ok());
            let step = Machine::new(&rules).step(&facts, Input::Head, &mut Dice::new(1), &mut ());
            let Step::Done(decided) = step else { panic!("no session is kept here") };
            assert_eq!(decided.route, scan.map(RouteId), "{} among {patterns:?}", facts.path);
            let last = scan.is_some_and(|route| route + 1 == routes.len());
            verdicts.push(if scan.is_none() {
                "none"
            } else if last {
                "last"
            } else {
                "earlier"
            });
        }
    }
    verdicts.dedup();
    verdicts.truncate(3);
    format!("{} routes: {}", patterns.len().min(4), verdicts.join(" "))
}
