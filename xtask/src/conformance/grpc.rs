//! grpc-go's interop client and server with a proxy between them, with and without TLS on either side.

use super::Outcome;
use super::programs::{Found, go};
use super::stage::{Stage, Subject, within};
use crate::process::{free_address, port};
use crate::run::{Failure, command};

/// All that need no credentials and no second server. `pick_first_unary` wants servers that tell their names.
const CASES: [&str; 18] = [
    "empty_unary",
    "large_unary",
    "client_streaming",
    "server_streaming",
    "ping_pong",
    "empty_stream",
    "timeout_on_sleeping_server",
    "cancel_after_begin",
    "cancel_after_first_response",
    "status_code_and_message",
    "special_status_message",
    "custom_metadata",
    "unimplemented_method",
    "unimplemented_service",
    "rpc_soak",
    "channel_soak",
    "orca_per_rpc",
    "orca_oob",
];

/// Cases in which the end of a call crosses what is under way; once would be chance.
const RACES: [&str; 3] = ["timeout_on_sleeping_server", "cancel_after_begin", "cancel_after_first_response"];

/// How often each of them is run.
const RACE_RUNS: usize = 25;

/// What the two `orca` cases need: a balancer in the client that keeps the reports of servers.
const ORCA: &str = r#"{ "loadBalancingConfig": [{ "test_backend_metrics_load_balancer": {} }] }"#;

/// The slowest case takes three seconds.
const CASE_LIMIT_SECONDS: u32 = 30;

/// Runs all cases in all combinations.
///
/// # Errors
/// When something does not build or start, or does not end as it should.
pub fn run(subject: Subject) -> Result<Outcome, Failure> {
    let packages = ["google.golang.org/grpc/interop/client", "google.golang.org/grpc/interop/server"];
    let programs = match go(&packages, "grpc-go's interop cases")? {
        Found::Here(folder) => folder,
        Found::Missing(outcome) => return Ok(outcome),
    };
    let program = |name: &str| programs.join(name).display().to_string();
    let stage = Stage::new("grpc")?;
    let mut outcome = Outcome::default();
    for is_tls in [false, true] {
        let configuration = if is_tls { "grpc-tls" } else { "grpc-plain" };
        let server = free_address()?;
        let mut interop = command(&program("server"), &["-port", port(&server)]);
        if is_tls {
            let (cert, key) = (stage.file("cert.pem"), stage.file("key.pem"));
            interop.args(["-use_tls", "-tls_cert_file", &cert, "-tls_key_file", &key]);
        }
        let _server = stage.start(&format!("{configuration}-server"), interop, &server)?;
        let running = stage.before(subject, configuration, &[("SERVER", &server)])?;
        let side = if is_tls { "TLS" } else { "h2c" };
        outcome.join(cases(&stage, &program("client"), &running.plain, false, &format!("h2c to {side}"))?);
        outcome.join(cases(&stage, &program("client"), &running.secure, true, &format!("TLS to {side}"))?);
        running.end()?;
    }
    Ok(outcome)
}

/// All cases through one listener.
fn cases(stage: &Stage, client: &str, address: &str, is_tls: bool, name: &str) -> Result<Outcome, Failure> {
    let ca = stage.file("ca.pem");
    let mut outcome = Outcome::default();
    for case in CASES {
        let mut arguments =
            vec!["-server_host", "127.0.0.1", "-server_port", port(address), "-test_case", case];
        if is_tls {
            let tls = ["-use_tls", "-use_test_ca", "-ca_file", &ca, "-server_host_override", "localhost"];
            arguments.extend(tls);
        }
        if case.starts_with("orca") {
            arguments.extend(["-service_config_json", ORCA]);
        }
        match first_failure(client, &arguments, if RACES.contains(&case) { RACE_RUNS } else { 1 })? {
            None => outcome.passed += 1,
            Some(said) => outcome.fail(format!("grpc {name}: {case}\n    {}", reason(&said))),
        }
    }
    println!("grpc {name}: {} cases, {} passed", CASES.len(), outcome.passed);
    Ok(outcome)
}

/// Runs a case some times; what the client said when it was not content.
fn first_failure(client: &str, arguments: &[&str], runs: usize) -> Result<Option<String>, Failure> {
    for _ in 0..runs {
        let (said, is_content) = within(CASE_LIMIT_SECONDS, client, arguments)?;
        if !is_content {
            return Ok(Some(said));
        }
    }
    Ok(None)
}

/// The client's last line is why it gave up.
fn reason(said: &str) -> &str {
    said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing")
}
