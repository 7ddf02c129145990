//! The program's own log: lines on standard error, apart from the access log.

use super::report;
use tracing_subscriber::EnvFilter;

/// Chooses what is logged, in the syntax of `tracing`'s filters (`debug`, `tidegate::upstream=trace`).
const VARIABLE: &str = "TIDEGATE_LOG";

/// From `info` on, unless the environment says otherwise. What clients do to HTTP/2 the library would say of each
/// connection; we say it ourselves, and not more than once a second.
pub fn start() {
    start_from("info,h2=error");
}

/// From `warn` on: where what is printed matters more than what is logged.
pub fn start_quiet() {
    start_from("warn,h2=error");
}

fn start_from(default: &str) {
    let filter = EnvFilter::try_from_env(VARIABLE).unwrap_or_else(|_| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false);
    // Where a line cannot be written, nor can a complaint about that be; the attempt would be a panic.
    let lines = lines.log_internal_errors(false);
    // Only a test that runs two commands in one process gets here twice; the first one's log stays.
    let _ = lines.with_ansi(report::colors()).with_writer(std::io::stderr).try_init();
}
