//! What every parser and decider must hold, whatever it is given.
//!
//! A [`Target`] takes bytes, hands them to the code, asserts what must hold of the outcome, and returns the outcome as
//! a short word, its verdict. Its [corpus](corpus) holds inputs that came from real programs, from known attacks, and
//! from [growing](grow): running changed inputs and keeping those with a verdict that none had before.
//!
//! `tests/targets.rs` runs each target over its corpus and over inputs that are drawn anew in each run.

pub mod corpus;
pub mod grow;
pub mod mutate;
pub mod targets;

/// One thing that is fuzzed.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in `corpus/`.
    pub name: &'static str,
    /// Runs one input and gives its verdict: what kind of outcome it was. Panics where something does not hold.
    pub check: fn(&[u8]) -> String,
    /// Pieces that inputs are made of, so that chance gets beyond the first line.
    pub words: &'static [&'static str],
    /// How many drawn inputs a test runs.
    pub iterations: usize,
}
