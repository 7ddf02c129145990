//! What a load does, as words.

use std::net::SocketAddr;

/// What is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2.
    H2,
    /// Unary calls of gRPC.
    Grpc,
    /// Messages over WebSockets, each of which comes back.
    WebSocket,
}

/// When connections are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Once; requests follow each other on them.
    #[default]
    Kept,
    /// For each request, in full.
    Fresh,
    /// For each request, by a session of TLS that an earlier one left.
    Resumed,
}

/// What a load does.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom it is aimed at.
    pub address: SocketAddr,
    /// What is spoken.
    pub protocol: Protocol,
    /// Whether over TLS; nobody's certificate is checked.
    pub tls: bool,
    /// When connections are made.
    pub reuse: Reuse,
    /// Connections at a time.
    pub connections: usize,
    /// Streams at a time on each, with HTTP/2.
    pub streams: usize,
    /// Seconds.
    pub seconds: f64,
    /// Requests a second of an open load; 0 is a closed one.
    pub rate: f64,
    /// The path; `{}` in it is a number below `vary`.
    pub path: String,
    /// The host; `{}` in it too.
    pub host: String,
    /// How many numbers there are.
    pub vary: usize,
    /// Bytes of the request's body; of a message with gRPC and WebSockets.
    pub body: usize,
    /// Whether the body is sent in chunks.
    pub chunked: bool,
    /// Whether the head has what browsers send.
    pub browser: bool,
    /// More fields in the head.
    pub fields: usize,
    /// Bytes of the expected body.
    pub expect: u64,
}

impl Plan {
    /// A load on an address, as words such as `connections=32` say.
    ///
    /// # Errors
    /// When a word is not known or has no value that fits.
    pub fn new(address: SocketAddr, words: &[String]) -> Result<Plan, String> {
        let mut plan = Plan {
            address,
            protocol: Protocol::H1,
            tls: false,
            reuse: Reuse::Kept,
            connections: 32,
            streams: 1,
            seconds: 1.0,
            rate: 0.0,
            path: "/".to_owned(),
            host: "bench".to_owned(),
            vary: 1,
            body: 0,
            chunked: false,
            browser: false,
            fields: 0,
            expect: 1024,
        };
        for word in words {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            plan.set(name, value).ok_or_else(|| format!("`{word}` is not understood"))?;
        }
        Ok(plan)
    }

    fn set(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "protocol" => {
                self.protocol = match value {
                    "h1" => Protocol::H1,
                    "h2" => Protocol::H2,
                    "grpc" => Protocol::Grpc,
                    "websocket" => Protocol::WebSocket,
                    _ => return None,
                }
            }
            "reuse" => {
                self.reuse = match value {
                    "kept" => Reuse::Kept,
                    "fresh" => Reuse::Fresh,
                    "resumed" => Reuse::Resumed,
                    _ => return None,
                }
            }
            "tls" if value.is_empty() => self.tls = true,
            "chunked" if value.is_empty() => self.chunked = true,
            "browser" if value.is_empty() => self.browser = true,
            "connections" => self.connections = value.parse().ok().filter(|count| *count > 0)?,
            "streams" => self.streams = value.parse().ok().filter(|count| *count > 0)?,
            "seconds" => self.seconds = value.parse().ok()?,
            "rate" => self.rate = value.parse().ok()?,
            "path" => value.clone_into(&mut self.path),
            "host" => value.clone_into(&mut self.host),
            "vary" => self.vary = value.parse().ok().filter(|count| *count > 0)?,
            "body" => self.body = value.parse().ok()?,
            "fields" => self.fields = value.parse().ok()?,
            "expect" => self.expect = value.parse().ok()?,
            _ => return None,
        }
        Some(())
    }

    /// Requests that may be under way at a time on one connection.
    pub(super) fn slots(&self) -> usize {
        match self.protocol {
            Protocol::H2 | Protocol::Grpc => self.streams,
            Protocol::H1 | Protocol::WebSocket => 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_understood_or_refused() {
        let plan = |text: &str| {
            let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
            Plan::new(([127, 0, 0, 1], 1).into(), &words)
        };
        let some = plan("protocol=h2 streams=10 tls path=/r/{} vary=100 rate=2.5").expect("it is right");
        assert_eq!((some.protocol, some.slots(), some.tls), (Protocol::H2, 10, true));
        assert_eq!((some.path.as_str(), some.vary, some.rate), ("/r/{}", 100, 2.5));
        for wrong in ["protocol=h4", "connections=0", "connections", "tls=yes", "x=1"] {
            assert_eq!(plan(wrong).err(), Some(format!("`{wrong}` is not understood")), "{wrong}");
        }
    }
}
