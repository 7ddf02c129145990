//! The stored figures, and the judgement on new ones.
//!
//! Counts repeat to a few thousandths with the same tools (see [`Tools`]). With others the compiler's choices differ, and
//! how much nobody knows beforehand: then the bound is wider, and the output says why. It never vanishes.

use super::scenario::RATIOS;
use super::tools::Tools;
use crate::run::{Failure, root};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// By how much a figure may be above the stored one.
const GROWTH_MAX: f64 = 0.03;

/// The same where the tools are not those that the figures were stored with.
const GROWTH_MAX_OTHER_TOOLS: f64 = 0.10;

/// How a higher figure is accepted.
const ADVICE: &str = "if it is worth that, store the new figures with `cargo xtask bench --instructions --accept` and say \
                      in the commit what it buys";

/// Instructions a request by scenario, and what they were counted with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// What they were counted with.
    pub tools: Tools,
    /// By the scenarios' names.
    pub figures: BTreeMap<String, u64>,
}

/// What comes of a comparison.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why the change cannot be taken; none if it can.
    pub failures: Vec<String>,
    /// What people should know.
    pub notes: Vec<String>,
    /// Scenarios that cost too much.
    pub too_dear: Vec<String>,
}

impl Stored {
    /// Where it is.
    pub fn path() -> PathBuf {
        root().join("bench/instructions.toml")
    }

