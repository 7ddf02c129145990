//! A small server of gRPC over HTTP/2 without TLS, and how its messages look, also to clients of gRPC-Web.
//!
//! | path | answer |
//! |---|---|
//! | `/echo` | the body as it comes, then `grpc-status: 0` and `x-checksum` in trailers |
//! | `/stream/COUNT/BYTES` | so many messages of so many bytes, then trailers |
//! | `/wait` | a message, then trailers when the request has ended |
//! | `/only/STATUS` | that status in the head, which is all |
//! | `/fail/STATUS` | a message, then that status in trailers |
//! | `/refused` | the first such call is refused unseen, others are answered as by `/echo` |
//! | `/cut` | a message, then the stream is reset |
//! | `/silent` | a message, and an end without trailers |
//! | `/sized` | a message whose length the head has said, then trailers |
//! | `/length` | JSON of known length, which is not gRPC |

use crate::exchange::Fields;
use crate::message::pattern;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Error, Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A running server; it ends with the value.
pub struct GrpcServer {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Dropped, it ends the thread.
    _stop: oneshot::Sender<()>,
}

/// A call that a server was asked for.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Its path.
    pub path: String,
    /// Its fields.
    pub fields: Fields,
    /// Its body, as far as it was read.
    pub body: Vec<u8>,
    /// Whether the body came to its end.
    pub is_whole: bool,
}

impl Seen {
    /// The first value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl GrpcServer {
    /// Starts one.
    ///
    /// # Errors
    /// When there is no port, or no runtime.
    pub fn start() -> std::io::Result<GrpcServer> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (stop, stopped) = oneshot::channel();
        let accepting = accept(listener, Arc::clone(&seen));
        std::thread::spawn(move || {
            runtime.spawn(accepting);
            let _ = runtime.block_on(stopped);
        });
        Ok(GrpcServer { address, seen, _stop: stop })
    }

    /// The calls that have ended so far, one way or another.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().map(|seen| seen.clone()).unwrap_or_default()
    }
}

async fn accept(listener: TcpListener, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&seen)));
    }
}

async fn serve(stream: TcpStream, seen: Arc<Mutex<Vec<Seen>>>) {
    let Ok(mut connection) = h2::server::handshake(stream).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        let seen = Arc::clone(&seen);
        tokio::spawn(async move {
            let mut call = Seen { path: request.uri().path().to_owned(), ..Seen::default() };
            call.fields = pairs(request.headers());
            let is_first = seen.lock().is_ok_and(|seen| seen.iter().all(|earlier| earlier.path != call.path));
            // What failed is seen by the client.
            let _ = answer(request, respond, &mut call, is_first).await;
            if let Ok(mut seen) = seen.lock() {
                seen.push(call);
            }
        });
    }
}

async fn answer(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    call: &mut Seen,
    is_first: bool,
) -> Result<(), Error> {
    let path = call.path.clone();
    let words: Vec<&str> = path.split('/').skip(1).collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<usize>().ok()).unwrap_or_default();
    let mut body = request.into_body();
    match words[0] {
        "refused" if is_first => {
            respond.send_reset(Reason::REFUSED_STREAM);
            return Ok(());
        }
        "only" => {
            read(&mut body, call).await?;
            let status = number(1).to_string();
            let fields = [("grpc-status", status.as_str()), ("grpc-message", "on%20purpose")];
            return respond.send_response(head(&fields), true).map(drop);
        }
        "length" => {
            read(&mut body, call).await?;
            let mut head = head(&[("content-length", "2")]);
            head.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
            let mut send = respond.send_response(head, false)?;
            return send_all(&mut send, b"{}".to_vec(), true).await;
        }
        "echo" | "refused" => {
            let mut send = respond.send_response(head(&[]), false)?;
            while let Some(piece) = body.data().await {
                let piece = piece?;
                body.flow_control().release_capacity(piece.len())?;
                call.body.extend_from_slice(&piece);
                send_all(&mut send, piece.to_vec(), false).await?;
            }
            call.is_whole = true;
            return send.send_trailers(trailers(0));
        }
        _ => {}
    }
    if words[0] != "wait" {
        read(&mut body, call).await?;
    }
    let (count, bytes) = if words[0] == "stream" { (number(1), number(2)) } else { (1, 5) };
    let length = [("content-length", "10")];
    let fields: &[_] = if words[0] == "sized" { &length } else { &[] };
    let mut send = respond.send_response(head(fields), false)?;
    for _ in 0..count {
        send_all(&mut send, message(&pattern(bytes)), false).await?;
    }
    match words[0] {
        "cut" => {
            // What is queued would be forgotten with the reset.
            tokio::time::sleep(Duration::from_millis(100)).await;
            send.send_reset(Reason::INTERNAL_ERROR);
            Ok(())
        }
        "silent" => send.send_data(Bytes::new(), true),
        "wait" => {
            read(&mut body, call).await?;
            send.send_trailers(trailers(0))
        }
        "fail" => send.send_trailers(trailers(number(1))),
        _ => send.send_trailers(trailers(0)),
    }
}

