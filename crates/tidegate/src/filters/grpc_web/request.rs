//! The request: the head in gRPC's terms, the text form decoded.

use super::{put_chunk, unframe, unreadable};
use crate::error::ProxyError;
use crate::http::h1::body::BodyReader;
use policy::model::Bounds;
use wire::grpc_web::{ContentType, Form, TextDecoder};
use wire::h1::{ChunkMode, FIELDS_MAX, Field, Framing, HeadLimits, Known, RequestHead};

/// What we have written ourselves is as long as it is.
const LIMITS: HeadLimits = HeadLimits { bytes: u32::MAX, fields: FIELDS_MAX as u16 };

/// The kind of answer that the client wants.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// How its body is written.
    pub form: Form,
    /// The format that it has where the server names none, with the plus before it.
    pub format: Vec<u8>,
}

/// One request on its way to the server.
pub struct Request {
    wanted: Wanted,
    state: State,
}

enum State {
    /// Nothing has come yet.
    Head,
    /// What follows is gRPC's already.
    AsItIs,
    /// What follows is text.
    Text(Box<Text>),
}

struct Text {
    body: BodyReader,
    decoder: TextDecoder,
}

impl Request {
    /// One that is yet to come.
    pub fn new() -> Request {
        Request { wanted: Wanted { form: Form::Binary, format: Vec::new() }, state: State::Head }
    }

    /// The kind of answer that the client wants, once its head was there.
    pub fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// Whether what comes next needs no [translation](Self::translate).
    pub fn passes_as_it_is(&self) -> bool {
        matches!(self.state, State::AsItIs)
    }

    /// Appends what the server gets for `first` and then `second`. The head is to be whole in `first`.
    ///
    /// # Errors
    /// When the body is not what its content type says.
    pub fn translate(&mut self, first: &[u8], second: &[u8], out: &mut Vec<u8>) -> Result<(), ProxyError> {
        let head = if let State::Head = self.state { self.translate_head(first, out)? } else { 0 };
        match &mut self.state {
            State::Text(text) => text.translate([&first[head..], second].concat(), out),
            _ => {
                out.extend_from_slice(&first[head..]);
                out.extend_from_slice(second);
                Ok(())
            }
        }
    }

    /// Appends the head for the server; returns how many bytes that of the client has.
    fn translate_head(&mut self, text: &[u8], out: &mut Vec<u8>) -> Result<usize, ProxyError> {
        let mut head = RequestHead::new();
        if !head.parse(text, LIMITS).map_err(ProxyError::RequestHead)? {
            return Err(unreadable());
        }
        let content_type = head.values(text, "content-type").find_map(ContentType::of);
        let content_type = content_type.ok_or_else(unreadable)?;
        let wanted =
            ContentType::of_answer(content_type, head.values(text, "accept").find_map(ContentType::accepted));
        self.wanted = Wanted { form: wanted.form, format: wanted.format.to_vec() };
        let has_body = !matches!(head.framing, Framing::None | Framing::Length(0));
        let decodes = content_type.form == Form::Text && has_body;
        write_head(out, text, &head, &content_type.grpc_value(), decodes);
        self.state = match decodes {
            false => State::AsItIs,
            true => State::Text(Box::new(Text {
                body: BodyReader::new(head.framing, ChunkMode::Decode, Bounds::HEAD_BYTES_MAX),
                decoder: TextDecoder::new(),
            })),
        };
        Ok(head.length as usize)
    }
}

