//! One client for every protocol: requests are described once, and what comes back is told in one form, whether
//! HTTP/1.1 or HTTP/2 carried it, with TLS or without.
//!
//! A [`Connection`] is opened [`To`] an address; [`Connection::start`] sends a [`Request`] and gives an [`Exchange`],
//! of which there may be several at a time (over HTTP/1 that is pipelining, and answers are to be read in order).
//! Everything blocks, and nothing for longer than [`LIMIT`]. Sending goes on in the background while the answer is
//! read; whoever reads slowly is a slow reader all the way to the server.
//!
//! [`crate::client`] is for those who want to see every byte of HTTP/1, [`frames`] for those who write their own of
//! HTTP/2.

mod answer;
pub mod frames;
mod h1;
mod h2;
mod request;
mod runtime;

pub use answer::{Answer, Ending, Event, Fields, Head};
pub use request::Request;

use crate::stream::{Stream, Wire};
use crate::tls;
use request::Command;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long any one step may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// What may be given to an exchange for sending before it waits.
const COMMANDS_MAX: usize = 64;

/// How long an exchange that is dropped goes on sending.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// How HTTP travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// HTTP/1.1 over TCP.
    H1,
    /// HTTP/1.1 over TLS, agreed on by ALPN.
    H1Tls,
    /// HTTP/2 over TCP, with prior knowledge.
    H2c,
    /// HTTP/2 over TLS, agreed on by ALPN.
    H2,
}

impl Transport {
    /// Whether it is HTTP/2.
    pub fn is_h2(self) -> bool {
        matches!(self, Transport::H2 | Transport::H2c)
    }

    /// Whether it is over TLS.
    pub fn is_tls(self) -> bool {
        matches!(self, Transport::H2 | Transport::H1Tls)
    }
}

/// Where a connection goes.
#[derive(Clone, Debug)]
pub struct To {
    /// The address.
    pub address: SocketAddr,
    /// What is spoken.
    pub transport: Transport,
    /// With TLS: the certificates that are trusted, as PEM.
    pub roots_pem: String,
    /// With TLS: the name that is asked for.
    pub name: String,
}

impl To {
    /// To an address without TLS.
    pub fn plain(address: SocketAddr, transport: Transport) -> To {
        To { address, transport, roots_pem: String::new(), name: String::new() }
    }

    /// To an address with TLS.
    pub fn secure(address: SocketAddr, transport: Transport, roots_pem: &str, name: &str) -> To {
        To { address, transport, roots_pem: roots_pem.to_owned(), name: name.to_owned() }
    }

    /// Connects.
    ///
    /// # Errors
    /// When the connection is refused or takes too long, TLS fails, or another protocol is spoken there.
    pub fn connect(&self) -> io::Result<Connection> {
        runtime::block_on(self.open()).unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))
    }

    async fn open(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        let stream =
            if self.transport.is_tls() { self.secured(stream).await? } else { Stream::plain(stream) };
        let wire = Wire::new(stream);
        let way = if self.transport.is_h2() {
            Way::H2(h2::Connection::open(wire.clone()).await?)
        } else {
            Way::H1(h1::Connection::open(wire.clone()))
        };
        let scheme = if self.transport.is_tls() { "https" } else { "http" };
        Ok(Connection { way, wire, scheme })
    }

    async fn stream(&self) -> io::Result<Stream> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        if self.transport.is_tls() { self.secured(stream).await } else { Ok(Stream::plain(stream)) }
    }

    async fn secured(&self, stream: TcpStream) -> io::Result<Stream> {
        let protocol: &[u8] = if self.transport.is_h2() { b"h2" } else { b"http/1.1" };
        let name = rustls::pki_types::ServerName::try_from(self.name.clone()).map_err(io::Error::other)?;
        let connector = tls::connector(&self.roots_pem, protocol)?;
        let stream = Stream::tls(connector.connect(name, stream).await?.into());
        match stream.protocol() {
            Some(agreed) if agreed == protocol => Ok(stream),
            // A server of HTTP/1 alone may know nothing of ALPN.
            None if !self.transport.is_h2() => Ok(stream),
            agreed => Err(io::Error::other(format!("ALPN came to {agreed:?}"))),
        }
    }
}

/// A connection.
pub struct Connection {
    way: Way,
    wire: Wire,
    scheme: &'static str,
}

enum Way {
    H1(h1::Connection),
    H2(h2::Connection),
}

impl Connection {
    /// Begins to send a request. What fails shows as the ending of the exchange.
    pub fn start(&mut self, request: Request) -> Exchange {
        let (sender, commands) = mpsc::channel(COMMANDS_MAX);
        let (reading, writing) = match &mut self.way {
            Way::H1(connection) => {
                let (reading, writing) = connection.start(request, commands);
                (Reading::H1(reading), writing)
            }
            Way::H2(connection) => {
                let (reading, writing) = connection.start(request, self.scheme, commands);
                (Reading::H2(reading), writing)
            }
        };
        Exchange { commands: Some(sender), writing, reading, wire: self.wire.clone(), ended: None }
    }

