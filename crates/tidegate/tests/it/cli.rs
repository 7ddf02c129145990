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

/// What `check` says, all of it, of pools on 127.0.0.1:9 with these keys.
fn told_of_pools(name: &str, pools: &[&str]) {
    let lines = pools.iter().enumerate();
    let lines: String = lines
        .map(|(number, keys)| format!("  p{number}: {{ servers: ['127.0.0.1:9'], {keys} }}\n"))
        .collect();
    let arms = (0..pools.len()).map(|number| format!("      - {{ path: /{number}, to: p{number} }}\n"));
    let (folder, path) = written(&format!(
        "listeners: ['127.0.0.1:0']\npools:\n{lines}sites:\n  a.example:\n    routes:\n{}",
        arms.collect::<String>()
    ));
    certificate_until(folder.path(), "good", &["a.example"], 2100);
    certificate_until(folder.path(), "other", &["a.example"], 2100);
    certificate_until(folder.path(), "expired", &["a.example"], 2021);
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    let output = tidegate(&["check", "-c", &path]);
    let text = format!("{}\n{}", output.stderr, output.stdout);
    let text = text.replace(&folder.path().display().to_string(), "[folder]");
    insta::with_settings!({ omit_expression => true }, {
        insta::assert_snapshot!(format!("check_{name}"), text);
    });
}

