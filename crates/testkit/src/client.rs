//! A client that sees every byte: blocking, on one socket, with time-outs everywhere.
//!
//! It tells an answer that is whole from one that was cut, and how its connection ended.

use crate::message::{Body, Head};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// How long any one read or write may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A connection to a server under test.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

/// How the other side ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In good order (FIN).
    Closed,
    /// By a reset.
    Reset,
    /// Not within the time-out.
    StillOpen,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its first line and fields.
    pub head: Head,
    /// Its body, decoded.
    pub body: Vec<u8>,
    /// Fields after a chunked body.
    pub trailers: Vec<(String, String)>,
    /// Extensions of its chunks.
    pub extensions: Vec<String>,
    /// Whether the body ended as its framing says; false when it was cut.
    pub complete: bool,
    /// How the connection ended, if it did.
    pub end: Option<End>,
}

impl Response {
    /// The first value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.head.value(name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// Which origin answered (`X-Server`); empty if none did.
    pub fn server(&self) -> &str {
        self.value("x-server").unwrap_or_default()
    }

    /// All values of a request field as an origin reported them (see [`crate::origin`]).
    pub fn seen(&self, name: &str) -> Vec<String> {
        let json = self.json();
        let fields = json["headers"].as_array().cloned().unwrap_or_default();
        fields
            .iter()
            .filter(|field| field[0].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)))
            .map(|field| field[1].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}

/// Why there is no answer.
#[derive(Debug)]
pub enum NoResponse {
    /// The connection ended before a whole head: what had come, and how it ended.
    Ended(Vec<u8>, End),
    /// What came is no HTTP/1.
    Malformed(String),
}

impl std::fmt::Display for NoResponse {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NoResponse::Ended(bytes, end) => {
                write!(formatter, "no answer but {:?}, then {end:?}", String::from_utf8_lossy(bytes))
            }
            NoResponse::Malformed(text) => formatter.write_str(text),
        }
    }
}

