//! gRPC-Web: the first line is a content type, what follows is a body in the text form and, the same bytes, trailers.

use crate::Target;
use wire::grpc_web::{ContentType, Form, TextDecoder, TextError, grpc_format, write_text, write_trailers};

/// Content types and bodies of gRPC-Web.
pub const TARGET: Target = Target { name: "grpc_web", check, words: WORDS, iterations: 20_000 };

const WORDS: &[&str] = &[
    "application/grpc-web",
    "application/grpc-web-text",
    "application/grpc",
    "-text",
    "+proto",
    "+json",
    "; charset=utf-8",
    ", ",
    "\n",
    "AAAAAAVoZWxsbw==",
    "AAAA",
    "Zm8=",
    "Zg==",
    "=",
    "==",
    "Zh==",
    "-_",
    "+/",
    "\r\n",
    " ",
    "grpc-status: 0\r\n",
    "Grpc-Message:",
    ":",
];

/// Decodes pieces that end at `ends`.
fn decode(text: &[u8], ends: impl Iterator<Item = usize>) -> Result<Vec<u8>, TextError> {
    let mut decoder = TextDecoder::new();
    let mut all = Vec::new();
    let mut start = 0;
    for end in ends {
        let mut piece = text[start..end].to_vec();
        let length = decoder.feed(&mut piece)?;
        assert!(length <= piece.len(), "no byte says more than eight bits");
        all.extend_from_slice(&piece[..length]);
        start = end;
    }
    decoder.finish()?;
    Ok(all)
}

fn check(input: &[u8]) -> String {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (line, body) = (&input[..line], input.get(line + 1..).unwrap_or_default());
    format!("{} {} {}", content_type(line), text(body), trailers(body))
}

fn content_type(value: &[u8]) -> &'static str {
    let accepted = ContentType::accepted(value);
    let Some(found) = ContentType::of(value) else {
        return if accepted.is_some() { "accepted" } else { "other" };
    };
    assert!(!wire::grpc::is_grpc(value), "gRPC-Web is not gRPC");
    assert!(value.to_ascii_lowercase().starts_with(b"application/grpc-web"));
    let written = found.value();
    assert_eq!(ContentType::of(&written), Some(found), "what is written is read again");
    assert!(wire::grpc::is_grpc(&found.grpc_value()));
    assert_eq!(grpc_format(&found.grpc_value()), Some(found.format));
    match (found.form, found.format.is_empty()) {
        (Form::Binary, true) => "binary",
        (Form::Binary, false) => "binary+",
        (Form::Text, true) => "text",
        (Form::Text, false) => "text+",
    }
}

fn text(body: &[u8]) -> String {
    let whole = decode(body, std::iter::once(body.len()));
    assert_eq!(whole, decode(body, 1..=body.len()), "byte by byte");
    assert_eq!(whole, decode(body, super::head::cuts(body)), "in pieces");
    let bytes = match whole {
        Ok(bytes) => bytes,
        Err(error) => return error.reason().to_owned(),
    };
    // The simplest reader finds the same, and no other text stands for it.
    let groups: Vec<Vec<u8>> = body.chunks(4).map(naive).collect();
    assert_eq!(groups.concat(), bytes);
    for (group, bytes) in body.chunks(4).zip(&groups) {
        let mut again = [0; 4];
        write_text(bytes, &mut again);
        assert_eq!(again, group);
    }
    let padded = groups.iter().filter(|group| group.len() < 3).count();
    format!("{} groups, {} padded", groups.len().min(2), padded.min(2))
}

/// What four characters stand for, bit by bit.
fn naive(group: &[u8]) -> Vec<u8> {
    let bits = group.iter().filter(|byte| **byte != b'=').flat_map(|byte| {
        let number = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("a character of no alphabet was taken"),
        };
        (0..6).rev().map(move |place| number >> place & 1)
    });
    let bits: Vec<u8> = bits.collect();
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |sum, bit| sum << 1 | bit)).collect()
}

fn trailers(lines: &[u8]) -> &'static str {
    let mut frame = Vec::new();
    write_trailers(&mut frame, lines);
    let (head, content) = frame.split_at(5);
    assert_eq!(head[0], 0x80);
    assert_eq!(u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize, content.len());
    assert!(content.is_empty() || content.ends_with(b"\r\n"));
    for line in content.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let colon = line.iter().position(|byte| *byte == b':').expect("each line is a field");
        assert!(!line[..colon].iter().any(u8::is_ascii_uppercase), "names are in lower case");
        assert_eq!(line.last(), Some(&b'\r'));
    }
    if content.is_empty() { "no trailers" } else { "trailers" }
}
