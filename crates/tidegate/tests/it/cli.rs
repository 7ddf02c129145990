//! The command line: what it says, and the exit codes that scripts rely on.

use super::support::tool::{self, Output};
use std::path::{Path, PathBuf};

const TIDEGATE: &str = env!("CARGO_BIN_EXE_tidegate");

fn tidegate(arguments: &[&str]) -> Output {
    tool::run(TIDEGATE, arguments)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A configuration in a folder of its own.
fn written(yaml: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tidegate.yaml");
    std::fs::write(&file, yaml).unwrap();
    let path = file.display().to_string();
    (folder, path)
}

const GOOD: &str = "listeners: ['127.0.0.1:0']
pools: { app: { servers: ['127.0.0.1:9'], sticky: cookie }, other: { servers: ['127.0.0.1:7'] } }
sites: { a.example: { routes: [{ path: '/x/*', to: other }, { to: app }] } }
tests:
  - { get: http://a.example/, to: app }
";

#[test]
fn a_good_file_is_accepted() {
    let (_folder, path) = written(GOOD);
    let output = tidegate(&["check", "-c", &path]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    assert!(output.stdout.ends_with("ok: 1 site, 2 routes, 2 pools, 1 test passed\n"), "{}", output.stdout);
}

#[test]
fn each_broken_file_is_refused_with_its_place() {
    let folder = workspace().join("crates/policy/tests/broken");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml" && extension != "json") {
            continue;
        }
        seen += 1;
        let text = path.display().to_string();
        let output = tidegate(&["check", "--json", "-c", &text]);
        assert_eq!(output.code, 1, "{text}: {}{}", output.stdout, output.stderr);
        let diagnostics: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
        let errors: Vec<_> =
            diagnostics.as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
        assert!(!errors.is_empty(), "{text}: {}", output.stdout);
        for error in &errors {
            assert!(error["file"].as_str().is_some() && error["line"].as_u64() > Some(0), "{text}: {error}");
            assert!(error["column"].as_u64() > Some(0), "{text}: {error}");
        }
        let drawn = tidegate(&["check", "-c", &text]);
        assert_eq!(drawn.code, 1, "{text}");
        let count = format!("{} error", errors.len());
        assert!(drawn.stdout.contains(&count), "{text}: {count} in {}", drawn.stdout);
        assert!(
            drawn.stderr.contains(&format!("{}:", errors[0]["file"].as_str().unwrap())),
            "{}",
            drawn.stderr
        );
    }
    assert!(seen >= 40, "{seen} broken files");
}

/// A certificate for these hosts with fixed dates, `NAME.pem` and `NAME.key`.
fn certificate_until(folder: &Path, name: &str, hosts: &[&str], year: i32) {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut parameters = rcgen::CertificateParams::new(hosts).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(year, 2, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    std::fs::write(folder.join(format!("{name}.pem")), certificate.pem()).unwrap();
    std::fs::write(folder.join(format!("{name}.key")), key.serialize_pem()).unwrap();
}

/// What `check` says, all of it, of a site `a.example` with more of these keys.
fn told(name: &str, site: &str, more: &str) {
    let (folder, path) = written(&format!(
        "listeners: [{{ address: '127.0.0.1:0', tls: true }}]\npools: {{ app: {{ servers: ['127.0.0.1:9'] }} }}\n\
         sites:\n  a.example:\n    to: app\n{site}{more}"
    ));
    for (name, hosts, year) in
        [("good", "a.example", 2100), ("other", "b.example", 2100), ("expired", "a.example", 2021)]
    {
        certificate_until(folder.path(), name, &[hosts], year);
    }
    let output = tidegate(&["check", "-c", &path]);
    assert_eq!(output.code, 1, "{}{}", output.stdout, output.stderr);
    let text = format!("{}\n{}", output.stderr, output.stdout);
    let text = text.replace(&folder.path().display().to_string(), "[folder]");
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(format!("check_{name}"), text);
    });
}

#[test]
fn what_is_wrong_beyond_the_file_is_drawn_into_it_too() {
    let certificate =
        |cert: &str, key: &str| format!("    tls: {{ certificates: [{{ cert: {cert}, key: {key} }}] }}\n");
    told("certificate_for_another_host", &certificate("other.pem", "other.key"), "");
    told("certificate_expired", &certificate("expired.pem", "expired.key"), "");
    told("key_of_another_certificate", &certificate("good.pem", "other.key"), "");
    told("certificate_not_readable", &certificate("nowhere.pem", "good.key"), "");
    told("host_without_a_certificate", &certificate("good.pem", "good.key"), "  c.example: { to: app }\n");
    told(
        "host_that_no_certificate_is_for",
        "",
        "  c.example: { to: app }\ntls: { certificates: [{ cert: good.pem, key: good.key }] }\n",
    );
    told(
        "test_that_fails",
        &certificate("good.pem", "good.key"),
        "tests:\n  - { get: 'https://a.example/x', to: app }\n  - { get: 'https://a.example/x', status: 404 }\n",
    );
}

#[test]
fn checking_writes_nothing() {
    let (folder, path) = written(
        "listeners: [{ address: '127.0.0.1:0', tls: true }]\ntls: { internal: true }\n\
         pools: { app: { servers: ['127.0.0.1:9'], sticky: cookie } }\nsites: { a.example: { to: app } }\n\
         tests: [{ get: 'https://a.example/', to: app }]\nstate_dir: state\n",
    );
    let request = ["explain", "-c", &path, "GET", "https://a.example/"];
    for arguments in [&["check", "-c", &path][..], &["test", "-c", &path], &request] {
        let output = tidegate(arguments);
        assert_eq!(output.code, 0, "{arguments:?}: {}", output.stderr);
    }
    let files: Vec<_> =
        std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["tidegate.yaml"], "no state is made before something is served");
}

