//! The demo: every command that it prints works as printed.

use super::support::tool;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use testkit::client::{Client, End};

/// A running demo; ended by INT, as Ctrl-C does.
struct Demo {
    child: Child,
    text: String,
}

impl Demo {
    fn start() -> Demo {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("demo")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut text = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !text.contains("Ctrl-C") {
            if lines.read_line(&mut text).unwrap() == 0 {
                let mut errors = String::new();
                child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
                panic!("the demo did not start:\n{text}\n{errors}");
            }
        }
        Demo { child, text }
    }

    /// The commands below a heading that has `words` in it.
    fn commands(&self, words: &str) -> Vec<&str> {
        let below = self.text.lines().skip_while(|line| !line.contains(words)).skip(1);
        let commands: Vec<_> = below.take_while(|line| line.starts_with("    ")).map(str::trim).collect();
        assert!(!commands.is_empty(), "nothing below `{words}` in:\n{}", self.text);
        commands
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            tool::run("kill", &["-INT", &self.child.id().to_string()]);
        }
        let status = self.child.wait().unwrap();
        if !std::thread::panicking() {
            assert_eq!(status.code(), Some(0), "Ctrl-C drains and stops");
        }
    }
}

/// Runs a command as a person would who pastes it.
fn paste(command: &str) -> String {
    let output = tool::run("bash", &["-c", command]);
    assert_eq!(output.code, 0, "{command}\n{}{}", output.stdout, output.stderr);
    output.stdout
}

#[test]
fn every_command_works_as_printed() {
    let demo = Demo::start();
    let one = |words: &str| paste(demo.commands(words)[0]);
    assert!(one("By path").contains("\"server\":\"api-"));
    assert!(one("By header").contains("\"server\":\"vip-1\""));
    assert!(one("By cookie").contains("\"server\":\"beta-1\""));
    let servers = |text: &str| -> Vec<String> {
        text.lines().filter_map(|line| line.split(": ").nth(1)).map(|name| name.trim().to_owned()).collect()
    };
    let mut round = servers(&one("goes round"));
    round.sort();
    assert_eq!(round, ["shop-1", "shop-2", "shop-3"]);
    let stays = servers(&one("A session stays"));
    assert!(stays.len() == 3 && stays.iter().all(|server| *server == stays[0]), "{stays:?}");
    assert!(one("A redirect").contains("\"server\":\"api-"));
    assert!(one("TLS, with").contains("\"server\":\"api-"));
    let failing = demo.commands("A server that fails");
    paste(failing[0]);
    let failed = Instant::now();
    super::support::wait_for("the server to be left", || {
        !servers(&paste(failing[1])).contains(&"shop-1".to_owned())
    });
    assert!(failed.elapsed() < Duration::from_secs(2), "it was left after {:?}", failed.elapsed());
    assert_eq!(servers(&paste(failing[1])).len(), 3);
    paste(failing[2]);
    super::support::wait_for("its return", || servers(&paste(failing[1])).contains(&"shop-1".to_owned()));
    for command in demo.commands("Why a request goes") {
        assert!(!paste(command).is_empty());
    }
    super::support::wait_for("the access log", || one("The access log").contains("\"status\":200"));
}

#[test]
fn a_running_request_ends_before_the_demo_does() {
    let mut demo = Demo::start();
    let place = demo.text.lines().find_map(|line| line.trim().strip_prefix("balancer")).unwrap().trim();
    let address = place.strip_prefix("http://").unwrap().parse().unwrap();
    let mut client = Client::connect(address).unwrap();
    client.send("GET /drip/20/50 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    assert_eq!(client.read_raw(15), b"HTTP/1.1 200 St");
    tool::run("kill", &["-INT", &demo.child.id().to_string()]);
    let (rest, end) = client.read_to_end();
    assert!(rest.ends_with(&testkit::message::pattern(20)) && end == End::Closed, "{rest:?} {end:?}");
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    assert!(Client::connect(address).is_err(), "nothing is left behind");
    let folder = demo.text.lines().find_map(|line| line.trim().strip_prefix("configuration")).unwrap().trim();
    assert!(!std::path::Path::new(folder).exists(), "{folder} is tidied away");
}
