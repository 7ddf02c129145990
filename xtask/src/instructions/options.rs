//! The words behind `cargo xtask bench --instructions`.

use super::scenario::SCENARIOS;
use crate::run::{Failure, root};
use std::path::PathBuf;

/// What may be asked.
pub const USAGE: &str = "\
usage: cargo xtask bench --instructions [--only NAME,…] [--binary PATH] [--accept | --peers | --profile]

  --only NAME,…  these scenarios alone
  --binary PATH  of this tidegate, instead of one that is built (profile `dist`)
  --accept       store the figures
  --peers        beside nginx and HAProxy; results in bench/results/
  --profile      show the functions that cost most";

/// What was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Names of scenarios; all if there are none.
    pub only: Vec<String>,
    /// A tidegate that is built already.
    pub binary: Option<PathBuf>,
    /// Whether the figures are stored.
    pub accept: bool,
    /// Whether peers are counted too.
    pub peers: bool,
    /// Whether functions are shown instead of sums.
    pub profile: bool,
}

impl Options {
    /// Reads them.
    ///
    /// # Errors
    /// When a word or a scenario is not known, or two do not go together.
    pub fn parse(words: &[&str]) -> Result<Options, Failure> {
        let mut options = Options::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
            match *word {
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--binary" => options.binary = Some(root().join(value()?)),
                "--accept" => options.accept = true,
                "--peers" => options.peers = true,
                "--profile" => options.profile = true,
                _ => return Err(format!("{word} is not known")),
            }
        }
        for name in &options.only {
            if !SCENARIOS.iter().any(|scenario| scenario.name == name) {
                let names: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
                return Err(format!("there is no scenario {name}; there are {}", names.join(", ")));
            }
        }
        if [options.accept, options.peers, options.profile].into_iter().filter(|is_asked| *is_asked).count()
            > 1
        {
            return Err("--accept, --peers and --profile do not go together".to_owned());
        }
        if options.accept && options.binary.is_some() {
            return Err("only figures of what is built here are stored, not those of --binary".to_owned());
        }
        Ok(options)
    }

    /// Whether a scenario is asked for.
    pub fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_or_refused() {
        for (words, wanted) in [
            (&[][..], Ok(Options::default())),
            (
                &["--only", "small,h2-1", "--profile"],
                Ok(Options {
                    only: vec!["small".to_owned(), "h2-1".to_owned()],
                    profile: true,
                    ..Options::default()
                }),
            ),
            (&["--only", "large", "--accept"], {
                Ok(Options { only: vec!["large".to_owned()], accept: true, ..Options::default() })
            }),
            (&["--only"], Err("needs a value")),
            (&["--only", "huge"], Err("there is no scenario huge; there are small, ")),
            (&["--quick"], Err("--quick is not known")),
            (&["--peers", "--accept"], Err("do not go together")),
            (&["--binary", "x", "--accept"], Err("only figures of what is built here")),
        ] {
            match (Options::parse(words), wanted) {
                (Ok(options), Ok(wanted)) => assert_eq!(options, wanted, "{words:?}"),
                (Err(error), Err(wanted)) => assert!(error.contains(wanted), "{words:?}: {error}"),
                (got, _) => panic!("{words:?}: {got:?}"),
            }
        }
    }
}