#[test]
fn a_failing_test_stops_check_and_start() {
    let (_folder, path) = written(&GOOD.replace("to: app }\n", "to: other }\n"));
    for command in ["check", "run"] {
        let output = tidegate(&[command, "-c", &path]);
        assert_eq!(output.code, 1, "{command}: {}", output.stderr);
        assert!(output.stderr.contains("test failed: GET http://a.example/"), "{}", output.stderr);
        assert!(output.stderr.contains("expected pool other, got app"), "{}", output.stderr);
    }
    let output = tidegate(&["test", "-c", &path]);
    assert_eq!(output.code, 1);
    assert!(output.stdout.contains("+ pool      app"), "the steps are shown: {}", output.stdout);
    assert!(output.stdout.ends_with("0 passed, 1 failed\n"), "{}", output.stdout);
}

#[test]
fn results_of_tests_are_written_for_ci() {
    let (folder, path) = written(GOOD);
    let file = folder.path().join("out.xml").display().to_string();
    assert_eq!(tidegate(&["test", "-c", &path, "--junit", &file]).code, 0);
    let xml = std::fs::read_to_string(file).unwrap();
    assert!(xml.contains("tests=\"1\" failures=\"0\"") && xml.contains("GET http://a.example/"), "{xml}");
}

#[test]
fn wrong_usage_is_2_and_a_missing_file_1() {
    for arguments in [&["frobnicate"][..], &["check", "--frob"], &["explain", "GET"], &[]] {
        assert_eq!(tidegate(arguments).code, 2, "{arguments:?}");
    }
    for command in ["check", "run", "test"] {
        let output = tidegate(&[command, "-c", "/nowhere/tidegate.yaml"]);
        assert_eq!(output.code, 1, "{command}");
        assert!(output.stderr.contains("/nowhere/tidegate.yaml"), "{}", output.stderr);
    }
    assert_eq!(tidegate(&["--version"]).code, 0);
    let help = tidegate(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(!help.stdout.contains("engine"), "what is not for people is not shown");
}

#[test]
fn explaining_a_request_names_every_step() {
    let (_folder, path) = written(GOOD);
    let output = tidegate(&["explain", "-c", &path, "GET", "http://a.example/y", "-H", "A: b"]);
    assert_eq!(output.code, 0, "{}", output.stderr);
    insta::assert_snapshot!(output.stdout);
    let down = tidegate(&["explain", "-c", &path, "GET", "http://a.example/y", "--down", "127.0.0.1:9"]);
    assert!(down.stdout.ends_with("= answered 503: no server of pool app is up\n"), "{}", down.stdout);
    let json = tidegate(&["explain", "-c", &path, "GET", "http://b.example/", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["outcome"], "refused with 404 (no_site)");
    assert_eq!(tidegate(&["explain", "-c", &path, "GET", "nonsense"]).code, 2);
    assert_eq!(tidegate(&["explain", "-c", &path, "G@T", "http://a.example/"]).code, 2);
}

#[test]
fn explaining_a_redirect_says_where_to() {
    let (_folder, path) = written(
        "listeners: ['127.0.0.1:0']\nsites:\n  a.example:\n    routes:\n      \
         - { path: '/old/*', to: { redirect: '/new/{rest}', status: 301 } }\n      \
         - { to: { status: 410, body: gone } }\n",
    );
    for (url, told) in [
        ("http://a.example/old/x?y=1", "= redirected to /new/x?y=1 with 301\n"),
        ("http://a.example/x", "= answered 410 by the route\n"),
    ] {
        let output = tidegate(&["explain", "-c", &path, "GET", url]);
        assert!(output.stdout.ends_with(told), "{}{}", output.stdout, output.stderr);
    }
}

#[test]
fn the_schema_is_the_one_in_the_docs() {
    let output = tidegate(&["schema"]);
    assert_eq!(output.code, 0);
    let printed: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    let shipped = std::fs::read_to_string(workspace().join("docs/tidegate.schema.json")).unwrap();
    assert_eq!(printed, serde_json::from_str::<serde_json::Value>(&shipped).unwrap());
}

#[test]
fn a_certificate_that_does_not_fit_fails_check_where_it_is_written() {
    let (folder, path) = written(
        "listeners: [{ address: '127.0.0.1:0', tls: true }]\npools: { app: { servers: ['127.0.0.1:9'] } }\n\
         sites:\n  a.example:\n    to: app\n    tls: { certificates: [{ cert: one.pem, key: two.key }] }\n",
    );
    for name in ["one", "two"] {
        tool::certificate(folder.path(), name, "a.example");
    }
    let output = tidegate(&["check", "-c", &path]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains("the key does not fit the certificate"), "{}", output.stderr);
    assert!(output.stderr.contains("tidegate.yaml:6:"), "{}", output.stderr);
}

#[test]
fn a_port_that_is_taken_is_told_with_advice() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (folder, path) = written(&GOOD.replace("127.0.0.1:0", &address));
    let state =
        format!("{}\nstate_dir: {:?}\n", std::fs::read_to_string(&path).unwrap(), folder.path().join("s"));
    std::fs::write(&path, state).unwrap();
    let output = tidegate(&["run", "-c", &path]);
    assert_eq!(output.code, 1);
    assert!(output.stderr.contains(&format!("cannot listen on {address}")), "{}", output.stderr);
}
