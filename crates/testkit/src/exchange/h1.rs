//! The client's side of HTTP/1.1.

use super::answer::{Ending, Event, Head};
use super::request::{Command, Framing, Request};
use super::runtime;
use crate::message::{self, Body, Malformed};
use crate::stream::Wire;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Mutex, OwnedMutexGuard, mpsc};
use tokio::task::JoinHandle;

/// A connection, whose requests are written one after the other and whose answers are read in that order.
pub(super) struct Connection {
    writer: Arc<Mutex<Wire>>,
    reader: Arc<Mutex<Reader>>,
}

struct Reader {
    wire: Wire,
    /// Received and not yet used.
    input: Vec<u8>,
}

impl Connection {
    pub fn open(wire: Wire) -> Connection {
        let reader = Reader { wire: wire.clone(), input: Vec::new() };
        Connection { writer: Arc::new(Mutex::new(wire)), reader: Arc::new(Mutex::new(reader)) }
    }

    pub fn start(
        &mut self,
        request: Request,
        commands: mpsc::Receiver<Command>,
    ) -> (Reading, JoinHandle<bool>) {
        let method = request.method.clone();
        let writer = Arc::clone(&self.writer);
        let writing = runtime::handle().spawn(async move {
            // If the connection is gone, what is read tells.
            write(writer.lock_owned().await, request, commands).await.unwrap_or(false)
        });
        (Reading { reader: Arc::clone(&self.reader), method, body: None }, writing)
    }

    /// Waits for the end; bytes that come before it are answers to nothing.
    pub async fn end(&mut self) -> Ending {
        let mut reader = self.reader.lock().await;
        loop {
            if !reader.input.is_empty() {
                return Ending::Malformed(format!("{:?}", String::from_utf8_lossy(&reader.input)));
            }
            if let Some(ending) = reader.fill().await {
                return ending;
            }
        }
    }
}

impl Reader {
    /// Reads more; how the connection ended if there is nothing more.
    async fn fill(&mut self) -> Option<Ending> {
        // Without room of that size pieces are tiny.
        self.input.reserve(64 * 1024);
        match self.wire.read_buf(&mut self.input).await {
            Ok(0) => Some(Ending::Closed),
            Ok(_) => None,
            Err(_) => Some(Ending::Aborted),
        }
    }
}

/// Sends a request; whether all of it.
async fn write(
    mut wire: OwnedMutexGuard<Wire>,
    request: Request,
    mut commands: mpsc::Receiver<Command>,
) -> io::Result<bool> {
    wire.write_all(request.head().as_bytes()).await?;
    let mut steps = request.steps.clone();
    if !request.is_open {
        steps.push(Command::Finish);
    }
    let chunked = request.framing == Framing::Unknown;
    let mut steps = steps.into_iter();
    loop {
        let step = match steps.next() {
            Some(step) => step,
            None => match commands.recv().await {
                Some(step) => step,
                None => return Ok(false),
            },
        };
        match step {
            Command::Data(bytes) if chunked => {
                // A chunk of nothing would be the last one.
                if !bytes.is_empty() {
                    let chunk = [format!("{:x}\r\n", bytes.len()).as_bytes(), &bytes, b"\r\n"].concat();
                    wire.write_all(&chunk).await?;
                }
            }
            Command::Data(bytes) => wire.write_all(&bytes).await?,
            Command::Pause(time) => tokio::time::sleep(time).await,
            Command::Trailers(trailers) => {
                let lines = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
                let end = format!("0\r\n{}\r\n", lines.collect::<String>());
                return write_last(&mut wire, end.as_bytes()).await;
            }
            Command::Finish if chunked => return write_last(&mut wire, b"0\r\n\r\n").await,
            Command::Finish if is_short(&request) => {
                wire.shutdown().await?;
                return Ok(true);
            }
            Command::Finish => return write_last(&mut wire, b"").await,
            // Done by taking the connection away.
            Command::Reset(_) => return Err(ErrorKind::ConnectionReset.into()),
        }
        wire.flush().await?;
    }
}

async fn write_last(wire: &mut Wire, bytes: &[u8]) -> io::Result<bool> {
    wire.write_all(bytes).await?;
    wire.flush().await?;
    Ok(true)
}

/// Whether only the end of the connection can tell that no more comes: that of a tunnel, or of a body that is shorter
/// than was told.
fn is_short(request: &Request) -> bool {
    let data = |step: &Command| match step {
        Command::Data(bytes) => bytes.len() as u64,
        _ => 0,
    };
    match request.framing {
        Framing::Tunnel => true,
        Framing::Length(length) => !request.is_open && request.steps.iter().map(data).sum::<u64>() < length,
        Framing::None | Framing::Unknown => false,
    }
}

/// An answer that is being read.
pub(super) struct Reading {
    reader: Arc<Mutex<Reader>>,
    method: String,
    /// What is missing of it, once its head is there.
    body: Option<Body>,
}

impl Reading {
    pub async fn event(&mut self) -> Event {
        let reader = Arc::clone(&self.reader);
        let mut reader = reader.lock().await;
        match self.body.take() {
            None => self.head(&mut reader).await.unwrap_or_else(|error| malformed(&error)),
            Some(body) => self.piece(&mut reader, body).await.unwrap_or_else(|error| malformed(&error)),
        }
    }

    async fn head(&mut self, reader: &mut Reader) -> Result<Event, Malformed> {
        let head = loop {
            if let Some((head, length)) = message::Head::parse(&reader.input)? {
                reader.input.drain(..length);
                break head;
            }
            if let Some(ending) = reader.fill().await {
                return Ok(Event::End(ending));
            }
        };
        let (version, status, _) = head.words();
        let status: u16 = match (version, status.parse()) {
            ("HTTP/1.1", Ok(status)) => status,
            _ => return Err(Malformed(format!("status line {:?}", head.line))),
        };
        let body = head.response_body(&self.method, status)?;
        let answer = Head { status, fields: head.fields };
        if status == 101 {
            self.body = Some(Body::Close);
        } else if status < 200 {
            return Ok(Event::Interim(answer));
        } else {
            self.body = Some(body);
        }
        Ok(Event::Head(answer))
    }

    async fn piece(&mut self, reader: &mut Reader, mut body: Body) -> Result<Event, Malformed> {
        let mut piece = Vec::new();
        let mut ending = None;
        loop {
            body.feed(&mut reader.input, &mut piece)?;
            if !piece.is_empty() {
                self.body = Some(body);
                return Ok(Event::Data(piece));
            }
            match (&mut body, ending) {
                (Body::Chunked(chunks), _) if !chunks.trailers.is_empty() && body_is_over(chunks) => {
                    let trailers = std::mem::take(&mut chunks.trailers);
                    self.body = Some(body);
                    return Ok(Event::Trailers(trailers));
                }
                (body, _) if body.is_complete() => return Ok(Event::End(Ending::Complete)),
                (Body::Close, Some(Ending::Closed)) => return Ok(Event::End(Ending::Complete)),
                (_, Some(ending)) => return Ok(Event::End(ending)),
                (_, None) => {}
            }
            ending = reader.fill().await;
        }
    }
}

fn malformed(error: &Malformed) -> Event {
    Event::End(Ending::Malformed(error.to_string()))
}

/// Whether the last trailer is there too.
fn body_is_over(chunks: &message::Chunks) -> bool {
    Body::Chunked(chunks.clone()).is_complete()
}