impl std::error::Error for NoResponse {}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When the connection is refused or takes too long.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        Client::over(TcpStream::connect_timeout(&address, LIMIT)?)
    }

    /// Connects from a source address (127.0.0.x), so that one test has more than one client, or more
    /// connections than one address has ports.
    ///
    /// # Errors
    /// When the address cannot be used or the connection is refused.
    pub fn connect_from(source: IpAddr, address: SocketAddr) -> io::Result<Client> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        socket.bind(&SocketAddr::new(source, 0).into())?;
        socket.connect_timeout(&address.into(), LIMIT)?;
        Client::over(socket.into())
    }

    fn over(stream: TcpStream) -> io::Result<Client> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Client { stream, input: Vec::new() })
    }

    /// How long one read may take.
    ///
    /// # Errors
    /// When the socket does not take it.
    pub fn set_limit(&self, limit: Duration) -> io::Result<()> {
        self.stream.set_read_timeout(Some(limit))
    }

    /// The same connection once more, so that one thread can send while another one reads.
    ///
    /// # Errors
    /// When out of descriptors.
    pub fn sender(&self) -> io::Result<TcpStream> {
        self.stream.try_clone()
    }

    /// Our own address.
    ///
    /// # Errors
    /// When the socket is not connected.
    pub fn local(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// When the other side is gone or does not read.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Sends a request and reads its final answer.
    ///
    /// # Errors
    /// When no whole head comes back.
    pub fn request(&mut self, request: impl AsRef<[u8]>) -> Result<Response, NoResponse> {
        // The answer may come, and the connection end, before all was taken: reading tells.
        let _ = self.send(request.as_ref());
        let method = if request.as_ref().starts_with(b"HEAD ") { "HEAD" } else { "GET" };
        self.read_final(method)
    }

    /// Sends `GET path` for `host` and reads the answer; the connection is kept.
    ///
    /// # Errors
    /// When no whole head comes back.
    pub fn get(&mut self, host: &str, path: &str) -> Result<Response, NoResponse> {
        self.request(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    /// Reads one answer, skipping interim ones (1xx) but 101.
    ///
    /// # Errors
    /// When no whole head comes.
    pub fn read_final(&mut self, method: &str) -> Result<Response, NoResponse> {
        loop {
            let response = self.read(method)?;
            if response.status >= 200 || response.status == 101 {
                return Ok(response);
            }
        }
    }

    /// Reads one answer, an interim one too, to a request of this method.
    ///
    /// # Errors
    /// When no whole head comes.
    pub fn read(&mut self, method: &str) -> Result<Response, NoResponse> {
        let head = self.read_head()?;
        let (version, status, _) = head.words();
        let status = match (version, status.parse()) {
            ("HTTP/1.1" | "HTTP/1.0", Ok(status)) if status >= 100 => status,
            _ => return Err(NoResponse::Malformed(format!("status line {:?}", head.line))),
        };
        let body =
            head.response_body(method, status).map_err(|error| NoResponse::Malformed(error.to_string()))?;
        self.read_body(head, status, body)
    }

    fn read_head(&mut self) -> Result<Head, NoResponse> {
        loop {
            match Head::parse(&self.input) {
                Ok(Some((head, length))) => {
                    self.input.drain(..length);
                    return Ok(head);
                }
                Ok(None) => {}
                Err(error) => return Err(NoResponse::Malformed(error.to_string())),
            }
            if let Some(end) = self.fill() {
                return Err(NoResponse::Ended(std::mem::take(&mut self.input), end));
            }
        }
    }

    fn read_body(&mut self, head: Head, status: u16, mut framing: Body) -> Result<Response, NoResponse> {
        let mut body = Vec::new();
        let mut end = None;
        loop {
            framing
                .feed(&mut self.input, &mut body)
                .map_err(|error| NoResponse::Malformed(error.to_string()))?;
            if framing.is_complete() || end.is_some() {
                break;
            }
            end = self.fill();
        }
        let complete = match &framing {
            Body::Close => end == Some(End::Closed),
            Body::Length(_) | Body::Chunked(_) => framing.is_complete(),
        };
        let (trailers, extensions) = match framing {
            Body::Chunked(chunks) => (chunks.trailers, chunks.extensions),
            Body::Length(_) | Body::Close => Default::default(),
        };
        Ok(Response { status, head, body, trailers, extensions, complete, end })
    }

    /// Reads more; how the connection ended if there is nothing more.
    fn fill(&mut self) -> Option<End> {
        let mut piece = [0; 64 * 1024];
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return Some(End::Closed),
                Ok(count) => {
                    self.input.extend_from_slice(&piece[..count]);
                    return None;
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock | ErrorKind::TimedOut => return Some(End::StillOpen),
                    _ => return Some(End::Reset),
                },
            }
        }
    }

    /// Reads exactly so many bytes, as after a 101; fewer if the connection ends.
    pub fn read_raw(&mut self, count: usize) -> Vec<u8> {
        while self.input.len() < count && self.fill().is_none() {}
        let count = count.min(self.input.len());
        self.input.drain(..count).collect()
    }

    /// Reads everything up to the end of the connection.
    pub fn read_to_end(&mut self) -> (Vec<u8>, End) {
        loop {
            if let Some(end) = self.fill() {
                return (std::mem::take(&mut self.input), end);
            }
        }
    }

    /// Says that nothing more will be sent; answers can still be read.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn finish_sending(&self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Ends the connection with a reset.
    pub fn reset(self) {
        reset(self.stream);
    }
}

/// Ends a connection with a reset.
pub fn reset(stream: TcpStream) {
    // Without it the close is an ordinary one, and the test that wanted a reset sees that.
    let _ = SockRef::from(&stream).set_linger(Some(Duration::ZERO));
    drop(stream);
}
