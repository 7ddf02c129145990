//! What parsing a head costs, counted in instructions, which no busy machine changes.
//!
//! Counting takes valgrind and a release build (`cargo test --release -p tidegate-wire --test cost`); elsewhere the
//! test says that it is skipped.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::hint::black_box;
use std::process::Command;
use wire::h1::{HeadLimits, Method, RequestHead, ResponseHead};

const LIMITS: HeadLimits = HeadLimits { bytes: 64 * 1024, fields: 100 };
/// Heads that are counted.
const HEADS: u64 = 1000;

/// Set for the process that valgrind watches: which head.
const SCENE: &str = "TIDEGATE_COST_SCENE";

/// A name, a head, and the instructions that it may take.
const SCENES: &[(&str, &str, u64)] = &[
    ("small request", SMALL_REQUEST, 1100),
    ("browser request", BROWSER_REQUEST, 4000),
    ("small answer", SMALL_ANSWER, 800),
    ("answer with 12 fields", ANSWER, 2400),
];

const SMALL_REQUEST: &str =
    "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n";

const BROWSER_REQUEST: &str = "GET /shop/items/12345?page=2&sort=price HTTP/1.1\r\n\
    Host: www.example.com\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\
    sec-ch-ua: \"Chromium\";v=\"124\", \"Google Chrome\";v=\"124\", \"Not-A.Brand\";v=\"99\"\r\n\
    sec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Windows\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/124.0.0.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Sec-Fetch-Mode: navigate\r\n\
    Sec-Fetch-Dest: document\r\n\
    Accept-Encoding: gzip, deflate, br\r\n\
    Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

const SMALL_ANSWER: &str = "HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Type: text/plain\r\n\
    Content-Length: 1024\r\nServer: origin\r\n\r\n";

const ANSWER: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx/1.27.0\r\n\
    Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Content-Length: 10240\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: public, max-age=3600\r\n\
    ETag: \"5f3c2a1b-2800\"\r\n\
    Last-Modified: Wed, 31 Dec 2025 00:00:00 GMT\r\n\
    Vary: Accept-Encoding\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Strict-Transport-Security: max-age=31536000\r\n\
    Accept-Ranges: bytes\r\n\r\n";

#[test]
fn a_head_takes_few_instructions() {
    if let Ok(scene) = std::env::var(SCENE) {
        let text = SCENES.iter().find(|(name, ..)| *name == scene).unwrap().1;
        return run(text);
    }
    if cfg!(debug_assertions) {
        println!("SKIPPED: instructions are counted in a release build");
        return;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("SKIPPED: valgrind is not installed");
        return;
    }
    let counts: Vec<_> =
        SCENES.iter().map(|(name, text, most)| (name, text, most, count(name) / HEADS)).collect();
    for (name, text, most, count) in &counts {
        println!("{name}: {count} instructions for {} bytes; at most {most}", text.len());
    }
    for (name, _, most, count) in counts {
        assert!(count > 50, "{name}: the heads were not counted");
        assert!(count <= *most, "{name}: {count} instructions");
    }
}

/// The instructions of this very test, run with one head, inside [`parse_many`] alone.
fn count(scene: &str) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=*parse_many*"])
        .arg(format!(
            "--callgrind-out-file={}",
            std::env::var("TIDEGATE_COST_OUT").unwrap_or_else(|_| "/dev/null".to_owned())
        ))
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "a_head_takes_few_instructions", "--test-threads=1"])
        .env(SCENE, scene)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected : ")).unwrap().1;
    collected.trim().parse().unwrap()
}

fn run(text: &str) {
    let text = text.as_bytes();
    if text.starts_with(b"HTTP/") {
        let mut head = ResponseHead::new();
        parse_many(&mut || head.parse(black_box(text), LIMITS, Method::Get).unwrap());
    } else {
        let mut head = RequestHead::new();
        parse_many(&mut || head.parse(black_box(text), LIMITS).unwrap());
    }
}

#[inline(never)]
fn parse_many(parse: &mut dyn FnMut() -> bool) {
    for _ in 0..HEADS {
        assert!(parse());
    }
}
