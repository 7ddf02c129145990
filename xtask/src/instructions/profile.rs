//! Which functions a request's instructions are in.

use super::count::Bench;
use super::program::Program;
use super::scenario::Scenario;
use crate::run::{Failure, command, output};
use std::collections::HashMap;
use std::path::Path;

/// Functions that are shown.
const SHOWN: usize = 40;

/// Prints the functions that a request costs most in, by the difference between a long and a short run: what is in
/// themselves, and what is in them and in all that they call. Functions that were inlined count for their callers, and
/// recursion makes inclusive figures too large.
///
/// # Errors
/// When a run fails, or valgrind's accounts cannot be read.
pub fn print(bench: &Bench, program: &Program, scenario: &Scenario) -> Result<(), Failure> {
    let accounts = [scenario.few, scenario.many].map(|requests| {
        let file = bench.folder.join(format!("account-{requests}"));
        bench.run(program, scenario, requests, Some(&file)).map(|_| file)
    });
    let [few, many] = accounts;
    let (few, many) = (few?, many?);
    let requests = i64::from(scenario.many - scenario.few);
    for (title, inclusive) in [("in the function itself", "no"), ("and in what it calls", "yes")] {
        let before = costs(&few, inclusive)?;
        let mut grown: Vec<(i64, String)> = costs(&many, inclusive)?
            .into_iter()
            .map(|(name, cost)| ((cost - before.get(&name).unwrap_or(&0)) / requests, name))
            .collect();
        grown.sort_unstable_by(|one, other| other.cmp(one));
        println!("\n{} {}: instructions a request {title}", program.name(), scenario.name);
        grown.iter().take(SHOWN).for_each(|(cost, name)| println!("{cost:>10}  {name}"));
    }
    Ok(())
}

/// Instructions by function.
fn costs(account: &Path, inclusive: &str) -> Result<HashMap<String, i64>, Failure> {
    let inclusive = format!("--inclusive={inclusive}");
    let arguments = ["--threshold=100", "--auto=no", &inclusive, &account.to_string_lossy()];
    let text = output(command("callgrind_annotate", &arguments))?;
    let mut costs = HashMap::new();
    for (cost, name) in text.lines().filter_map(line) {
        // One function is there once for each file that something inlined into it comes from.
        *costs.entry(name).or_default() += cost;
    }
    Ok(costs)
}

/// The cost and the function of a line such as `1,234 (5.67%)  src/lib.rs:function [/a/program]`.
fn line(line: &str) -> Option<(i64, String)> {
    let (cost, rest) = line.trim_start().split_once(' ')?;
    let cost = cost.replace(',', "").parse().ok()?;
    let rest = rest.trim_start();
    let rest = match rest.starts_with('(') {
        true => rest.split_once(')')?.1.trim_start(),
        false => rest,
    };
    let named = rest.rsplit_once(" [").map_or(rest, |(named, _)| named);
    let (_, name) = named.split_once(':')?;
    Some((cost, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_account_are_read() {
        for (text, wanted) in [
            ("1,234 (5.67%)  src/lib.rs:a::b<c>::d [/a/program]", Some((1234, "a::b<c>::d"))),
            ("17  ???:memcpy [/lib/libc.so]", Some((17, "memcpy"))),
            ("2,000,000 (100.0%)  PROGRAM TOTALS", None),
            ("Events shown:     Ir", None),
            ("", None),
        ] {
            assert_eq!(line(text), wanted.map(|(cost, name)| (cost, name.to_owned())), "{text}");
        }
    }
}
