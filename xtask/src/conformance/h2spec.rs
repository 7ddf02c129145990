//! h2spec, over TLS and over h2c: none of its cases may fail.

use super::Outcome;
use super::programs::{Found, go};
use super::report::{Case, End, cases};
use super::stage::{Running, Stage, Subject, built, within};
use crate::process::{free_address, port};
use crate::run::{Failure, command};

/// Without `--strict`, which adds a case of which the specification says SHOULD.
const CASES: usize = 145;

/// How long a case waits for what should come; h2spec's own two seconds are little on a machine that is busy.
const CASE_LIMIT_SECONDS: &str = "4";

/// More than all cases take that wait to their end.
const LIMIT_SECONDS: u32 = 600;

/// Runs it against a program with a plain origin behind it.
///
/// # Errors
/// When something does not build or start, or does not end as it should.
pub fn run(subject: Subject) -> Result<Outcome, Failure> {
    let programs = match go(&["github.com/summerwind/h2spec/cmd/h2spec"], "h2spec")? {
        Found::Here(folder) => folder,
        Found::Missing(outcome) => return Ok(outcome),
    };
    let h2spec = programs.join("h2spec").display().to_string();
    let stage = Stage::new("h2spec")?;
    let server = free_address()?;
    let _origin = stage.start("origin", command(&built("origin"), &[port(&server)]), &server)?;
    let running = stage.before(subject, "h2spec", &[("SERVER", &server)])?;
    let mut outcome = Outcome::default();
    for is_tls in [true, false] {
        outcome.join(once(&stage, &h2spec, &running, is_tls)?);
    }
    running.end()?;
    Ok(outcome)
}

fn once(stage: &Stage, h2spec: &str, running: &Running, is_tls: bool) -> Result<Outcome, Failure> {
    let (name, address) = if is_tls { ("TLS", &running.secure) } else { ("h2c", &running.plain) };
    let file = stage.file(&format!("{name}.xml"));
    let mut arguments = vec!["-h", "127.0.0.1", "-p", port(address), "-j", &file, "-o", CASE_LIMIT_SECONDS];
    if is_tls {
        arguments.extend(["-t", "-k"]);
    }
    let (said, _) = within(LIMIT_SECONDS, h2spec, &arguments)?;
    let xml =
        std::fs::read_to_string(&file).map_err(|_| format!("h2spec wrote no report, and said:\n{said}"))?;
    Ok(judged(name, cases(&xml)))
}

/// The outcome, printed.
fn judged(name: &str, cases: Vec<Case>) -> Outcome {
    let mut outcome = Outcome::default();
    let count = cases.len();
    for case in cases {
        match case.end {
            End::Passed => outcome.passed += 1,
            End::Skipped => outcome.skipped.push(format!("SKIPPED: h2spec over {name}: {}", case.name)),
            End::Failed { expected, actual } => {
                let expected = expected.join(", or ");
                outcome.fail(format!(
                    "h2spec over {name}: {}\n    expected {expected}\n    got {actual}",
                    case.name
                ));
            }
        }
    }
    if count != CASES {
        outcome.fail(format!("h2spec over {name}: {count} cases were run, not {CASES}"));
    }
    let failed = outcome.failed.len();
    println!("h2spec over {name}: {count} cases, {} passed, {failed} failed", outcome.passed);
    outcome
}
