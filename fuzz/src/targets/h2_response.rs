//! Answers of HTTP/2 as text of HTTP/1, and back. An input is a message of HTTP/2 (see [`super::h2`]) and its trailers,
//! with `:ends: 1` where nothing follows the head and `:bare: 1` for an answer to HEAD, or else an answer of HTTP/1 for a
//! client of HTTP/2, its head and a body in chunks.

use super::h2::{self, Message, WORDS};
use super::head::{self, LIMITS};
use crate::Target;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use wire::h1::{ChunkDecoder, ChunkMode, Framing, Method, ResponseHead, may_trail};
use wire::h2::{put_response, response_text, switching_text, trailers_passed, trailers_text};
use wire::hpack::{Decoder, Encoder};

/// Answers of HTTP/2, and of HTTP/1.
pub const TARGET: Target = Target { name: "h2_response", check, words: WORDS, iterations: 20_000 };

/// More than any input has.
const TRAILER_BYTES_MAX: u32 = 1 << 16;

fn check(input: &[u8]) -> String {
    if !input.starts_with(b":") {
        return from_text(input);
    }
    let Some(message) = Message::read(input) else { return "no fields of HTTP/2".to_owned() };
    let status = message.pseudo("status").and_then(|status| StatusCode::from_bytes(status).ok());
    let Some(status) = status else { return "no status".to_owned() };
    let fields = h2::map(&message.fields);
    let trailers = check_trailers(&h2::map(&message.trailers));
    let ends = message.pseudo("ends").is_some();
    let is_head = message.pseudo("bare").is_some();
    let verdict = answer(status, &fields, ends, is_head);
    let tunnel = if tunnel(&fields) { "tunnel" } else { "" };
    format!("{verdict} {tunnel} {trailers}")
}

/// Coarse, so that the corpus stays small.
fn class(status: u16) -> &'static str {
    match status {
        101 => "switching",
        100..=199 => "interim",
        204 | 304 => "bare",
        _ => "final",
    }
}

fn parse(text: &[u8], method: Method) -> Result<ResponseHead, String> {
    let mut head = ResponseHead::new();
    let is_whole =
        head.parse(text, LIMITS, method).map_err(|error| format!("refused: {}", error.reason()))?;
    assert!(is_whole, "the text is a whole head");
    assert_eq!(head.length as usize, text.len(), "and nothing but one head");
    Ok(head)
}

fn answer(status: StatusCode, fields: &HeaderMap, ends: bool, is_head: bool) -> String {
    let bare = is_head || status.is_informational() || matches!(status.as_u16(), 204 | 304);
    let mut text = Vec::new();
    let chunked = response_text(status, fields, ends, bare, &mut text);
    let head = match parse(&text, if is_head { Method::Head } else { Method::Get }) {
        Ok(head) => head,
        Err(error) => return error,
    };
    assert_eq!(head.status, status.as_u16());
    assert!(head.keep_alive && !head.upgrade, "nothing is said of a connection that is not there");
    let (_, lines) = head::naive(&text);
    let has_length = fields.contains_key("content-length");
    let mut expected = h2::of_map(fields);
    if chunked {
        expected.push((b"transfer-encoding".to_vec(), b"chunked".to_vec()));
    } else if ends && !bare && !has_length {
        expected.push((b"content-length".to_vec(), b"0".to_vec()));
    }
    assert_eq!(h2::sorted(lines), h2::sorted(expected));
    assert_eq!(chunked, head.framing == Framing::Chunked);
    assert_ne!(head.framing, Framing::Close, "its end is known");
    if bare {
        assert_eq!(head.framing, Framing::None);
    } else if ends && !has_length {
        assert_eq!(head.framing, Framing::Length(0));
    }
    check_back(&text.into(), &head);
    format!("{} {:?}", class(status.as_u16()), std::mem::discriminant(&head.framing))
}

