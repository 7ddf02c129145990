//! The head that a client gets: the server's, byte for byte, but for what a proxy must change.

use super::line;
use crate::http::answer::put_date;
use wire::h1::{Field, Known, ResponseHead, Version};

/// What is changed in a head on its way to a client.
#[derive(Default)]
pub struct Edits<'a> {
    /// What is said of the client's connection.
    pub connection: Connection,
    /// How the body is framed for the client.
    pub framing: Reframing,
    /// Whether the client speaks HTTP/1.0, which knows no transfer codings.
    pub old_client: bool,
    /// Whole lines to add.
    pub lines: &'a [u8],
}

/// What is said of the client's connection.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Connection {
    /// Nothing: it stays open, as HTTP/1.1 has it.
    #[default]
    Silent,
    /// It closes after this answer.
    Close,
    /// It stays open, said to an HTTP/1.0 client that asked.
    KeepAlive,
    /// It changes its protocol.
    Upgrade,
}

/// How the body is framed for the client.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub enum Reframing {
    /// As the server framed it.
    #[default]
    AsIs,
    /// In chunks: the server only closes at the end, but this connection is to live on.
    Chunked,
    /// By closing: the client does not know chunks.
    UntilClose,
}

/// Appends the head to `out`. `buffer` begins where the head does.
pub fn write(out: &mut Vec<u8>, buffer: &[u8], head: &ResponseHead, edits: &Edits<'_>) {
    let fields_start =
        head.fields.first().map_or(head.length as usize - 2, |field| field.line.start as usize);
    // RFC 9112 section 2.3: the version is our own, not the server's.
    let status_at = "HTTP/1.1".len();
    let mut run = match head.version {
        Version::Http11 => 0,
        Version::Http10 => {
            out.extend_from_slice(b"HTTP/1.1");
            out.extend_from_slice(&buffer[status_at..fields_start]);
            fields_start
        }
    };
    for field in &head.fields {
        let drops = is_dropped(field, head.status, edits.old_client);
        if drops || !line::is_canonical(field, buffer) {
            out.extend_from_slice(&buffer[run..field.line.start as usize]);
            run = field.line.end as usize;
            if !drops {
                line::put_canonical(out, buffer, field);
            }
        }
    }
    out.extend_from_slice(&buffer[run..head.length as usize - 2]);
    // RFC 9110 section 6.6.1.
    if head.status >= 200 && head.known(Known::Date).is_none() {
        put_date(out);
    }
    match edits.connection {
        Connection::Silent => {}
        Connection::Close => out.extend_from_slice(b"Connection: close\r\n"),
        Connection::KeepAlive => out.extend_from_slice(b"Connection: keep-alive\r\n"),
        Connection::Upgrade => put_upgrade(out, buffer, head),
    }
    // RFC 9110 section 15.5.22: the answer is of no use without.
    if head.status == 426 {
        put_upgrade(out, buffer, head);
    }
    if edits.framing == Reframing::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    out.extend_from_slice(edits.lines);
    out.extend_from_slice(b"\r\n");
}

fn put_upgrade(out: &mut Vec<u8>, buffer: &[u8], head: &ResponseHead) {
    line::put(out, "Connection", b"upgrade");
    for value in head.values(buffer, "upgrade") {
        line::put(out, "Upgrade", value);
    }
}

fn is_dropped(field: &Field, status: u16, old_client: bool) -> bool {
    field.hop
        || match field.known {
            Known::TransferEncoding | Known::Trailer => old_client,
            // RFC 9110 section 8.6. Some servers say that there is nothing.
            Known::ContentLength => matches!(status, 100..=199 | 204),
            _ => false,
        }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use wire::h1::{HeadLimits, Method};

    fn check(input: &str, edits: &Edits<'_>, expected: &str) {
        let mut head = ResponseHead::new();
        let limits = HeadLimits { bytes: 8192, fields: 50 };
        assert!(head.parse(input.as_bytes(), limits, Method::Get).unwrap());
        let mut out = Vec::new();
        write(&mut out, input.as_bytes(), &head, edits);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn order_case_and_duplicates_stay() {
        let text = "HTTP/1.1 200 Fine\r\nb: 1\r\nA: 2\r\nb: 3\r\nDate: d\r\nContent-Length: 0\r\n\r\n";
        check(text, &Edits::default(), text);
    }

    #[test]
    fn fields_for_one_hop_go_and_the_version_is_ours() {
        check(
            "HTTP/1.0 200 OK\r\nConnection: x-a\r\nX-A: 1\r\nKeep-Alive: 5\r\nB: 2\r\nDate: d\r\n\r\n",
            &Edits { connection: Connection::Close, ..Edits::default() },
            "HTTP/1.1 200 OK\r\nB: 2\r\nDate: d\r\nConnection: close\r\n\r\n",
        );
    }

    #[test]
    fn framing_follows_the_client() {
        check(
            "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n",
            &Edits {
                framing: Reframing::UntilClose,
                connection: Connection::Close,
                old_client: true,
                lines: b"Set-Cookie: a=b\r\n",
            },
            "HTTP/1.1 200 OK\r\nDate: d\r\nConnection: close\r\nSet-Cookie: a=b\r\n\r\n",
        );
        check(
            "HTTP/1.1 204 None\r\nContent-Length: 0\r\nDate: d\r\nA: 1\r\n\r\n",
            &Edits::default(),
            "HTTP/1.1 204 None\r\nDate: d\r\nA: 1\r\n\r\n",
        );
        check(
            "HTTP/1.1 200 OK\r\nDate: d\r\n\r\n",
            &Edits { framing: Reframing::Chunked, ..Edits::default() },
            "HTTP/1.1 200 OK\r\nDate: d\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
    }

    #[test]
    fn framing_is_written_as_everybody_reads_it() {
        check(
            "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length:\t007\r\n\r\n",
            &Edits { old_client: true, ..Edits::default() },
            "HTTP/1.1 200 OK\r\nDate: d\r\nContent-Length: 7\r\n\r\n",
        );
    }

    #[test]
    fn an_upgrade_that_is_required_is_named() {
        check(
            "HTTP/1.1 426 No\r\nDate: d\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\nContent-Length: 0\r\n\r\n",
            &Edits::default(),
            "HTTP/1.1 426 No\r\nDate: d\r\nContent-Length: 0\r\nConnection: upgrade\r\nUpgrade: TLS/1.0\r\n\r\n",
        );
    }

    #[test]
    fn an_answer_without_a_date_gets_one() {
        let input = b"HTTP/1.1 200 OK\r\n\r\n";
        let mut head = ResponseHead::new();
        assert!(head.parse(input, HeadLimits { bytes: 8192, fields: 50 }, Method::Get).unwrap());
        let mut out = Vec::new();
        write(&mut out, input, &head, &Edits::default());
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\nDate: ") && text.ends_with(" GMT\r\n\r\n"), "{text}");
    }
}
