//! The examples, served as they are but for their ports.

use super::support::Tidegate;
use std::path::Path;
use testkit::client::Client;
use testkit::origin::Origin;

/// Serves an example, with an origin for each of its servers.
fn serve(name: &str) -> (Tidegate, Vec<Origin>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name).join("tidegate.yaml");
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