/// With `reframes` the length of the body is not known any more.
fn write_head(out: &mut Vec<u8>, text: &[u8], head: &RequestHead, content_type: &[u8], reframes: bool) {
    let fields_start =
        head.fields.first().map_or(head.length as usize - 2, |field| field.line.start as usize);
    out.extend_from_slice(&text[..fields_start]);
    let is_replaced = |field: &Field| match field.known {
        Known::ContentType | Known::Te => true,
        Known::ContentLength | Known::TransferEncoding => reframes,
        _ => false,
    };
    for field in head.fields.iter().filter(|field| !is_replaced(field)) {
        out.extend_from_slice(field.line.of(text));
    }
    if reframes {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    // Servers of gRPC refuse calls of clients that do not say so.
    out.extend_from_slice(b"TE: trailers\r\nContent-Type: ");
    out.extend_from_slice(content_type);
    out.extend_from_slice(b"\r\n\r\n");
}

impl Text {
    /// Appends what `bytes` of the body say, and its end where they have it.
    fn translate(&mut self, mut bytes: Vec<u8>, out: &mut Vec<u8>) -> Result<(), ProxyError> {
        let (length, trailers) = unframe(&mut self.body, &mut bytes).map_err(ProxyError::RequestBody)?;
        let decoded = self.decoder.feed(&mut bytes[..length]).map_err(ProxyError::GrpcWebText)?;
        put_chunk(out, &bytes[..decoded]);
        if self.body.is_done() {
            self.decoder.finish().map_err(ProxyError::GrpcWebText)?;
            out.extend_from_slice(b"0\r\n");
            out.extend_from_slice(&trailers);
            out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Translates a request that comes in pieces of that many bytes behind its head.
    fn translate(head: &str, body: &str, piece: usize) -> Result<(String, Wanted), ProxyError> {
        let mut request = Request::new();
        let mut out = Vec::new();
        let mut pieces = body.as_bytes().chunks(piece);
        request.translate(head.as_bytes(), pieces.next().unwrap_or_default(), &mut out)?;
        for piece in pieces {
            request.translate(piece, &[], &mut out)?;
        }
        Ok((String::from_utf8(out).unwrap(), request.wanted().clone()))
    }

    #[test]
    fn binary_requests_change_in_their_head_only() {
        let head = "POST /a HTTP/1.1\r\nHost: h\r\ncontent-type: application/grpc-web+proto\r\nTE: gzip\r\n\
                    X-A: 1\r\nContent-Length: 3\r\n\r\n";
        let (text, wanted) = translate(head, "abc", 2).unwrap();
        let expected = "POST /a HTTP/1.1\r\nHost: h\r\nX-A: 1\r\nContent-Length: 3\r\nTE: trailers\r\n\
                        Content-Type: application/grpc+proto\r\n\r\nabc";
        assert_eq!(text, expected);
        assert_eq!((wanted.form, wanted.format.as_slice()), (Form::Binary, b"+proto".as_slice()));
    }

    #[test]
    fn texts_are_decoded() {
        let head = |framing: &str| {
            format!(
                "POST / HTTP/1.1\r\nHost: h\r\n{framing}Accept: application/grpc-web\r\n\
                 Content-Type: application/grpc-web-text\r\n\r\n"
            )
        };
        let start = "POST / HTTP/1.1\r\nHost: h\r\nAccept: application/grpc-web\r\nTransfer-Encoding: chunked\r\n\
                     TE: trailers\r\nContent-Type: application/grpc\r\n\r\n";
        for (framing, body, trailers) in [
            ("Content-Length: 8\r\n", "YWJjZA==", ""),
            ("Transfer-Encoding: chunked\r\n", "3\r\nYWJ\r\n5\r\njZA==\r\n0\r\nx-a: b\r\n\r\n", "x-a: b\r\n"),
        ] {
            for piece in 1..50 {
                let (text, wanted) = translate(&head(framing), body, piece).unwrap();
                let body = text.strip_prefix(start).unwrap();
                let content: String =
                    body.lines().skip(1).step_by(2).take_while(|line| !line.is_empty()).collect();
                assert!(content.starts_with("abcd"), "{body}");
                assert!(body.ends_with(&format!("\r\n0\r\n{trailers}\r\n")), "{body}");
                assert_eq!(wanted.form, Form::Binary);
            }
        }
    }

    #[test]
    fn a_text_that_is_none_is_refused() {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nContent-Type: application/grpc-web-text\r\n\r\n";
        for (body, reason) in [
            ("YWJj*A", "grpc_web_text_character"),
            ("YWJjZA", "grpc_web_text_cut"),
            ("YW==J=", "grpc_web_text_padding"),
        ] {
            for piece in 1..7 {
                let error = translate(head, body, piece).unwrap_err();
                assert_eq!((error.reason(), error.status()), (reason, Some(400)));
            }
        }
    }

    #[test]
    fn a_request_without_a_body_has_none() {
        let head = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nContent-Type: application/grpc-web-text\r\n\r\n";
        let (text, wanted) = translate(head, "", 1).unwrap();
        assert!(
            text.contains("Content-Length: 0\r\n") && text.ends_with("application/grpc\r\n\r\n"),
            "{text}"
        );
        assert_eq!(wanted.form, Form::Text);
    }
}