    /// Reads the file; nothing is stored where there is none.
    ///
    /// # Errors
    /// When it cannot be read, or is not understood.
    pub fn read() -> Result<Stored, Failure> {
        let path = Stored::path();
        match std::fs::read_to_string(&path) {
            Ok(text) => Stored::parse(&text).map_err(|error| format!("{}: {error}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Stored::default()),
            Err(error) => Err(format!("{}: {error}", path.display())),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self) -> Result<(), Failure> {
        std::fs::write(Stored::path(), self.text()).map_err(|error| error.to_string())?;
        println!("stored in {}", Stored::path().display());
        Ok(())
    }

    fn parse(text: &str) -> Result<Stored, Failure> {
        let mut stored = Stored::default();
        let mut section = "";
        for (number, line) in text.lines().enumerate() {
            let bad = || format!("line {} is not understood: {line}", number + 1);
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                section = name.strip_suffix(']').ok_or_else(bad)?;
                continue;
            }
            let (key, value) = line.split_once(" = ").ok_or_else(bad)?;
            match section {
                "tools" => {
                    let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
                    stored.tools.0.insert(key.to_owned(), value.ok_or_else(bad)?.to_owned());
                }
                "instructions_per_request" => {
                    let value = value.parse().ok().filter(|value| *value > 0).ok_or_else(bad)?;
                    stored.figures.insert(key.to_owned(), value);
                }
                _ => return Err(bad()),
            }
        }
        Ok(stored)
    }

    fn text(&self) -> String {
        let mut text = "# User instructions of a request, by scenario. `cargo xtask bench --instructions --accept` writes it.\n\n\
                        [tools]\n"
            .to_owned();
        self.tools.0.iter().for_each(|(name, value)| text.push_str(&format!("{name} = \"{value}\"\n")));
        text.push_str("\n[instructions_per_request]\n");
        self.figures.iter().for_each(|(name, figure)| text.push_str(&format!("{name} = {figure}\n")));
        text
    }

    /// Compares figures, counted with `tools`, to the stored ones. `is_whole` if they are of all scenarios.
    pub fn judge(&self, counted: &BTreeMap<String, u64>, tools: &Tools, is_whole: bool) -> Verdict {
        let mut verdict = Verdict::default();
        let differences = self.tools.differences(tools);
        let bound = if differences.is_empty() { GROWTH_MAX } else { GROWTH_MAX_OTHER_TOOLS };
        if !differences.is_empty() && !self.figures.is_empty() {
            verdict.notes.push(format!(
                "the figures were stored with other tools, so that only more than {:.0} % above them fails: {}",
                bound * 100.0,
                differences.join("; ")
            ));
        }
        for (name, figure) in counted {
            match self.figures.get(name) {
                Some(stored) => verdict.compare(name, *figure, *stored, bound),
                None => verdict.failures.push(format!(
                    "{name}: {figure} instructions a request, and no figure is stored; store it with `cargo xtask bench \
                     --instructions --accept`"
                )),
            }
        }
        for name in self.figures.keys().filter(|name| is_whole && !counted.contains_key(*name)) {
            verdict.failures.push(format!("{name}: a figure is stored, but it was not counted"));
        }
        for (one, other, most) in RATIOS {
            let (Some(most), Some(one_is), Some(other_is)) = (most, counted.get(one), counted.get(other))
            else {
                continue;
            };
            let ratio = *one_is as f64 / *other_is as f64;
            if ratio > most {
                verdict.too_dear.push(one.to_owned());
                verdict.failures.push(format!(
                    "{one}: {one_is} instructions a request, {ratio:.3} of the {other_is} of {other}; at most {most} is allowed"
                ));
            }
        }
        verdict
    }
}

impl Verdict {
    fn compare(&mut self, name: &str, figure: u64, stored: u64, bound: f64) {
        let growth = figure as f64 / stored as f64 - 1.0;
        if growth > bound {
            self.too_dear.push(name.to_owned());
            self.failures.push(format!(
                "{name}: {figure} instructions a request, {:+.1} % of the stored {stored}; {ADVICE}",
                growth * 100.0
            ));
        } else if growth < -GROWTH_MAX {
            self.notes.push(format!(
                "{name}: {figure} instructions a request, {:+.1} % of the stored {stored}: store the new figure with `cargo \
                 xtask bench --instructions --accept`, so that it is kept",
                growth * 100.0
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(rustc: &str) -> Tools {
        Tools([("rustc".to_owned(), rustc.to_owned())].into())
    }

    fn figures(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
        of.iter().map(|(name, figure)| ((*name).to_owned(), *figure)).collect()
    }

    fn stored(of: &[(&str, u64)]) -> Stored {
        Stored { tools: tools("1.95.0"), figures: figures(of) }
    }

    /// The failures, and the notes, one a line.
    fn judged(stored: &Stored, counted: &[(&str, u64)], rustc: &str, is_whole: bool) -> (String, String) {
        let verdict = stored.judge(&figures(counted), &tools(rustc), is_whole);
        (verdict.failures.join("\n"), verdict.notes.join("\n"))
    }

    #[test]
    fn what_costs_more_fails_with_both_numbers_and_advice() {
        let (failures, _) = judged(&stored(&[("h1", 10_000)]), &[("h1", 10_310)], "1.95.0", true);
        for part in ["h1: 10310 ", "+3.1 %", "stored 10000", "--instructions --accept"] {
            assert!(failures.contains(part), "{part}: {failures}");
        }
    }

    #[test]
    fn the_bound_is_three_percent_or_ten_with_other_tools() {
        for (counted, rustc, fails, is_noted) in [
            (10_290, "1.95.0", false, false),
            (10_000, "1.95.0", false, false),
            (9_710, "1.95.0", false, false),
            (9_690, "1.95.0", false, true),
            (10_310, "1.95.0", true, false),
            (10_310, "1.96.0", false, true),
            (10_990, "1.96.0", false, true),
            (11_010, "1.96.0", true, true),
        ] {
            let (failures, notes) = judged(&stored(&[("h1", 10_000)]), &[("h1", counted)], rustc, true);
            assert_eq!(!failures.is_empty(), fails, "{counted} {rustc}: {failures}");
            assert_eq!(!notes.is_empty(), is_noted, "{counted} {rustc}: {notes}");
        }
    }

    #[test]
    fn other_tools_are_told() {
        let (_, notes) = judged(&stored(&[("h1", 10_000)]), &[("h1", 10_000)], "1.96.0", true);
        assert!(notes.contains("rustc was 1.95.0 and is 1.96.0"), "{notes}");
    }

    #[test]
    fn a_scenario_without_figure_fails_and_so_does_a_figure_without_scenario() {
        let (failures, _) = judged(&stored(&[]), &[("h1", 10_000)], "1.95.0", true);
        assert!(failures.contains("no figure is stored"), "{failures}");
        let both = stored(&[("h1", 10_000), ("h2", 20_000)]);
        let (failures, _) = judged(&both, &[("h1", 10_000)], "1.95.0", true);
        assert_eq!(failures, "h2: a figure is stored, but it was not counted");
        let (failures, _) = judged(&both, &[("h1", 10_000)], "1.95.0", false);
        assert_eq!(failures, "", "only some were asked for");
    }

    #[test]
    fn many_routes_may_cost_little_more_than_one() {
        let stored = stored(&[("small", 10_000), ("routes", 11_000)]);
        let (failures, _) = judged(&stored, &[("small", 10_000), ("routes", 10_400)], "1.95.0", true);
        assert_eq!(failures, "");
        let (failures, _) = judged(&stored, &[("small", 10_000), ("routes", 10_600)], "1.95.0", true);
        assert!(failures.contains("1.060 of the 10000 of small; at most 1.05"), "{failures}");
    }

    #[test]
    fn what_is_written_is_read() {
        let stored = stored(&[("h1", 10_000), ("h2-10", 20_000)]);
        assert_eq!(Stored::parse(&stored.text()), Ok(stored));
        for bad in ["[tools", "h1 = 3", "[instructions_per_request]\nh1 = many", "[tools]\nrustc = 1"] {
            assert!(Stored::parse(bad).is_err(), "{bad}");
        }
        let zero = Stored::parse("[instructions_per_request]\nh1 = 0");
        assert!(zero.is_err(), "nothing can be compared to it");
    }
}
