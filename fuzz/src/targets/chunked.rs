//! Chunked bodies.

use crate::Target;
use wire::h1::{ChunkDecoder, ChunkError, ChunkMode};

/// Chunked bodies.
pub const TARGET: Target = Target { name: "chunked", check, words: WORDS, iterations: 20_000 };

const WORDS: &[&str] = &[
    "5\r\nhello\r\n",
    "0\r\n\r\n",
    "0\r\n",
    "\r\n",
    "\n",
    ";a",
    ";a=b",
    ";a=\"b\\\"c\"",
    ";",
    "000",
    "ffffffffffffffff",
    "f",
    "-1",
    "0x",
    "X-A: b\r\n",
    "Content-Length: 5\r\n",
    "X-Forwarded-For: 1.1.1.1\r\n",
    "Expires",
    " ",
    "\t",
];

/// Small, so that it is met.
const TRAILER_BYTES_MAX: u32 = 128;

/// What came of a body.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    kept: Vec<u8>,
    consumed: usize,
    data: usize,
    done: bool,
}

/// Feeds pieces that end at `ends`.
fn decode(input: &[u8], mode: ChunkMode, ends: impl Iterator<Item = usize>) -> Result<Outcome, ChunkError> {
    let mut decoder = ChunkDecoder::new(mode, TRAILER_BYTES_MAX);
    let mut outcome = Outcome { kept: Vec::new(), consumed: 0, data: 0, done: false };
    for end in ends {
        let mut piece = input[outcome.consumed..end].to_vec();
        let fed = decoder.feed(&mut piece)?;
        assert!(fed.kept <= fed.consumed && fed.consumed <= piece.len() && fed.data <= fed.consumed);
        assert!(fed.done || fed.consumed == piece.len(), "an unfinished body takes all");
        outcome.kept.extend_from_slice(&piece[..fed.kept]);
        outcome.consumed += fed.consumed;
        outcome.data += fed.data;
        outcome.done = fed.done;
        if fed.done {
            break;
        }
    }
    Ok(outcome)
}

fn check(input: &[u8]) -> String {
    let [relayed, decoded] = [ChunkMode::Relay, ChunkMode::Decode].map(|mode| {
        let whole = decode(input, mode, std::iter::once(input.len()));
        assert_eq!(whole, decode(input, mode, 1..=input.len()), "byte by byte");
        assert_eq!(whole, decode(input, mode, super::head::cuts(input)), "in pieces");
        whole
    });
    let (relayed, decoded) = match (relayed, decoded) {
        (Ok(relayed), Ok(decoded)) => (relayed, decoded),
        (Err(error), Err(other)) => {
            assert_eq!(error, other, "both ways refuse alike");
            return format!("refused {}", error.reason());
        }
        (relayed, decoded) => panic!("relayed {relayed:?}, decoded {decoded:?}"),
    };
    assert_eq!(
        (relayed.consumed, relayed.data, relayed.done),
        (decoded.consumed, decoded.data, decoded.done)
    );
    assert_eq!(decoded.kept.len(), decoded.data, "decoded, only data is left");
    if !relayed.done {
        return format!("unfinished {}", relayed.data.min(1));
    }
    // What is passed on is a chunked body with the same data, which every reader reads alike: no extensions.
    let whole = std::iter::once(relayed.kept.len());
    let again = decode(&relayed.kept, ChunkMode::Decode, whole).expect("what is passed on is well-formed");
    assert!(again.done && again.consumed == relayed.kept.len());
    assert_eq!(again.kept, decoded.kept);
    assert_eq!(naive(&relayed.kept), decoded.kept);
    let trailers = relayed.kept.len() - relayed.data;
    format!(
        "done{}{}{}",
        if relayed.data > 0 { " data" } else { "" },
        if relayed.kept.len() < relayed.consumed { " extended" } else { "" },
        if trailers > 64 { " trailers" } else { "" },
    )
}

/// The data, as the simplest reader finds it: lines that are sizes and nothing else.
fn naive(mut body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    loop {
        let end = body.windows(2).position(|pair| pair == b"\r\n").expect("a size ends in CRLF");
        let size = std::str::from_utf8(&body[..end]).expect("digits");
        let size = usize::from_str_radix(size, 16).expect("a size without extension");
        body = &body[end + 2..];
        if size == 0 {
            return data;
        }
        data.extend_from_slice(&body[..size]);
        body = body[size..].strip_prefix(b"\r\n").expect("data ends in CRLF");
    }
}