    /// Sends a request and reads all that comes.
    pub fn ask(&mut self, request: Request) -> Answer {
        self.start(request).answer()
    }

    /// Waits for the end of the connection while nothing is being answered, and says how it came. The GOAWAY of a
    /// server that closes after it is such an end; HTTP/1 has no word for it.
    pub fn end(&mut self) -> Ending {
        let end = match &mut self.way {
            Way::H1(connection) => runtime::block_on(connection.end()),
            Way::H2(connection) => runtime::block_on(connection.end()),
        };
        end.unwrap_or(Ending::Late)
    }

    /// Bytes that the kernel, or TLS, took for sending so far.
    pub fn written(&self) -> u64 {
        self.wire.written()
    }

    /// Ends the connection with a reset (TCP).
    pub fn abort(self) {
        self.wire.abort();
    }
}

/// A request that is being sent and an answer that is being read.
///
/// Dropping it while its request is not sent in full gives it up: the stream is reset (`CANCEL`), or the connection of
/// HTTP/1 closed.
pub struct Exchange {
    /// Gone once nothing more is to be sent.
    commands: Option<mpsc::Sender<Command>>,
    /// Gives whether the request was sent in full.
    writing: JoinHandle<bool>,
    reading: Reading,
    wire: Wire,
    /// How it ended, once it did.
    ended: Option<Ending>,
}

enum Reading {
    H1(h1::Reading),
    H2(h2::Reading),
}

impl Exchange {
    /// Sends more of the body of a request that was left open.
    pub fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.command(Command::Data(bytes.into()));
    }

    /// Ends the request.
    pub fn finish(&self) {
        self.command(Command::Finish);
    }

    /// Ends the request with trailers.
    pub fn finish_with(&self, trailers: &[(&str, &str)]) {
        self.command(Command::Trailers(request::owned(trailers)));
    }

    fn command(&self, command: Command) {
        if let Some(commands) = &self.commands {
            // Nobody listens when the other side has given up; that shows in what is read.
            let _ = commands.blocking_send(command);
        }
    }

    /// Gives the exchange up: `RST_STREAM` with this code, or a reset of the connection of HTTP/1.
    pub fn reset(self, code: u32) {
        match &self.reading {
            Reading::H1(_) => self.wire.abort(),
            Reading::H2(_) => {
                self.command(Command::Reset(code));
                if let Some(commands) = &self.commands {
                    // Dropping it now would be a reset too, with a code of the library's choice.
                    let _ = runtime::block_on(commands.closed());
                }
            }
        }
    }

    /// The next thing that comes; again the end when that was told already.
    pub fn event(&mut self) -> Event {
        if let Some(ending) = &self.ended {
            return Event::End(ending.clone());
        }
        let event = match &mut self.reading {
            Reading::H1(reading) => runtime::block_on(reading.event()),
            Reading::H2(reading) => runtime::block_on(reading.event()),
        };
        let event = event.unwrap_or(Event::End(Ending::Late));
        if let Event::End(ending) = &event {
            self.ended = Some(ending.clone());
        }
        event
    }

    /// Reads up to the head of the final answer; `None` if none comes. Interim answers before it are dropped.
    pub fn head(&mut self) -> Option<Head> {
        loop {
            match self.event() {
                Event::Interim(_) => {}
                Event::Head(head) => return Some(head),
                Event::Data(_) | Event::Trailers(_) | Event::End(_) => return None,
            }
        }
    }

    /// Reads at least so many bytes of the body, or of a tunnel; fewer if it ends before.
    pub fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < count {
            match self.event() {
                Event::Data(piece) => bytes.extend(piece),
                Event::Interim(_) | Event::Head(_) | Event::Trailers(_) => {}
                Event::End(_) => break,
            }
        }
        bytes
    }

    /// Reads all that comes.
    pub fn answer(mut self) -> Answer {
        let mut answer = Answer::default();
        loop {
            match self.event() {
                Event::Interim(head) => answer.interim.push(head),
                Event::Head(head) => answer.head = Some(head),
                Event::Data(piece) => answer.body.extend(piece),
                Event::Trailers(trailers) => answer.trailers = trailers,
                Event::End(ending) => {
                    answer.ending = ending;
                    return answer;
                }
            }
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        // Whoever waits for more to send knows now that there is none.
        self.commands = None;
        let writing = &mut self.writing;
        // What was given for sending is sent, where the other side takes it.
        let sent = runtime::handle().block_on(async { tokio::time::timeout(LAST_WORDS, writing).await });
        if matches!(sent, Ok(Ok(true))) {
            return;
        }
        self.writing.abort();
        if matches!(self.reading, Reading::H1(_)) {
            drop(self.wire.take());
        }
    }
}
