//! gRPC for those who see no trailers: kinds of content, the text form, trailers as the last frame of a body.
//!
//! Source: PROTOCOL-WEB.md of the gRPC project. Messages are framed as in gRPC. The text form is base64, which may come in
//! several pieces behind one another, each with padding of its own.

use crate::field;

/// What distinguishes the frame of trailers from those of messages: the highest bit of its first byte.
const TRAILERS_FLAG: u8 = 0x80;

/// Bytes before the content of a frame: a flag and the length.
const FRAME_HEAD_BYTES: usize = 5;

/// How a body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Binary,
    /// In base64.
    Text,
}

/// A content type of gRPC-Web, without parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentType<'a> {
    /// How the body is written.
    pub form: Form,
    /// The format of messages with the plus before it (`+proto`); empty where none is named.
    pub format: &'a [u8],
}

impl<'a> ContentType<'a> {
    /// Reads the value of a `Content-Type`. `None` for all others, that of gRPC among them.
    pub fn of(value: &'a [u8]) -> Option<ContentType<'a>> {
        let rest = after(value, b"application/grpc-web")?;
        let (form, rest) = match after(rest, b"-text") {
            Some(rest) => (Form::Text, rest),
            None => (Form::Binary, rest),
        };
        Some(ContentType { form, format: format(rest)? })
    }

    /// The first of this kind in the value of an `Accept`.
    pub fn accepted(value: &'a [u8]) -> Option<ContentType<'a>> {
        field::list(value).find_map(ContentType::of)
    }

    /// The kind that an answer is to have: `accepted` where the client names one, else that of its request. A format that
    /// is named nowhere else is that of the request.
    pub fn of_answer(request: ContentType<'a>, accepted: Option<ContentType<'a>>) -> ContentType<'a> {
        match accepted {
            None => request,
            Some(accepted) if accepted.format.is_empty() => {
                ContentType { format: request.format, ..accepted }
            }
            Some(accepted) => accepted,
        }
    }

    /// As it is written in a head.
    pub fn value(&self) -> Vec<u8> {
        let name: &[u8] = match self.form {
            Form::Binary => b"application/grpc-web",
            Form::Text => b"application/grpc-web-text",
        };
        [name, self.format].concat()
    }

    /// What gRPC calls the same format.
    pub fn grpc_value(&self) -> Vec<u8> {
        [b"application/grpc", self.format].concat()
    }
}

/// The format that a content type of gRPC names, with the plus before it. `None` for other content types.
pub fn grpc_format(value: &[u8]) -> Option<&[u8]> {
    format(after(value, b"application/grpc")?)
}

/// What is behind `start`, in any case of letters.
fn after<'a>(value: &'a [u8], start: &[u8]) -> Option<&'a [u8]> {
    let (found, rest) = value.split_at_checked(start.len())?;
    found.eq_ignore_ascii_case(start).then_some(rest)
}

/// The `+FORMAT` at the end of a media type, before parameters.
fn format(rest: &[u8]) -> Option<&[u8]> {
    let end = rest.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t')).unwrap_or(rest.len());
    match &rest[..end] {
        b"" => Some(b""),
        named @ [b'+', name @ ..] if field::is_token(name) => Some(named),
        _ => None,
    }
}

/// Why a text is not base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// A byte that is not of the alphabet (RFC 4648 section 4).
    #[error("no character of base64")]
    Character,
    /// Padding in the wrong place, or after bits that say something.
    #[error("wrong padding of base64")]
    Padding,
    /// It ends inside a group of four.
    #[error("base64 that is cut")]
    Cut,
}

impl TextError {
    /// A word for the access log.
    pub fn reason(self) -> &'static str {
        match self {
            TextError::Character => "grpc_web_text_character",
            TextError::Padding => "grpc_web_text_padding",
            TextError::Cut => "grpc_web_text_cut",
        }
    }
}

