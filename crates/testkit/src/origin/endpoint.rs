//! What the end of a path asks an origin to do.
//!
//! Over HTTP/2 each does the same where that has a meaning: what is said here of chunks and of bodies that end with
//! the connection is there a body without a length, and a cut or reset is `RST_STREAM` with `INTERNAL_ERROR` that
//! leaves the other streams alone.

use std::time::Duration;

/// The endpoints of an origin, by the end of the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// Anything else: 200 with JSON of what was seen.
    Report,
    /// `/healthz`: 200, not counted as a request.
    Health,
    /// `/size/N`: N bytes with a length.
    Size(usize),
    /// `/chunked/N/M`: N chunks of M bytes, with a trailer `X-Checksum`.
    Chunked(usize, usize),
    /// `/close/N`: N bytes that end with the connection.
    Close(usize),
    /// `/slow/MS`: the report, after a while, unless the other side closes before.
    Slow(Duration),
    /// `/drip/N/MS`: N bytes, one at a time.
    Drip(usize, Duration),
    /// `/status/N`: that status. Reads no body that waits for a 100.
    Status(u16),
    /// `/status-at/N/NAME`: the same at the origin of that name, the body read in any case; others report.
    StatusAt(u16, String),
    /// `/echo`: the body comes back while it is coming in, framed as it came, and so do its trailers.
    Echo,
    /// `/early`: answers before the body is read, then reads it.
    Early,
    /// `/early-stop`: answers before the body is read, and wants none of it: HTTP/1 closes, and drops what comes until
    /// the other side has closed too; HTTP/2 says so (`RST_STREAM` with `NO_ERROR` behind the whole answer).
    EarlyStop,
    /// `/sip/MS`: reads the body with such a pause before each piece of 64 KB at most, then reports.
    Sip(Duration),
    /// `/stall/N`: announces more, sends N bytes, and nothing ever after.
    Stall(usize),
    /// `/reset`: reads the request, and resets before any answer.
    Reset,
    /// `/reset-at/NAME`: the same at the origin of that name; others report.
    ResetAt(String),
    /// `/refuse-once/KEY`: the first request with that key is refused unprocessed (`REFUSED_STREAM`), later ones
    /// are reported. HTTP/1 has no such word: it closes without an answer.
    RefuseOnce(String),
    /// `/unseen-once/KEY`: at the first request with that key the connection ends with a GOAWAY that says that the
    /// request was not seen; later ones are reported. HTTP/1 has no such word: it closes without an answer.
    UnseenOnce(String),
    /// `/leave`: the report, and the connection takes no more requests: GOAWAY, or `Connection: close`.
    Leave,
    /// `/grpc/N`: an answer of gRPC that is only trailers, with status N: a head with `grpc-status` and no body.
    Grpc(u32),
    /// `/grpc-at/N/NAME`: the same at the origin of that name; others report.
    GrpcAt(u32, String),
    /// `/hints`: a 103 before the report.
    Hints,
    /// `/upgrade`: 101, and from then on every byte comes back. A WebSocket's key is answered, and the first of its
    /// protocols chosen. Over HTTP/2 that is an extended CONNECT (RFC 8441) and 200.
    Upgrade,
    /// `/cut/N`: announces more, sends N bytes, resets.
    Cut(usize),
    /// `/short/N`: announces more, sends N bytes, closes in good order (HTTP/2: `END_STREAM`, which makes the answer
    /// malformed).
    Short(usize),
    /// `/cut-chunked/N`: one chunk of N bytes, then closes without the last chunk.
    CutChunked(usize),
    /// `/cut-close/N`: N bytes that would end with the connection, then resets.
    CutClose(usize),
    /// `/cookie/NAME/VALUE`: the report with `Set-Cookie`.
    Cookie(String, String),
    /// `/hop`: an answer with hop-by-hop fields, duplicates and odd case. HTTP/2 has duplicates only: the other
    /// fields would be malformed there.
    Hop,
}

impl Endpoint {
    /// Reads it from a request target.
    pub fn of(target: &str) -> Endpoint {
        let path = target.split('?').next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').collect();
        // The last keyword counts; its arguments stand behind it.
        (0..segments.len())
            .rev()
            .find_map(|at| Endpoint::from_segments(&segments[at..]))
            .unwrap_or(Endpoint::Report)
    }

    fn from_segments(segments: &[&str]) -> Option<Endpoint> {
        let number = |text: &str| text.parse::<usize>().ok();
        let millis = |text: &str| text.parse().ok().map(Duration::from_millis);
        Some(match *segments {
            ["healthz"] => Endpoint::Health,
            ["size", bytes] => Endpoint::Size(number(bytes)?),
            ["chunked", count, bytes] => Endpoint::Chunked(number(count)?, number(bytes)?),
            ["close", bytes] => Endpoint::Close(number(bytes)?),
            ["slow", time] => Endpoint::Slow(millis(time)?),
            ["drip", bytes, time] => Endpoint::Drip(number(bytes)?, millis(time)?),
            ["status", status] => Endpoint::Status(status.parse().ok()?),
            ["status-at", status, name] => Endpoint::StatusAt(status.parse().ok()?, name.to_owned()),
            ["echo"] => Endpoint::Echo,
            ["early"] => Endpoint::Early,
            ["early-stop"] => Endpoint::EarlyStop,
            ["sip", time] => Endpoint::Sip(millis(time)?),
            ["stall", bytes] => Endpoint::Stall(number(bytes)?),
            ["reset"] => Endpoint::Reset,
            ["reset-at", name] => Endpoint::ResetAt(name.to_owned()),
            ["refuse-once", key] => Endpoint::RefuseOnce(key.to_owned()),
            ["unseen-once", key] => Endpoint::UnseenOnce(key.to_owned()),
            ["leave"] => Endpoint::Leave,
            ["grpc", status] => Endpoint::Grpc(status.parse().ok()?),
            ["grpc-at", status, name] => Endpoint::GrpcAt(status.parse().ok()?, name.to_owned()),
            ["hints"] => Endpoint::Hints,
            ["upgrade"] => Endpoint::Upgrade,
            ["cut", bytes] => Endpoint::Cut(number(bytes)?),
            ["short", bytes] => Endpoint::Short(number(bytes)?),
            ["cut-chunked", bytes] => Endpoint::CutChunked(number(bytes)?),
            ["cut-close", bytes] => Endpoint::CutClose(number(bytes)?),
            ["cookie", name, value] => Endpoint::Cookie(name.to_owned(), value.to_owned()),
            ["hop"] => Endpoint::Hop,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_path_counts() {
        assert_eq!(Endpoint::of("/api/size/7?x=/echo"), Endpoint::Size(7));
        assert_eq!(Endpoint::of("/size/x"), Endpoint::Report);
        assert_eq!(Endpoint::of("/echo/status/404"), Endpoint::Status(404));
        assert_eq!(Endpoint::of("http://host/chunked/2/3"), Endpoint::Chunked(2, 3));
        assert_eq!(Endpoint::of("*"), Endpoint::Report);
    }
}
