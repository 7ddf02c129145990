//! What each endpoint answers over HTTP/2.

use super::super::connection::FOREVER;
use super::super::endpoint::Endpoint;
use super::request::Request;
use super::{Farewell, tunnel};
use crate::message::{FNV_START, fnv_continue, pattern, pattern_part};
use ::h2::{Error, Reason, SendStream};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::future::poll_fn;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How much of a body is queued at a time.
const PIECE: usize = 16 * 1024;

/// How long a cut waits for what was sent before it to be on its way.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);

/// Fields of an answer besides `x-server`.
type Fields<'a> = &'a [(&'a str, &'a str)];

/// Answers a request.
pub(super) async fn answer(mut request: Request, endpoint: Endpoint) -> Result<(), Error> {
    if request.shared.failing.load(Ordering::SeqCst) {
        request.read_body().await?;
        return request.whole(500, &[], "failing on purpose\n").await;
    }
    match endpoint {
        Endpoint::Echo => return request.echo().await,
        Endpoint::Upgrade if request.protocol().is_some() => return tunnel::echo(request).await,
        Endpoint::Status(status) => {
            if !request.expects && request.protocol().is_none() {
                request.read_body().await?;
            }
            return request.whole(status, &[], &format!("status {status}\n")).await;
        }
        Endpoint::Early => {
            request.whole(200, &[], "early\n").await?;
            request.expects = false;
            return request.read_body().await;
        }
        // A tunnel that is declined ends with the answer; its client waits for that before it ends its side.
        _ if request.protocol().is_some() => {}
        // Dropping a stream whose answer is whole and whose body is not read is NO_ERROR.
        Endpoint::EarlyStop => return request.whole(200, &[], "early\n").await,
        Endpoint::Sip(time) => {
            request.give_leave()?;
            tokio::time::sleep(time).await;
            while request.read_piece().await?.is_some() {
                tokio::time::sleep(time).await;
            }
        }
        _ => request.read_body().await?,
    }
    request.answer_read(endpoint).await
}

impl Request {
    /// Answers a request whose body was read.
    async fn answer_read(&mut self, endpoint: Endpoint) -> Result<(), Error> {
        match endpoint {
            Endpoint::RefuseOnce(_) if self.is_first() => {
                self.respond.send_reset(Reason::REFUSED_STREAM);
                Ok(())
            }
            Endpoint::UnseenOnce(_) if self.is_first() => {
                let stream = self.respond.stream_id().as_u32();
                // Where nobody takes it the connection has ended already.
                let _ = self.farewell.send(Farewell::Unseen(stream)).await;
                self.wait(FOREVER).await
            }
            Endpoint::Reset => {
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                Ok(())
            }
            Endpoint::ResetAt(name) if name == self.shared.name => {
                self.respond.send_reset(Reason::INTERNAL_ERROR);
                Ok(())
            }
            Endpoint::Leave => {
                let _ = self.farewell.send(Farewell::Finish).await;
                self.tell(&[]).await
            }
            Endpoint::Health => self.whole(200, &[], "ok\n").await,
            Endpoint::StatusAt(status, name) if name == self.shared.name => {
                self.whole(status, &[], &format!("status {status}\n")).await
            }
            Endpoint::Grpc(status) => self.grpc(status),
            Endpoint::GrpcAt(status, name) if name == self.shared.name => self.grpc(status),
            Endpoint::Size(bytes) => self.sized(bytes).await,
            Endpoint::Close(bytes) => self.unsized_body(bytes).await,
            Endpoint::Chunked(count, bytes) => self.chunked(count, bytes).await,
            Endpoint::Slow(time) => {
                self.wait(time).await?;
                self.tell(&[]).await
            }
            Endpoint::Drip(bytes, time) => self.drip(bytes, time).await,
            Endpoint::Hints => {
                self.interim(StatusCode::EARLY_HINTS, &[("link", "</style.css>; rel=preload")])?;
                self.tell(&[]).await
            }
            Endpoint::Cut(bytes) => {
                let goal = self.wire.written() + bytes as u64;
                let mut send = self.too_short(bytes).await?;
                self.cut(&mut send, goal).await;
                Ok(())
            }
            Endpoint::Short(bytes) => {
                let mut send = self.too_short(bytes).await?;
                send.send_data(Bytes::new(), true)
            }
            Endpoint::Stall(bytes) => {
                let mut send = self.too_short(bytes).await?;
                wait_for_reset(&mut send, FOREVER).await
            }
            Endpoint::CutChunked(bytes) | Endpoint::CutClose(bytes) => {
                let goal = self.wire.written() + bytes as u64;
                let mut send = self.head(200, &[], false)?;
                self.body(&mut send, bytes).await?;
                self.cut(&mut send, goal).await;
                Ok(())
            }
            Endpoint::Cookie(name, value) => {
                self.tell(&[("set-cookie", &format!("{name}={value}; Path=/"))]).await
            }
            Endpoint::Hop => {
                let fields = [
                    ("x-mixed-case", "kept"),
                    ("x-twice", "one"),
                    ("set-cookie", "a=1"),
                    ("x-twice", "two"),
                    ("set-cookie", "b=2"),
                ];
                self.whole(200, &fields, "hop\n").await
            }
            Endpoint::Upgrade => self.whole(426, &[], "upgrade required\n").await,
            _ => self.tell(&[]).await,
        }
    }

