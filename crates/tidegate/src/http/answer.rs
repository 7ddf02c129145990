//! What Tidegate itself answers: refusals, redirects, fixed answers.
//!
//! The client is told a status and the request's id; why is for the log.

use policy::model::ErrorPage;
use std::cell::RefCell;

/// An answer of our own.
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// Whole lines to add to the head.
    pub lines: &'a [u8],
    /// The type of the body; `None` leaves the field out (the lines may have it).
    pub content_type: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
    /// Whether the body is left out, for the request was a HEAD; its length is given all the same.
    pub head_only: bool,
    /// Whether the connection ends after it.
    pub close: bool,
    /// Whether that it stays open must be said (HTTP/1.0).
    pub keep_alive: bool,
}

/// Appends the answer to `out`.
pub fn write(out: &mut Vec<u8>, answer: &Answer<'_>) {
    out.extend_from_slice(b"HTTP/1.1 ");
    put_number(out, u64::from(answer.status));
    out.push(b' ');
    out.extend_from_slice(phrase(answer.status).as_bytes());
    out.extend_from_slice(b"\r\n");
    put_date(out);
    out.extend_from_slice(answer.lines);
    // RFC 9110 section 8.6: no Content-Length with 204 and 1xx.
    if answer.status != 204 {
        if let Some(content_type) = answer.content_type.filter(|_| !answer.body.is_empty()) {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(content_type.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"Content-Length: ");
        put_number(out, answer.body.len() as u64);
        out.extend_from_slice(b"\r\n");
    }
    if answer.close {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if answer.keep_alive {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
    out.extend_from_slice(b"\r\n");
    if !answer.head_only && answer.status != 204 && answer.status != 304 {
        out.extend_from_slice(answer.body);
    }
}

/// The body that explains a status, and its type: the operator's own page where there is one; HTML for
/// clients whose `Accept` asks for it, JSON for the others.
pub fn error_body<'p>(
    mut pages: impl Iterator<Item = &'p ErrorPage>,
    status: u16,
    accept: Option<&[u8]>,
    request_id: &str,
) -> (Vec<u8>, &'static str) {
    let html = accept.is_some_and(wants_html);
    let page = pages.find(|page| (page.statuses.0..=page.statuses.1).contains(&status));
    let own = page.and_then(|page| if html { page.html.as_deref() } else { page.json.as_deref() });
    let phrase = phrase(status);
    let text = match own {
        Some(own) => own
            .replace("{status}", &status.to_string())
            .replace("{reason}", phrase)
            .replace("{request_id}", request_id),
        None if html => format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{status} {phrase}</title>\n\
             <h1>{status} {phrase}</h1>\n<p>Request {request_id}</p>\n</html>\n"
        ),
        None => {
            format!("{{\"status\":{status},\"error\":\"{phrase}\",\"request_id\":\"{request_id}\"}}\n")
        }
    };
    (text.into_bytes(), if html { "text/html; charset=utf-8" } else { "application/json" })
}

/// Whether an `Accept` field names HTML with a weight above nothing (RFC 9110 section 12.5.1).
fn wants_html(accept: &[u8]) -> bool {
    accept.split(|byte| *byte == b',').any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let names_html = parts.next().is_some_and(|kind| {
            [b"text/html".as_slice(), b"application/xhtml+xml", b"text/*"]
                .iter()
                .any(|known| kind.eq_ignore_ascii_case(known))
        });
        names_html
            && !parts.any(|parameter| {
                matches!(parameter, [b'q' | b'Q', b'=', weight @ ..]
                    if weight.first() == Some(&b'0') && weight.iter().skip(1).all(|byte| matches!(byte, b'.' | b'0')))
            })
    })
}

/// `Date`, made once a second.
pub fn put_date(out: &mut Vec<u8>) {
    thread_local! {
        static LAST: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    LAST.with_borrow_mut(|(second, text)| {
        let now = jiff::Timestamp::now();
        if now.as_second() != *second {
            *second = now.as_second();
            // Fails for years beyond 9999 only; then the last date stays.
            if let Ok(fresh) = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now) {
                *text = fresh;
            }
        }
        out.extend_from_slice(b"Date: ");
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(b"\r\n");
    });
}

fn put_number(out: &mut Vec<u8>, number: u64) {
    use std::io::Write;
    write!(out, "{number}").expect("a vector takes all");
}

/// The phrase of a status (RFC 9110 section 15 and the IANA registry).
pub fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        _ => match status / 100 {
            1 => "Informational",
            2 => "Success",
            3 => "Redirection",
            4 => "Client Error",
            _ => "Server Error",
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn html_only_for_clients_that_ask_for_it() {
        let cases: [(&[u8], bool); 7] = [
            (b"text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", true),
            (b"*/*", false),
            (b"application/json", false),
            (b"application/json, Text/HTML ; q=0.1", true),
            (b"text/html;q=0", false),
            (b"text/html;q=0.000", false),
            (b"", false),
        ];
        for (accept, expected) in cases {
            assert_eq!(wants_html(accept), expected, "{}", String::from_utf8_lossy(accept));
        }
    }

    #[test]
    fn own_pages_take_the_place_of_ours() {
        let pages =
            [ErrorPage { statuses: (500, 599), html: Some("<p>{status} {reason}</p>".into()), json: None }];
        let (body, kind) = error_body(pages.iter(), 503, Some(b"text/html"), "id");
        assert_eq!(body, b"<p>503 Service Unavailable</p>");
        assert_eq!(kind, "text/html; charset=utf-8");
        let (body, kind) = error_body(pages.iter(), 503, None, "id");
        assert_eq!(
            String::from_utf8(body).unwrap(),
            "{\"status\":503,\"error\":\"Service Unavailable\",\"request_id\":\"id\"}\n"
        );
        assert_eq!(kind, "application/json");
    }

    #[test]
    fn heads_of_answers() {
        let mut out = Vec::new();
        write(
            &mut out,
            &Answer {
                status: 404,
                lines: b"A: b\r\n",
                content_type: Some("text/plain"),
                body: b"none",
                head_only: true,
                close: true,
                keep_alive: false,
            },
        );
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 404 Not Found\r\nDate: "), "{text}");
        assert!(text.contains(" GMT\r\nA: b\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n"), "{text}");
        assert!(text.ends_with("Connection: close\r\n\r\n"), "{text}");
    }
}
