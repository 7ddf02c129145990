//! What is asked, described once for every protocol.

use super::answer::Fields;
use crate::websocket;
use std::time::Duration;

/// A request, built by chaining.
#[derive(Clone, Debug)]
pub struct Request {
    pub(super) method: String,
    /// Left out where empty.
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) fields: Fields,
    pub(super) framing: Framing,
    /// What is sent behind the head, first to last.
    pub(super) steps: Vec<Command>,
    /// Whether [`super::Exchange::finish`] ends it, and not the last of its steps.
    pub(super) is_open: bool,
}

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// There is none.
    None,
    /// By its length, which may be a lie.
    Length(u64),
    /// By its end: in chunks over HTTP/1.
    Unknown,
    /// A tunnel to a WebSocket.
    Tunnel,
}

/// One thing to send.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Data(Vec<u8>),
    Pause(Duration),
    Trailers(Fields),
    Finish,
    Reset(u32),
}

impl Request {
    /// Without fields and body. An empty authority is left out.
    pub fn new(method: &str, authority: &str, path: &str) -> Request {
        Request {
            method: method.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            fields: Vec::new(),
            framing: Framing::None,
            steps: Vec::new(),
            is_open: false,
        }
    }

    /// `GET` of a path, with the authority `a.example`.
    pub fn get(path: &str) -> Request {
        Request::new("GET", "a.example", path)
    }

    /// `POST` to a path of `a.example`, with a body of known length.
    pub fn post(path: &str, body: impl Into<Vec<u8>>) -> Request {
        Request::new("POST", "a.example", path).body(body)
    }

    /// Opens a WebSocket: by `Upgrade` over HTTP/1, by an extended CONNECT over HTTP/2. What is sent then are the bytes
    /// of the tunnel, until [`super::Exchange::finish`].
    pub fn websocket(path: &str) -> Request {
        let mut request = Request::get(path).field("sec-websocket-version", "13");
        request.framing = Framing::Tunnel;
        request.is_open = true;
        request
    }

    /// With another authority.
    pub fn authority(mut self, authority: &str) -> Request {
        authority.clone_into(&mut self.authority);
        self
    }

    /// With a field. A `host` stands beside the authority's over HTTP/2 and a second one over HTTP/1.
    pub fn field(mut self, name: &str, value: &str) -> Request {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this body, its length told.
    pub fn body(self, body: impl Into<Vec<u8>>) -> Request {
        let body = body.into();
        self.length(body.len() as u64).data(body)
    }

    /// Tells this length, whatever is sent.
    pub fn length(mut self, length: u64) -> Request {
        self.framing = Framing::Length(length);
        self
    }

    /// Tells no length.
    pub fn unsized_body(mut self) -> Request {
        self.framing = Framing::Unknown;
        self
    }

    /// A piece of the body.
    pub fn data(mut self, bytes: impl Into<Vec<u8>>) -> Request {
        self.steps.push(Command::Data(bytes.into()));
        self
    }

    /// A pause before what follows.
    pub fn pause(mut self, time: Duration) -> Request {
        self.steps.push(Command::Pause(time));
        self
    }

    /// Trailers at its end; the length is not told.
    pub fn trailers(mut self, trailers: &[(&str, &str)]) -> Request {
        self.framing = Framing::Unknown;
        self.is_open = true;
        self.steps.push(Command::Trailers(owned(trailers)));
        self
    }

    /// Does not end with what was described: more is sent through the exchange.
    pub fn open(mut self) -> Request {
        self.is_open = true;
        self
    }

    /// Whether there is nothing behind the head.
    pub(super) fn is_all_head(&self) -> bool {
        self.framing == Framing::None || self.framing == Framing::Length(0) && !self.is_open
    }

    /// The head of HTTP/1.
    pub(super) fn head(&self) -> String {
        let mut lines = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        let mut line = |name: &str, value: &str| lines.push_str(&format!("{name}: {value}\r\n"));
        if !self.authority.is_empty() {
            line("Host", &self.authority);
        }
        match self.framing {
            Framing::None => {}
            Framing::Length(length) => line("Content-Length", &length.to_string()),
            Framing::Unknown => line("Transfer-Encoding", "chunked"),
            Framing::Tunnel => {
                line("Connection", "Upgrade");
                line("Upgrade", "websocket");
                line("Sec-WebSocket-Key", websocket::KEY);
            }
        }
        self.fields.iter().for_each(|(name, value)| line(name, value));
        lines + "\r\n"
    }
}

/// Fields that live as long as a request.
pub(super) fn owned(fields: &[(&str, &str)]) -> Fields {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}
