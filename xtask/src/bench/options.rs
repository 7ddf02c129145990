//! What a run of the bench is asked for.

use super::subject::Kind;
use super::workload::{WORKLOADS, Workload};
use crate::run::Failure;

/// What is run, and how long.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Options {
    /// Whether only what shows the most is run.
    pub quick: bool,
    /// Whether what is built already is measured, whatever it was built from.
    pub as_built: bool,
    /// Names of workloads; none is all.
    pub only: Vec<String>,
    /// Who is compared; none is all.
    pub subjects: Vec<Kind>,
    /// Rounds of each workload.
    pub rounds: usize,
    /// Seconds of each round.
    pub seconds: f64,
}

impl Options {
    /// From words such as `--only 1k,100k`.
    ///
    /// # Errors
    /// When a word or a name is not known.
    pub fn new(words: &[&str]) -> Result<Options, Failure> {
        let quick = words.contains(&"--quick");
        let as_built = words.contains(&"--as-built");
        let (rounds, seconds) = if quick { (3, 0.6) } else { (5, 0.8) };
        let mut options =
            Options { quick, as_built, only: Vec::new(), subjects: Vec::new(), rounds, seconds };
        let mut words = words.iter().filter(|word| !matches!(**word, "--quick" | "--as-built"));
        while let Some(word) = words.next() {
            let value = *words.next().ok_or_else(|| format!("{word} needs a value"))?;
            let wrong = || format!("{word} {value}: that is not a number above 0");
            match *word {
                "--only" => options.only = value.split(',').map(str::to_owned).collect(),
                "--subjects" => {
                    options.subjects = value.split(',').map(Kind::named).collect::<Result<_, _>>()?;
                }
                "--rounds" => {
                    options.rounds = value.parse().ok().filter(|rounds| *rounds > 0).ok_or_else(wrong)?;
                }
                "--seconds" => {
                    options.seconds =
                        value.parse().ok().filter(|seconds: &f64| *seconds > 0.0).ok_or_else(wrong)?;
                }
                _ => return Err(format!("{word} is not known")),
            }
        }
        let known = |name: &String| WORKLOADS.iter().any(|workload| workload.name == name);
        match options.only.iter().find(|name| !known(name)) {
            Some(name) => {
                let all: Vec<&str> = WORKLOADS.iter().map(|workload| workload.name).collect();
                Err(format!("there is no workload `{name}`; there are {}", all.join(", ")))
            }
            None => Ok(options),
        }
    }

    /// The workloads that are run.
    pub fn workloads(&self) -> Vec<&'static Workload> {
        let wanted = |workload: &&Workload| match self.only.is_empty() {
            true => !self.quick || workload.quick,
            false => self.only.iter().any(|name| name == workload.name),
        };
        WORKLOADS.iter().filter(wanted).collect()
    }

    /// Whether this one is compared.
    pub fn wants(&self, kind: Kind) -> bool {
        self.subjects.is_empty() || self.subjects.contains(&kind)
    }

    /// Rounds of a workload at an offered rate.
    pub fn offered_rounds_of(&self, workload: &Workload) -> usize {
        self.rounds_of(workload).min(if self.quick { 2 } else { 3 })
    }

    /// Rounds of a workload: fewer for one that is a point of a curve.
    pub fn rounds_of(&self, workload: &Workload) -> usize {
        if workload.is_point() { self.rounds.min(3) } else { self.rounds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_choose_what_is_run() {
        let all = Options::new(&[]).expect("nothing is everything");
        assert_eq!(all.workloads().len(), WORKLOADS.len());
        assert!(all.wants(Kind::Envoy));
        let some = Options::new(&["--only", "100k,1k", "--subjects", "tidegate,floor", "--rounds", "2"]);
        let some = some.expect("they are known");
        assert_eq!(some.workloads().iter().map(|one| one.name).collect::<Vec<_>>(), ["1k", "100k"]);
        assert_eq!((some.wants(Kind::Nginx), some.wants(Kind::Floor), some.rounds), (false, true, 2));
        assert!(Options::new(&["--quick"]).is_ok_and(|quick| quick.workloads().len() < 10));
        for wrong in [&["--only", "2k"][..], &["--rounds", "0"], &["--rounds"], &["--fast", "1"]] {
            assert!(Options::new(wrong).is_err(), "{wrong:?}");
        }
    }
}
