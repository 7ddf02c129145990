//! How people are told: diagnostics, errors with their causes, colours where they can be seen.
//!
//! What was asked for goes to standard output, everything else to standard error. Writing never fails: a
//! reader who has gone away is no reason to stop serving, nor to panic.

use crate::process::configuration::Checked;
use policy::source::{Diagnostic, Severity, render};
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Whether standard error shows colours: a terminal, and nobody has asked for `NO_COLOR`.
pub fn colors() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stderr().is_terminal()
}

/// What was asked for.
pub fn answer(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// One line of ours.
pub fn line(text: &str) {
    write(&format!("tidegate: {text}\n"));
}

/// An error with all its causes; gives the exit code that goes with it.
pub fn failure(error: &dyn Error) -> ExitCode {
    line(&chain(error));
    ExitCode::FAILURE
}

/// An error and its causes in one line: `cannot start: no such file`. A cause that its error has quoted
/// already is not said twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}

/// All diagnostics of a configuration, drawn into its text.
pub fn diagnostics(checked: &Checked) {
    let colors = colors();
    for diagnostic in &checked.diagnostics {
        write(&format!("{}\n", render(diagnostic, &checked.sources, colors).trim_end()));
    }
    if checked.dropped > 0 {
        line(&format!("{} more are not shown", checked.dropped));
    }
}

/// `2 errors, 1 warning`; empty when there is neither.
pub fn tally(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    [(count(Severity::Error), "error"), (count(Severity::Warning), "warning")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, noun)| counted(count, noun))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `1 route`, `2 routes`.
pub fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn write(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("cannot start: {0}")]
    struct Quoting(#[source] io::Error);

    #[test]
    fn causes_are_told_once() {
        assert_eq!(chain(&Outer(io::Error::other("disk full"))), "cannot start: disk full");
        assert_eq!(chain(&Quoting(io::Error::other("disk full"))), "cannot start: disk full");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(counted(1, "route"), "1 route");
        assert_eq!(counted(0, "route"), "0 routes");
    }
}