/// A head that the gate takes, for a client of HTTP/2.
fn check_back(text: &Bytes, head: &ResponseHead) {
    let (_, lines) = head::naive(text);
    let switches = head.status == 101;
    let mut block = Vec::new();
    put_response(head, text, b"", &mut Encoder::new(), &mut block);
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let decoded = Decoder::default().decode(&block, |name, value| {
        fields.push((name.to_vec(), value.to_vec()));
        true
    });
    assert_eq!(decoded, Ok(()), "what is written can be read");
    let status = if switches { 200 } else { head.status };
    assert_eq!(fields.remove(0), (b":status".to_vec(), status.to_string().into_bytes()));
    let is_bare = matches!(head.status, 100..=199 | 204);
    let kept = h2::passed(&lines).filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        !(is_bare && name == b"content-length" || switches && name == b"sec-websocket-accept")
    });
    let without_zeros = |(name, value): (Vec<u8>, Vec<u8>)| {
        let zeros = value.iter().take_while(|digit| **digit == b'0').count();
        let is_length = name == b"content-length";
        let from = if is_length { zeros.min(value.len() - 1) } else { 0 };
        (name, value[from..].to_vec())
    };
    let kept = h2::sorted(kept).into_iter().map(without_zeros);
    assert_eq!(h2::sorted(fields), h2::sorted(kept));
}

/// The same fields with a tunnel that begins behind them; whether the gate takes them.
fn tunnel(fields: &HeaderMap) -> bool {
    const ACCEPT: &[u8] = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let mut text = Vec::new();
    switching_text(fields, ACCEPT, &mut text);
    let Ok(head) = parse(&text, Method::Get) else { return false };
    assert!(head.upgrade && head.status == 101 && head.framing == Framing::None);
    let accepts: Vec<&[u8]> = head.values(&text, "sec-websocket-accept").collect();
    assert_eq!(accepts, [ACCEPT], "none but ours");
    check_back(&text.into(), &head);
    true
}

/// Trailers make the end of a body in chunks and nothing behind it, and come back as they were.
fn check_trailers(map: &HeaderMap) -> &'static str {
    let mut text = Vec::new();
    trailers_text(Some(map), &mut text);
    let mut decoder = ChunkDecoder::new(ChunkMode::Decode, TRAILER_BYTES_MAX);
    let length = text.len();
    let fed = match decoder.feed(&mut text) {
        Ok(fed) => fed,
        Err(error) => return error.reason(),
    };
    assert!(fed.done && fed.consumed == length && fed.kept == 0, "the end, and nothing behind it");
    let passed = trailers_passed(map.clone()).unwrap_or_default();
    assert!(passed.keys().all(|name| may_trail(name.as_str().as_bytes())));
    let again = wire::h2::trailers(&decoder.trailers().into()).expect("what was taken can be said");
    assert_eq!(h2::of_map(&again), h2::of_map(&passed));
    if passed.is_empty() { "no trailers" } else { "trailers" }
}

fn from_text(input: &[u8]) -> String {
    let mut head = ResponseHead::new();
    if head.parse(input, LIMITS, Method::Get) != Ok(true) {
        return "no head of HTTP/1".to_owned();
    }
    let (text, behind) = input.split_at(head.length as usize);
    check_back(&Bytes::copy_from_slice(text), &head);
    // Where there are trailers behind it, they are said in HTTP/2 too.
    let mut decoder = ChunkDecoder::new(ChunkMode::Decode, TRAILER_BYTES_MAX);
    let fed = decoder.feed(&mut behind.to_vec());
    let trailers = match fed {
        Ok(fed) if fed.done => {
            let map = wire::h2::trailers(&decoder.trailers().into()).expect("what was taken can be said");
            check_trailers(&map)
        }
        _ => "no chunks",
    };
    // And any lines at all are said or refused.
    let any = wire::h2::trailers(&Bytes::copy_from_slice(behind)).is_ok();
    format!("text {} {:?} {trailers} {any}", class(head.status), std::mem::discriminant(&head.framing))
}