/// Reads the body to its end.
async fn read(body: &mut RecvStream, call: &mut Seen) -> Result<(), Error> {
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        call.body.extend_from_slice(&piece);
    }
    call.is_whole = true;
    Ok(())
}

fn head(fields: &[(&'static str, &str)]) -> Response<()> {
    let mut head = Response::new(());
    head.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
    for (name, value) in fields {
        if let Ok(value) = HeaderValue::from_str(value) {
            head.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    head
}

fn trailers(status: usize) -> HeaderMap {
    let mut map = HeaderMap::new();
    if let Ok(status) = HeaderValue::from_str(&status.to_string()) {
        map.insert("grpc-status", status);
    }
    map.insert("grpc-message", HeaderValue::from_static("said%20behind"));
    map
}

fn pairs(fields: &HeaderMap) -> Fields {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    fields.iter().map(pair).collect()
}

/// Sends bytes as flow control lets them through.
async fn send_all(send: &mut SendStream<Bytes>, bytes: Vec<u8>, is_last: bool) -> Result<(), Error> {
    let mut bytes = Bytes::from(bytes);
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        while send.capacity() == 0 {
            if poll_fn(|cx| send.poll_capacity(cx)).await.transpose()?.is_none() {
                return Err(Reason::CANCEL.into());
            }
        }
        let piece = bytes.split_to(send.capacity().min(bytes.len()));
        send.send_data(piece, is_last && bytes.is_empty())?;
    }
    Ok(())
}

/// A message as it stands in a body.
pub fn message(content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    [&[0], &length.to_be_bytes()[..], content].concat()
}

/// A body as a client of gRPC-Web reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WebBody {
    /// Whole messages.
    pub messages: Vec<Vec<u8>>,
    /// What the frame behind them says; `None` if there is none.
    pub trailers: Option<Fields>,
    /// Bytes of a frame that is not whole, or that came behind the last one.
    pub rest: usize,
}

impl WebBody {
    /// Reads the frames of a body.
    pub fn read(mut body: &[u8]) -> WebBody {
        let mut read = WebBody::default();
        while let Some((flag, length)) = body.split_at_checked(5).and_then(|(head, _)| {
            let length = u32::from_be_bytes(head[1..].try_into().ok()?);
            Some((head[0], usize::try_from(length).ok()?))
        }) {
            if read.trailers.is_some() || body.len() - 5 < length {
                break;
            }
            let content = &body[5..5 + length];
            match flag {
                0 => read.messages.push(content.to_vec()),
                _ => read.trailers = Some(fields(content)),
            }
            body = &body[5 + length..];
        }
        read.rest = body.len();
        read
    }

    /// Reads the frames of a body in the text form, whose pieces may be padded anywhere.
    ///
    /// # Errors
    /// What is no base64.
    pub fn read_text(text: &[u8]) -> Result<WebBody, String> {
        let groups = text.chunks(4).map(|group| STANDARD.decode(group));
        let bytes = groups.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
        Ok(WebBody::read(&bytes.concat()))
    }

    /// A value of the frame behind the messages.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        let trailers = self.trailers.as_ref()?;
        trailers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn fields(block: &[u8]) -> Fields {
    let text = String::from_utf8_lossy(block);
    let lines = text.split_terminator("\r\n");
    lines
        .map(|line| line.split_once(": ").unwrap_or((line, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// What stands for bytes in the text form.
pub fn as_text(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