#[test]
fn files_of_pools_are_checked_where_they_are_written() {
    told_of_pools(
        "tls_to_servers",
        &[
            "tls: { ca: good.pem, cert: good.pem, key: good.key }",
            "tls: { ca: gone.pem }",
            "tls: { ca: empty.pem }",
            "protocol: h2, tls: { ca: good.key }",
            "tls: { ca: good.pem, cert: good.pem, key: other.key }",
            "tls: { ca: good.pem, cert: expired.pem, key: expired.key }",
            "tls: { ca: good.pem }, host: app.1",
            "tls: { verify: false }",
        ],
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
        (
            "http://a.example/x",
            "= answered 410 by the route\n  Content-Type: text/plain; charset=utf-8\n\n  gone\n",
        ),
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

#[test]
fn explaining_what_is_refused_before_it_is_decided() {
    let (_folder, path) = written(GOOD);
    for (method, url, told) in [
        ("GET", "http://a.example/a/../../b", "= refused with 400 (bad_path)\n"),
        ("CONNECT", "http://a.example/", "= refused with 405 (connect_not_served)\n"),
        ("GET", "HTTP://A.example/x#part", "= forwarded to 127.0.0.1:7 of pool other\n"),
    ] {
        let output = tidegate(&["explain", "-c", &path, method, url]);
        assert_eq!(output.code, 0, "{}", output.stderr);
        assert!(output.stdout.ends_with(told), "{}", output.stdout);
    }
}

#[test]
fn fields_that_are_none_are_wrong_usage() {
    let (_folder, path) = written(GOOD);
    for field in [": y", "b d: x", "y", "a: b\r\nc: d"] {
        let output = tidegate(&["explain", "-c", &path, "GET", "http://a.example/", "-H", field]);
        assert_eq!(output.code, 2, "{field}: {}", output.stdout);
    }
}

#[test]
fn a_host_field_and_a_proxy_are_believed_as_live() {
    let (_folder, path) = written(&format!("trusted_proxies: [127.0.0.1]\n{GOOD}"));
    let explain = ["explain", "-c", &path, "GET", "http://127.0.0.1/", "-H", "Host: a.example"];
    let output =
        tidegate(&[&explain[..], &["--client", "127.0.0.1", "-H", "X-Forwarded-For: 192.0.2.7"]].concat());
    assert!(output.stdout.starts_with("+ client    192.0.2.7    over http"), "{}", output.stdout);
    assert!(output.stdout.ends_with("= forwarded to 127.0.0.1:9 of pool app\n"), "{}", output.stdout);
}

#[test]
fn a_listener_can_be_named() {
    let (_folder, path) = written(
        "listeners: [{ name: web, address: '127.0.0.1:0' }, { name: inside, address: '127.0.0.1:0' }]
pools: { app: { servers: ['localhost:9'] } }
sites: { a.example: { listeners: inside, to: app } }
",
    );
    let explain =
        |more: &[&str]| tidegate(&[&["explain", "-c", &path, "GET", "http://a.example/"], more].concat());
    for (listener, told) in
        [("web", "= refused with 404 (no_site)\n"), ("inside", "= forwarded to localhost:9 of pool app\n")]
    {
        let output = explain(&["--listener", listener]);
        assert!(output.stdout.ends_with(told), "{}{}", output.stdout, output.stderr);
    }
    let unknown = explain(&["--listener", "insid"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("did you mean `inside`?"), "{}", unknown.stderr);
    // Whatever way its address is written.
    let down = explain(&["--down", "127.0.0.1:9"]);
    assert!(down.stdout.ends_with("= answered 503: no server of pool app is up\n"), "{}", down.stdout);
}

#[test]
fn what_cannot_be_written_fails_check_where_it_is_written() {
    let (folder, path) = written(&format!(
        "observe: {{ access_log: {{ to: nowhere/access.log }} }}\nstate_dir: /proc/x\n{GOOD}"
    ));
    for command in ["check", "run"] {
        let output = tidegate(&[command, "-c", &path]);
        assert_eq!(output.code, 1, "{command}");
        for told in ["tidegate.yaml:1:30", "nowhere/access.log", "tidegate.yaml:2:12", "/proc/x"] {
            assert!(output.stderr.contains(told), "{told} in {}", output.stderr);
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is made");
}

#[test]
fn errors_of_certificates_are_told_beside_others() {
    let (folder, path) = written(
        "listeners: [{ address: '127.0.0.1:0', tls: true }]
tls: { certificates: [{ cert: one.pem, key: two.key }, { cert: nowhere.pem, key: two.key }] }
pools: { app: { servers: ['127.0.0.1:9'] } }
sites:
  a.example: { to: app }
  b.example: { to: ap }
",
    );
    for name in ["one", "two"] {
        tool::certificate(folder.path(), name, "a.example");
    }
    let output = tidegate(&["check", "-c", &path]);
    assert_eq!(output.code, 1);
    for told in ["the key does not fit the certificate", "nowhere.pem", "no pool is named `ap`"] {
        assert!(output.stderr.contains(told), "{told} in {}", output.stderr);
    }
    assert!(output.stdout.ends_with("3 errors\n"), "{}", output.stdout);
}

/// The YAML blocks of a page that are more than a comment.
fn blocks(markdown: &str) -> Vec<String> {
    let blocks = markdown.split("```yaml\n").skip(1).map(|part| part.split("```").next().unwrap_or_default());
    let configures =
        |block: &&str| block.lines().any(|line| !line.trim().is_empty() && !line.starts_with('#'));
    blocks.filter(configures).map(str::to_owned).collect()
}

#[test]
fn every_example_in_the_documentation_is_accepted() {
    let docs = std::fs::read_dir(workspace().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let examples = std::fs::read_dir(workspace().join("examples")).unwrap();
    let examples = examples.map(|entry| entry.unwrap().path().join("tidegate.yaml"));
    let mut texts: Vec<String> = examples.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    for page in docs.chain([workspace().join("README.md")]) {
        if page.extension().is_some_and(|end| end == "md") {
            texts.extend(blocks(&std::fs::read_to_string(page).unwrap()));
        }
    }
    assert!(texts.len() >= 12, "only {} examples", texts.len());
    for text in texts {
        let (folder, path) = written(&text);
        // What such an example names is made for it.
        if text.contains("# check: files") {
            let certificates = folder.path().join("certificates");
            std::fs::create_dir(&certificates).unwrap();
            tool::certificate(&certificates, "example.com", "*.example.com");
        }
        let output = tidegate(&["check", "-c", &path]);
        assert!(output.code == 0 && output.stderr.is_empty(), "{text}\n{}", output.stderr);
    }
}
