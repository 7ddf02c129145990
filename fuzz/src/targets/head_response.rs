//! Heads of answers.

use super::head::{self, LIMITS, WORDS};
use super::head_oracle;
use crate::Target;
use std::fmt::Write as _;
use wire::h1::{Framing, HeadError, Method, ResponseHead, Version};

/// Heads of answers.
pub const TARGET: Target = Target { name: "head_response", check, words: WORDS, iterations: 20_000 };

fn parse(input: &[u8], method: Method) -> Result<Option<ResponseHead>, HeadError> {
    let mut head = ResponseHead::new();
    head.parse(input, LIMITS, method).map(|complete| complete.then_some(head))
}

fn check(input: &[u8]) -> String {
    let whole = parse(input, Method::Get);
    for method in [Method::Get, Method::Head] {
        let theirs = head_oracle::check_response(input, LIMITS, method);
        assert_eq!(theirs, parse(input, method).map(|head| head.is_some()));
    }
    check_pieces(input, &whole, 1..=input.len());
    check_pieces(input, &whole, head::cuts(input));
    match whole {
        Err(error) => format!("refused {}", error.reason()),
        Ok(None) => {
            assert!(input.len() < LIMITS.bytes as usize, "a head that never ends is refused");
            "unfinished".to_owned()
        }
        Ok(Some(parsed)) => {
            check_accepted(input, &parsed);
            verdict(&parsed)
        }
    }
}

/// However a head is cut, the verdict is the same; but an unfinished line may be judged when it ends.
fn check_pieces(
    input: &[u8],
    whole: &Result<Option<ResponseHead>, HeadError>,
    ends: impl Iterator<Item = usize>,
) {
    let mut head = ResponseHead::new();
    let result = head::piecewise(ends, |end| head.parse(&input[..end], LIMITS, Method::Get));
    match (whole, result) {
        (Ok(Some(whole)), Ok(true)) => assert_eq!(summary(whole), summary(&head)),
        (Ok(None), Ok(false)) => {}
        (Err(error), Ok(false)) => {
            let more = [input, b"\r\n"].concat();
            assert_eq!(head.parse(&more, LIMITS, Method::Get), Err(*error), "judged when the line ends");
        }
        // Beyond the bound, what is wrong first depends on how much is there.
        (Err(_), Err(_)) if input.len() >= LIMITS.bytes as usize => {}
        (Err(error), Err(other)) => assert_eq!(*error, other),
        (whole, other) => {
            panic!("whole {:?}, in pieces {other:?}", whole.as_ref().map(|head| head.is_some()));
        }
    }
}

/// All that a head says, to be compared.
fn summary(head: &ResponseHead) -> String {
    let mut text = format!(
        "{} {:?} {:?} {:?} {} {} {}",
        head.status, head.version, head.reason, head.framing, head.keep_alive, head.upgrade, head.length
    );
    for field in &head.fields {
        let _ = write!(text, " {:?} {:?} {:?}", field.line, field.name, field.value);
    }
    text
}

fn check_accepted(input: &[u8], parsed: &ResponseHead) {
    let head = &input[..parsed.length as usize];
    let (start, lines) = head::naive(head);
    head::check_fields(head, &parsed.fields, &lines);
    let version: &[u8] = if parsed.version == Version::Http11 { b"HTTP/1.1 " } else { b"HTTP/1.0 " };
    let status = parsed.status.to_string();
    assert!(start.starts_with(&[version, status.as_bytes()].concat()), "the status line is what it says");
    assert!((100..=999).contains(&parsed.status));
    let said = head::framing(parsed.version, &lines);
    if matches!(parsed.status, 100..=199 | 204) {
        assert!(matches!(said, None | Some(Framing::Length(0))), "a body where there can be none");
        assert_eq!(parsed.framing, Framing::None);
    } else if parsed.status == 304 {
        assert_eq!(parsed.framing, Framing::None);
    } else {
        assert_eq!(parsed.framing, said.unwrap_or(Framing::Close));
    }
    assert_eq!(parsed.keep_alive, head::persists(parsed.version, &lines));
    // An answer to HEAD has no body, and says the same otherwise.
    let of_head = parse(head, Method::Head).expect("accepted for GET").expect("whole");
    assert_eq!(of_head.framing, Framing::None);
    // What follows does not matter, and neither does how it was written.
    let alone = parse(head, Method::Get).expect("accepted with something behind it").expect("whole");
    assert_eq!(summary(&alone), summary(parsed));
    let printed = head::print(start, &lines);
    if printed.len() <= LIMITS.bytes as usize {
        let again = parse(&printed, Method::Get).expect("accepted as it came").expect("whole");
        assert_eq!(head::naive(&printed), (start, lines));
        assert_eq!(verdict(&again), verdict(parsed));
    }
}

/// Coarse, so that the corpus stays small.
fn verdict(parsed: &ResponseHead) -> String {
    let mut text = format!(
        "{}xx {:?} {:?}",
        parsed.status / 100,
        parsed.version,
        std::mem::discriminant(&parsed.framing)
    );
    for (is_so, word) in [
        (matches!(parsed.status, 100 | 101 | 204 | 304), " special"),
        (parsed.upgrade, " upgrade"),
        (parsed.reason.is_empty(), " bare"),
    ] {
        text.push_str(if is_so { word } else { "" });
    }
    text
}