    /// Whether this is the first request with its target that asks to be refused once.
    fn is_first(&self) -> bool {
        self.shared.is_first(self.target())
    }

    /// Waits, unless the other side gives the stream up meanwhile.
    async fn wait(&mut self, time: Duration) -> Result<(), Error> {
        tokio::select! {
            () = tokio::time::sleep(time) => Ok(()),
            reset = poll_fn(|cx| self.respond.poll_reset(cx)) => Err(reset?.into()),
        }
    }

    /// Says what was seen.
    async fn tell(&mut self, fields: Fields<'_>) -> Result<(), Error> {
        let fields = [&[("content-type", "application/json")], fields].concat();
        let text = self.report();
        self.whole(200, &fields, &text).await
    }

    /// Sends the head of an answer.
    pub fn head(
        &mut self,
        status: u16,
        fields: Fields<'_>,
        is_all: bool,
    ) -> Result<SendStream<Bytes>, Error> {
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_IMPLEMENTED);
        let server = [("x-server", self.shared.name.as_str())];
        for (name, value) in server.iter().chain(fields) {
            let name = HeaderName::from_bytes(name.as_bytes());
            // Names of origins and of cookies may hold what fields may not; then it is left out, and missed.
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(value)) {
                response.headers_mut().append(name, value);
            }
        }
        self.respond.send_response(response, is_all)
    }

    async fn whole(&mut self, status: u16, fields: Fields<'_>, body: &str) -> Result<(), Error> {
        if status == 204 || status == 304 {
            return self.head(status, fields, true).map(drop);
        }
        let length = body.len().to_string();
        let fields = [fields, &[("content-length", &length)]].concat();
        let is_all = self.is_head() || body.is_empty();
        let mut send = self.head(status, &fields, is_all)?;
        if is_all { Ok(()) } else { send_all(&mut send, body.to_owned().into(), true).await }
    }

    fn grpc(&mut self, status: u32) -> Result<(), Error> {
        let status = status.to_string();
        let fields = [("content-type", "application/grpc"), ("grpc-status", &status)];
        self.head(200, &fields, true).map(drop)
    }

    async fn sized(&mut self, bytes: usize) -> Result<(), Error> {
        let is_all = self.is_head() || bytes == 0;
        let mut send = self.head(200, &[("content-length", &bytes.to_string())], is_all)?;
        if is_all {
            return Ok(());
        }
        self.body(&mut send, bytes).await?;
        send.send_data(Bytes::new(), true)
    }

    async fn unsized_body(&mut self, bytes: usize) -> Result<(), Error> {
        let is_all = self.is_head();
        let mut send = self.head(200, &[], is_all)?;
        if is_all {
            return Ok(());
        }
        self.body(&mut send, bytes).await?;
        send.send_data(Bytes::new(), true)
    }

    /// Sends so many bytes of the pattern.
    async fn body(&self, send: &mut SendStream<Bytes>, bytes: usize) -> Result<(), Error> {
        let mut sent = 0;
        while sent < bytes {
            let count = PIECE.min(bytes - sent);
            send_all(send, pattern_part(sent, count).into(), false).await?;
            self.shared.sent.fetch_add(count as u64, Ordering::SeqCst);
            sent += count;
        }
        Ok(())
    }

    async fn chunked(&mut self, count: usize, bytes: usize) -> Result<(), Error> {
        let is_all = self.is_head();
        let mut send = self.head(200, &[("trailer", "x-checksum")], is_all)?;
        if is_all {
            return Ok(());
        }
        let mut hash = FNV_START;
        for chunk in 0..if bytes == 0 { 0 } else { count } {
            let data = pattern_part(chunk * bytes, bytes);
            hash = fnv_continue(hash, &data);
            send_all(&mut send, data.into(), false).await?;
        }
        send.send_trailers(checksum(hash))
    }

    /// Announces more than it sends.
    async fn too_short(&mut self, bytes: usize) -> Result<SendStream<Bytes>, Error> {
        let mut send = self.head(200, &[("content-length", &(bytes + 1000).to_string())], false)?;
        self.body(&mut send, bytes).await?;
        Ok(send)
    }

    /// Resets the stream once the connection has written up to `goal`, so that what was sent before is on its way:
    /// the library forgets what is still queued.
    async fn cut(&self, send: &mut SendStream<Bytes>, goal: u64) {
        let begun = Instant::now();
        while self.wire.written() < goal && begun.elapsed() < FLUSH_LIMIT {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        send.send_reset(Reason::INTERNAL_ERROR);
    }

    async fn drip(&mut self, bytes: usize, time: Duration) -> Result<(), Error> {
        let is_all = bytes == 0 || self.is_head();
        let mut send = self.head(200, &[("content-length", &bytes.to_string())], is_all)?;
        for (at, byte) in pattern(bytes).into_iter().enumerate() {
            if is_all {
                break;
            }
            wait_for_reset(&mut send, time).await?;
            send_all(&mut send, vec![byte].into(), at + 1 == bytes).await?;
        }
        Ok(())
    }

    async fn echo(&mut self) -> Result<(), Error> {
        let length = self.head.headers.get("content-length").cloned();
        let length = length.as_ref().and_then(|length| length.to_str().ok());
        let fields: Vec<_> = length.map(|length| ("content-length", length)).into_iter().collect();
        self.give_leave()?;
        let mut send = self.head(200, &fields, false)?;
        while let Some(piece) = self.read_piece().await? {
            send_all(&mut send, piece, false).await?;
        }
        if self.trailers.is_empty() {
            return send.send_data(Bytes::new(), true);
        }
        let mut trailers = HeaderMap::new();
        for (name, value) in &self.trailers {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse()) {
                trailers.append(name, value);
            }
        }
        send.send_trailers(trailers)
    }
}

fn checksum(hash: u64) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    if let Ok(value) = format!("{hash:016x}").parse() {
        trailers.insert("x-checksum", value);
    }
    trailers
}

/// Waits, unless the other side gives the stream up meanwhile.
async fn wait_for_reset(send: &mut SendStream<Bytes>, time: Duration) -> Result<(), Error> {
    tokio::select! {
        () = tokio::time::sleep(time) => Ok(()),
        reset = poll_fn(|cx| send.poll_reset(cx)) => Err(reset?.into()),
    }
}

/// Sends bytes as flow control lets them through.
pub(super) async fn send_all(
    send: &mut SendStream<Bytes>,
    mut bytes: Bytes,
    is_last: bool,
) -> Result<(), Error> {
    while !bytes.is_empty() {
        let wanted = bytes.len().min(PIECE);
        send.reserve_capacity(wanted);
        while send.capacity() == 0 {
            if poll_fn(|cx| send.poll_capacity(cx)).await.transpose()?.is_none() {
                // The other side has given the stream up.
                return Err(Reason::CANCEL.into());
            }
        }
        let piece = bytes.split_to(send.capacity().min(wanted));
        send.send_data(piece, is_last && bytes.is_empty())?;
    }
    Ok(())
}
