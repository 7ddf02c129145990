//! The client's side of HTTP/2.

use super::answer::{Ending, Event, Fields, Head};
use super::request::{Command, Framing, Request};
use super::runtime;
use crate::stream::Wire;
use ::h2::client::{self, ResponseFuture, SendRequest};
use ::h2::ext::Protocol;
use ::h2::{Error, Reason, RecvStream, SendStream};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version};
use std::future::poll_fn;
use std::io;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

/// A connection, whose requests go side by side.
pub(super) struct Connection {
    send: SendRequest<Bytes>,
    /// How it ended, once it did.
    ended: watch::Receiver<Option<Ending>>,
}

impl Connection {
    pub async fn open(wire: Wire) -> io::Result<Connection> {
        // As browsers do: what one answer leaves unread must not hold up the others.
        let hello = client::Builder::new().initial_connection_window_size(16 << 20).handshake(wire).await;
        let (send, connection) = hello.map_err(io::Error::other)?;
        let (end, ended) = watch::channel(None);
        runtime::handle().spawn(async move {
            let ending = match connection.await {
                Ok(()) => Ending::Closed,
                Err(error) => ending(&error),
            };
            // Nobody asks when the connection was dropped.
            let _ = end.send(Some(ending));
        });
        Ok(Connection { send, ended })
    }

    pub fn start(
        &mut self,
        request: Request,
        scheme: &'static str,
        commands: mpsc::Receiver<Command>,
    ) -> (Reading, JoinHandle<bool>) {
        let (begun, begins) = oneshot::channel();
        let send = self.send.clone();
        let writing = runtime::handle().spawn(async move {
            match begin(send, &request, scheme).await {
                Ok((response, stream)) => {
                    // A reader that is gone wants no answer; what is left to send is sent all the same.
                    let _ = begun.send(Ok(response));
                    match stream {
                        // What the other side gave up shows in what is read.
                        Some(stream) => write(stream, request, commands).await.is_ok(),
                        None => true,
                    }
                }
                Err(ending) => {
                    let _ = begun.send(Err(ending));
                    false
                }
            }
        });
        (Reading::Beginning(begins), writing)
    }

    /// Waits for the end.
    pub async fn end(&mut self) -> Ending {
        let ended = match self.ended.wait_for(Option::is_some).await {
            Ok(ended) => ended.clone().unwrap_or_default(),
            // Its task was ended from outside.
            Err(_) => return Ending::Aborted,
        };
        // A GOAWAY without error that was obeyed is no error of the connection; it is why no new request goes.
        match self.send.clone().ready().await {
            Err(error) if error.is_go_away() => ending(&error),
            _ => ended,
        }
    }
}

type Begun = (ResponseFuture, Option<SendStream<Bytes>>);

async fn begin(send: SendRequest<Bytes>, request: &Request, scheme: &str) -> Result<Begun, Ending> {
    let mut send = send.ready().await.map_err(|error| ending(&error))?;
    if request.framing == Framing::Tunnel {
        // What the server can do comes with its first frames. If it never says so, the exchange is late.
        while !send.is_extended_connect_protocol_enabled() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    let head = head(request, scheme).map_err(|error| Ending::Malformed(error.to_string()))?;
    let is_all = request.is_all_head();
    let (response, stream) = send.send_request(head, is_all).map_err(|error| ending(&error))?;
    Ok((response, (!is_all).then_some(stream)))
}

fn head(request: &Request, scheme: &str) -> Result<http::Request<()>, http::Error> {
    let mut head = http::Request::builder();
    if request.authority.is_empty() {
        // Said to come from HTTP/1, so that the library takes it as it is.
        head = head.version(Version::HTTP_11).uri(request.path.as_str());
    } else {
        let path = if request.path == "*" { "/*" } else { &request.path };
        let uri = Uri::builder().scheme(scheme).authority(request.authority.as_str()).path_and_query(path);
        head = head.version(Version::HTTP_2).uri(uri.build()?);
    }
    if request.framing == Framing::Tunnel {
        head = head.method("CONNECT").extension(Protocol::from_static("websocket"));
    } else {
        head = head.method(request.method.as_str());
    }
    if let Framing::Length(length) = request.framing {
        head = head.header("content-length", length);
    }
    for (name, value) in &request.fields {
        head = head.header(name.as_str(), value.as_str());
    }
    head.body(())
}

async fn write(
    mut stream: SendStream<Bytes>,
    request: Request,
    mut commands: mpsc::Receiver<Command>,
) -> Result<(), Error> {
    let mut steps = request.steps;
    if !request.is_open {
        steps.push(Command::Finish);
    }
    let mut steps = steps.into_iter();
    loop {
        let step = match steps.next() {
            Some(step) => step,
            None => match commands.recv().await {
                Some(step) => step,
                None => return Ok(()),
            },
        };
        match step {
            Command::Data(bytes) => send_all(&mut stream, bytes.into()).await?,
            Command::Pause(time) => tokio::time::sleep(time).await,
            Command::Trailers(trailers) => return stream.send_trailers(map(&trailers)),
            Command::Finish => return stream.send_data(Bytes::new(), true),
            Command::Reset(code) => {
                stream.send_reset(code.into());
                return Ok(());
            }
        }
    }
}

/// Sends bytes as flow control lets them through.
async fn send_all(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        while stream.capacity() == 0 {
            if poll_fn(|cx| stream.poll_capacity(cx)).await.transpose()?.is_none() {
                // The other side wants no more of it.
                return Err(Reason::CANCEL.into());
            }
        }
        let piece = bytes.split_to(stream.capacity().min(bytes.len()));
        stream.send_data(piece, false)?;
    }
    Ok(())
}

