//! The examples, served as they are but for their ports.

use super::support::{Tidegate, tool};
use std::path::{Path, PathBuf};
use testkit::client::Client;
use testkit::origin::Origin;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Serves an example, with an origin for each of its servers.
fn serve(name: &str) -> (Tidegate, Vec<Origin>) {
    let path = workspace().join("examples").join(name).join("tidegate.yaml");
    let mut yaml = std::fs::read_to_string(path).unwrap();
    let mut origins = Vec::new();
    for number in 1..=9 {
        let written = format!("127.0.0.1:900{number}");
        if yaml.contains(&written) {
            let origin = Origin::start(&format!("origin-{number}")).unwrap();
            yaml = yaml.replace(&written, &origin.address.to_string());
            origins.push(origin);
        }
    }
    let yaml = yaml.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:8081", "127.0.0.1:0");
    (Tidegate::start(&yaml), origins)
}

fn served(client: &mut Client, host: &str, path: &str) -> String {
    client.get(host, path).unwrap().server().to_owned()
}

#[test]
fn quickstart_takes_turns() {
    let (tidegate, _origins) = serve("quickstart");
    let address = *tidegate.addresses.values().next().unwrap();
    let mut client = Client::connect(address).unwrap();
    let (one, two) = (served(&mut client, "localhost", "/"), served(&mut client, "localhost", "/"));
    assert!(one.starts_with("origin-") && two.starts_with("origin-") && one != two);
}

#[test]
fn multi_tier_sends_domains_and_paths_to_their_pools() {
    let (tidegate, _origins) = serve("multi-tier");
    let mut client = Client::connect(tidegate.addresses["public"]).unwrap();
    for (host, path, expected) in [
        ("shop.example.com", "/", &["origin-1", "origin-2"][..]),
        ("shop.example.com", "/api/v2/x", &["origin-3", "origin-4"]),
        ("shop.example.com", "/media/img/a.png", &["origin-6", "origin-7"]),
        ("media.example.com", "/a", &["origin-6", "origin-7"]),
    ] {
        let server = served(&mut client, host, path);
        assert!(expected.contains(&server.as_str()), "{host}{path}: {server}");
    }
    let same = served(&mut client, "media.example.com", "/b");
    assert!((0..5).all(|_| served(&mut client, "media.example.com", "/b") == same), "hashed by path");
    assert_eq!(client.get("shop.example.com", "/old/cart").unwrap().status, 301);
    assert_eq!(client.get("admin.example.com", "/").unwrap().status, 404);
    let mut inside = Client::connect(tidegate.addresses["internal"]).unwrap();
    assert_eq!(served(&mut inside, "admin.example.com", "/"), "origin-8");
}

#[test]
fn sticky_keeps_sessions_in_three_ways() {
    let (tidegate, _origins) = serve("sticky");
    let address = *tidegate.addresses.values().next().unwrap();
    let mut client = Client::connect(address).unwrap();
    let first = client.get("shop.example.com", "/cart?item=1").unwrap();
    let cookie = first.value("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with("shop_session="));
    let mut with = |host: &str, path: &str, cookie: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\n\r\n");
        client.request(request).unwrap().server().to_owned()
    };
    for item in 0..10 {
        assert_eq!(with("shop.example.com", &format!("/cart?item={item}"), &cookie), first.server());
    }
    let home = with("forum.example.com", "/thread/1", "ID=a81bc");
    for thread in 0..10 {
        assert_eq!(with("forum.example.com", &format!("/thread/{thread}"), "ID=a81bc"), home);
    }
    let home = with("devices.example.com", "/poll", "x=1");
    assert!((0..10).all(|_| with("devices.example.com", "/poll", "x=2") == home));
}

/// Does what an example's README says, command after command; what each `curl` said. Servers and listeners get free
/// ports in place of those that are written, for the tests of one machine share these.
fn follow(name: &str) -> Vec<(String, String)> {
    let readme = std::fs::read_to_string(workspace().join("examples").join(name).join("README.md")).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|part| part.split("```").next().unwrap());
    let commands: Vec<&str> = blocks.flat_map(str::lines).collect();
    let scratch = tempfile::tempdir().unwrap();
    let mut said = Vec::new();
    let mut running = None;
    let run = |folder: &Path, command: &str| {
        let output = tool::run("bash", &["-c", &format!("cd '{}' && {command}", folder.display())]);
        assert_eq!(output.code, 0, "{name}: {command}\n{}{}", output.stdout, output.stderr);
        assert!(!output.stdout.is_empty(), "{name}: {command} says nothing");
        output.stdout
    };
    let file = format!("examples/{name}/tidegate.yaml");
    for command in commands {
        if let Some(example) = command.strip_prefix("cargo xtask example ") {
            assert_eq!(example, name);
            running = Some(serve(name));
        } else if let Some(rest) = command.strip_prefix("cargo run --release -- ") {
            assert!(rest.contains(&format!(" -c {file}")), "{name}: {command}");
            run(&workspace(), &format!("{} {rest}", env!("CARGO_BIN_EXE_tidegate")));
        } else {
            assert!(command.starts_with("curl "), "{name}: {command}");
            let (tidegate, _) = running.as_ref().expect("it is started before it is asked");
            let mut real = command.to_owned();
            for (listener, address) in &tidegate.addresses {
                let written = if listener == "internal" { "127.0.0.1:8081" } else { "127.0.0.1:8080" };
                real = real.replace(written, &address.to_string());
            }
            assert_ne!(real, command, "{name}: it asks one of the listeners");
            said.push((command.to_owned(), run(scratch.path(), &real)));
            if command.contains("-b jar") {
                said.push((command.to_owned(), run(scratch.path(), &real)));
            }
        }
    }
    said
}

/// The origin that answered, as curl shows it.
fn origin(said: &str) -> &str {
    let line = said.lines().find(|line| line.to_lowercase().starts_with("x-server:"));
    line.and_then(|line| line.split(": ").nth(1)).unwrap_or("none")
}

#[test]
fn what_the_readmes_say_works_as_written() {
    for (name, count) in [("quickstart", 1), ("multi-tier", 5), ("sticky", 4)] {
        let said = follow(name);
        assert_eq!(said.len(), count, "{name}");
        for (command, text) in &said {
            // One that is not for the public, asked through the public listener.
            let refused = command.contains("admin.example.com") && command.contains(":8080");
            let wanted = if refused { "HTTP/1.1 404 " } else { "HTTP/1.1 200 " };
            assert!(text.starts_with(wanted), "{command}\n{text}");
        }
        if name == "sticky" {
            assert_eq!(origin(&said[0].1), origin(&said[1].1), "the jar keeps the session");
        }
    }
}