/// What is in no alphabet.
const NONE: u8 = 0xff;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The six bits that each byte stands for.
const BITS: [u8; 256] = {
    let mut bits = [NONE; 256];
    let mut at = 0;
    while at < ALPHABET.len() {
        bits[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    bits
};

/// What the next byte of a text may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first of four.
    First,
    /// The one after so many of four, which have left these bits.
    After(u8, u8),
    /// The second padding of two.
    LastPadding,
}

/// Decodes a text, in pieces of any size. Each group of four may be the end of a padded piece.
#[derive(Clone, Debug)]
pub struct TextDecoder {
    place: Place,
}

impl TextDecoder {
    /// For a text of which nothing has been read.
    pub fn new() -> TextDecoder {
        TextDecoder { place: Place::First }
    }

    /// Decodes the next bytes in their place: no byte says more than eight bits. Returns how many there are at the front
    /// of `text` afterwards.
    ///
    /// # Errors
    /// When a byte cannot stand where it does. The decoder is of no use afterwards.
    pub fn feed(&mut self, text: &mut [u8]) -> Result<usize, TextError> {
        let (mut at, mut decoded) = (0, 0);
        while at < text.len() {
            if self.place == Place::First
                && let Some(bytes) = text.get(at..at + 4).and_then(group)
            {
                text[decoded..decoded + 3].copy_from_slice(&bytes);
                at += 4;
                decoded += 3;
                continue;
            }
            if let Some(byte) = self.step(text[at])? {
                text[decoded] = byte;
                decoded += 1;
            }
            at += 1;
        }
        Ok(decoded)
    }

    /// Says that there is no more.
    ///
    /// # Errors
    /// When there should be.
    pub fn finish(&self) -> Result<(), TextError> {
        if self.place == Place::First { Ok(()) } else { Err(TextError::Cut) }
    }

    /// Takes one byte; gives the one that is whole with it.
    fn step(&mut self, byte: u8) -> Result<Option<u8>, TextError> {
        let bits = BITS[usize::from(byte)];
        let (next, whole) = match (self.place, byte) {
            (Place::After(2, 0), b'=') => (Place::LastPadding, None),
            (Place::After(3, 0) | Place::LastPadding, b'=') => (Place::First, None),
            (_, b'=') | (Place::LastPadding, _) => return Err(TextError::Padding),
            _ if bits == NONE => return Err(TextError::Character),
            (Place::First, _) => (Place::After(1, bits), None),
            (Place::After(1, left), _) => (Place::After(2, bits & 0x0f), Some(left << 2 | bits >> 4)),
            (Place::After(2, left), _) => (Place::After(3, bits & 0x03), Some(left << 4 | bits >> 2)),
            (Place::After(_, left), _) => (Place::First, Some(left << 6 | bits)),
        };
        self.place = next;
        Ok(whole)
    }
}

impl Default for TextDecoder {
    fn default() -> Self {
        TextDecoder::new()
    }
}

/// Four bytes as three; `None` where one of them is not of the alphabet.
fn group(text: &[u8]) -> Option<[u8; 3]> {
    let [a, b, c, d] = text else { return None };
    let [a, b, c, d] = [a, b, c, d].map(|byte| BITS[usize::from(*byte)]);
    // Of those in the alphabet none has the highest bit.
    let all_known = (a | b | c | d) & 0x80 == 0;
    all_known.then_some([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d])
}

/// Bytes that so many take as text.
pub fn text_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

/// Bytes that fit as text into so many.
pub fn bytes_that_fit(room: usize) -> usize {
    room / 4 * 3
}

/// Writes `bytes` as text, in one piece with padding of its own, to the start of `out`, which has room for
/// [as many](text_length).
pub fn write_text(bytes: &[u8], out: &mut [u8]) {
    let letter = |bits: u8| ALPHABET[usize::from(bits & 0x3f)];
    for (group, place) in bytes.chunks(3).zip(out.chunks_exact_mut(4)) {
        let letters = match *group {
            [a, b, c] => [a >> 2, a << 4 | b >> 4, b << 2 | c >> 6, c].map(letter),
            [a, b] => [letter(a >> 2), letter(a << 4 | b >> 4), letter(b << 2), b'='],
            [a] => [letter(a >> 2), letter(a << 4), b'=', b'='],
            _ => continue,
        };
        place.copy_from_slice(&letters);
    }
}

/// Appends the frame that ends a body. `lines` are whole lines of a trailer section; names become lower case. Trailers of
/// a size that a frame cannot tell are more than any bound lets through; then there is no frame.
pub fn write_trailers(out: &mut Vec<u8>, lines: &[u8]) {
    let start = out.len();
    out.extend([TRAILERS_FLAG, 0, 0, 0, 0]);
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        out.extend(name.iter().map(u8::to_ascii_lowercase));
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
    match u32::try_from(out.len() - start - FRAME_HEAD_BYTES) {
        Ok(length) => out[start + 1..start + FRAME_HEAD_BYTES].copy_from_slice(&length.to_be_bytes()),
        Err(_) => out.truncate(start),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn content_type(form: Form, format: &str) -> Option<ContentType<'_>> {
        Some(ContentType { form, format: format.as_bytes() })
    }

    #[test]
    fn content_types() {
        for (value, expected) in [
            ("application/grpc-web", content_type(Form::Binary, "")),
            ("Application/gRPC-Web+Proto", content_type(Form::Binary, "+Proto")),
            ("application/grpc-web+json; charset=utf-8", content_type(Form::Binary, "+json")),
            ("application/grpc-web-text", content_type(Form::Text, "")),
            ("application/grpc-web-text+proto;x=y", content_type(Form::Text, "+proto")),
            ("application/grpc", None),
            ("application/grpc+proto", None),
            ("application/grpc-webs", None),
            ("application/grpc-web-texts", None),
            ("application/grpc-web+", None),
            ("application/grpc-web+a/b", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(ContentType::of(value.as_bytes()), expected, "{value}");
        }
        for (value, expected) in [
            ("application/grpc", Some("")),
            ("application/grpc+proto", Some("+proto")),
            ("application/grpc ; a=b", Some("")),
            ("application/grpc-web", None),
            ("application/grpcs", None),
            ("text/html", None),
        ] {
            assert_eq!(grpc_format(value.as_bytes()), expected.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn answers_have_the_kind_that_was_asked_for() {
        let asked = |request: &'static str, accept: &'static str| {
            let request = ContentType::of(request.as_bytes()).unwrap();
            let accepted = ContentType::accepted(accept.as_bytes());
            String::from_utf8(ContentType::of_answer(request, accepted).value()).unwrap()
        };
        let (binary, text) = ("application/grpc-web+proto", "application/grpc-web-text+proto");
        assert_eq!(asked(binary, ""), binary);
        assert_eq!(asked(binary, "*/*"), binary);
        assert_eq!(asked(binary, "text/plain, application/grpc-web-text"), text);
        assert_eq!(asked(text, "application/grpc-web+json"), "application/grpc-web+json");
        assert_eq!(asked(text, "application/json"), text);
        assert_eq!(ContentType::of(text.as_bytes()).unwrap().grpc_value(), b"application/grpc+proto");
    }

    /// Decodes pieces of `piece` bytes.
    fn decode(text: &[u8], piece: usize) -> Result<Vec<u8>, TextError> {
        let mut decoder = TextDecoder::new();
        let mut all = Vec::new();
        for part in text.chunks(piece) {
            let mut part = part.to_vec();
            let decoded = decoder.feed(&mut part)?;
            all.extend_from_slice(&part[..decoded]);
        }
        decoder.finish()?;
        Ok(all)
    }

    fn encode(bytes: &[u8]) -> Vec<u8> {
        let mut text = vec![0; text_length(bytes.len())];
        write_text(bytes, &mut text);
        text
    }

    /// RFC 4648 section 10.
    #[test]
    fn texts_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(encode(bytes.as_bytes()), text.as_bytes());
            assert_eq!(decode(text.as_bytes(), 64).unwrap(), bytes.as_bytes());
        }
    }

    #[test]
    fn padded_pieces_follow_each_other() {
        for piece in 1..9 {
            assert_eq!(decode(b"Zg==Zm8=Zm9vZg==", piece).unwrap(), b"ffofoof");
        }
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for (text, expected) in [
            ("Zg=", TextError::Cut),
            ("Zg", TextError::Cut),
            ("Zm9vZ", TextError::Cut),
            ("Z===", TextError::Padding),
            ("=", TextError::Padding),
            ("Zm9=", TextError::Padding),
            ("Zh==", TextError::Padding),
            ("Zg=v", TextError::Padding),
            ("Zg=\n", TextError::Padding),
            ("Zm9vZ\n==", TextError::Character),
            ("Zm 9v", TextError::Character),
            ("Zm9-", TextError::Character),
            ("\u{e9}", TextError::Character),
        ] {
            for piece in [1, 3, 64] {
                assert_eq!(decode(text.as_bytes(), piece), Err(expected), "{text:?}");
            }
        }
    }

    #[test]
    fn trailers_are_a_frame() {
        let mut out = b"x".to_vec();
        write_trailers(&mut out, b"Grpc-Status: 0\r\ngrpc-message:  all: well \r\nempty:\r\n");
        let lines = b"grpc-status: 0\r\ngrpc-message: all: well\r\nempty: \r\n";
        assert_eq!(out, [b"x\x80\0\0\0\x32".as_slice(), lines].concat());
        out.clear();
        write_trailers(&mut out, b"");
        assert_eq!(out, [0x80, 0, 0, 0, 0]);
    }

    #[test]
    fn room_is_told_exactly() {
        for room in 0..100 {
            let bytes = bytes_that_fit(room);
            assert!(text_length(bytes) <= room && text_length(bytes + 1) > room, "{room}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            piece in 1usize..12,
        ) {
            let text: Vec<u8> = pieces.iter().flat_map(|bytes| encode(bytes)).collect();
            prop_assert_eq!(decode(&text, piece).unwrap(), pieces.concat());
        }

        #[test]
        fn any_bytes_in_any_pieces_give_the_same(
            text in prop::collection::vec(prop::sample::select(b"AAQZw9+/==-\n".to_vec()), 0..40),
            piece in 1usize..12,
        ) {
            prop_assert_eq!(decode(&text, piece), decode(&text, 64));
        }

        #[test]
        fn only_one_text_stands_for_bytes(text in prop::collection::vec(prop::sample::select(b"AQZgw9+/=".to_vec()), 4)) {
            if let Ok(bytes) = decode(&text, 64) {
                prop_assert_eq!(encode(&bytes), text);
            }
        }

        #[test]
        fn any_value_of_a_field_is_read(value in prop::collection::vec(any::<u8>(), 0..60)) {
            let value = [b"application/grpc-web".as_slice(), &value].concat();
            let _ = ContentType::of(&value);
            let _ = ContentType::accepted(&value);
            write_trailers(&mut Vec::new(), &value);
        }
    }
}