fn map(fields: &[(String, String)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in fields {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            map.append(name, value);
        }
    }
    map
}

fn pairs(map: &HeaderMap) -> Fields {
    let value = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    map.iter().map(|(name, known)| (name.as_str().to_owned(), value(known))).collect()
}

/// An answer that is being read.
pub(super) enum Reading {
    /// The request is not out yet.
    Beginning(oneshot::Receiver<Result<ResponseFuture, Ending>>),
    Head(ResponseFuture),
    Body(RecvStream),
    Over,
}

impl Reading {
    pub async fn event(&mut self) -> Event {
        loop {
            match self {
                Reading::Beginning(begins) => match begins.await {
                    Ok(Ok(response)) => *self = Reading::Head(response),
                    Ok(Err(ending)) => return Event::End(ending),
                    // Its task was ended from outside.
                    Err(_) => return Event::End(Ending::Aborted),
                },
                Reading::Head(response) => {
                    let interim = poll_fn(|cx| response.poll_informational(cx));
                    let head = match interim.await {
                        Some(Ok(interim)) => return Event::Interim(head_of(&interim)),
                        Some(Err(error)) => return Event::End(ending(&error)),
                        None => response.await,
                    };
                    match head {
                        Ok(answer) => {
                            let head = head_of(&answer);
                            *self = Reading::Body(answer.into_body());
                            return Event::Head(head);
                        }
                        Err(error) => return Event::End(ending(&error)),
                    }
                }
                Reading::Body(body) => match body.data().await {
                    Some(Ok(piece)) if piece.is_empty() => {}
                    Some(Ok(piece)) => {
                        // It fails where the stream is over, and then nobody waits for room.
                        let _ = body.flow_control().release_capacity(piece.len());
                        return Event::Data(piece.into());
                    }
                    Some(Err(error)) => return Event::End(ending(&error)),
                    None => match body.trailers().await {
                        Ok(Some(trailers)) => {
                            *self = Reading::Over;
                            return Event::Trailers(pairs(&trailers));
                        }
                        Ok(None) => *self = Reading::Over,
                        Err(error) => return Event::End(ending(&error)),
                    },
                },
                Reading::Over => return Event::End(Ending::Complete),
            }
        }
    }
}

fn head_of<T>(answer: &http::Response<T>) -> Head {
    Head { status: answer.status().as_u16(), fields: pairs(answer.headers()) }
}

/// How the library tells what the other side did.
fn ending(error: &Error) -> Ending {
    let code = error.reason().map_or(0, u32::from);
    if error.is_remote() && error.is_go_away() {
        Ending::GoAway(code)
    } else if error.is_remote() && error.is_reset() {
        Ending::Reset(code)
    } else if error.get_io().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
        // What the library says where the connection ended by FIN.
        Ending::Closed
    } else if error.is_io() {
        Ending::Aborted
    } else {
        Ending::Malformed(error.to_string())
    }
}
