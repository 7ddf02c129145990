//! What each endpoint answers over HTTP/1.

use super::super::Endpoint;
use super::super::connection::{FOREVER, PIECE, Then};
use super::super::report::Report;
use super::{Connection, HEAD_PIECE, Request};
use crate::message::{Body, FNV_START, fnv_continue, pattern, pattern_part};
use crate::websocket;
use std::io;
use std::sync::atomic::Ordering;
use tokio::io::AsyncWriteExt;

impl Connection<'_> {
    /// Answers as the path asks.
    pub async fn answer(&mut self, mut request: Request, endpoint: Endpoint) -> io::Result<Then> {
        if self.shared.failing.load(Ordering::SeqCst) {
            self.read_body(&mut request).await?;
            return self.whole(&request, 500, "", b"failing on purpose\n").await;
        }
        match endpoint {
            Endpoint::Echo => return self.echo(request).await,
            Endpoint::Upgrade => return self.upgrade(&request).await,
            Endpoint::Status(status) => return self.status(request, status).await,
            Endpoint::EarlyStop => {
                request.keep_alive = false;
                self.whole(&request, 200, "", b"early\n").await?;
                self.stream.shutdown().await?;
                // A close with bytes unread would be a reset, which may take the answer along.
                while self.read_more(PIECE).await? > 0 {
                    self.input.clear();
                }
                return Ok(Then::Close);
            }
            Endpoint::Sip(time) => {
                tokio::time::sleep(time).await;
                while self.read_piece(&mut request).await?.is_some() {
                    tokio::time::sleep(time).await;
                }
            }
            Endpoint::Early => {
                let then = self.whole(&request, 200, "", b"early\n").await?;
                request.expects = false;
                self.read_body(&mut request).await?;
                return Ok(then);
            }
            _ => self.read_body(&mut request).await?,
        }
        self.answer_read(request, endpoint).await
    }

    /// Answers a request whose body was read.
    async fn answer_read(&mut self, mut request: Request, endpoint: Endpoint) -> io::Result<Then> {
        let target = request.head.words().1.to_owned();
        if endpoint == Endpoint::Leave {
            request.keep_alive = false;
        }
        let request = &request;
        match endpoint {
            Endpoint::RefuseOnce(_) | Endpoint::UnseenOnce(_) if self.shared.is_first(&target) => {
                Ok(Then::Close)
            }
            Endpoint::Reset => Ok(Then::Reset),
            Endpoint::ResetAt(name) if name == self.shared.name => Ok(Then::Reset),
            Endpoint::Stall(bytes) => {
                self.too_short(bytes).await?;
                self.idle_for(FOREVER).await?;
                Ok(Then::Reset)
            }
            Endpoint::StatusAt(status, name) if name == self.shared.name => {
                self.whole(request, status, "", format!("status {status}\n").as_bytes()).await
            }
            Endpoint::Grpc(status) => self.grpc(request, status).await,
            Endpoint::GrpcAt(status, name) if name == self.shared.name => self.grpc(request, status).await,
            Endpoint::Health => self.whole(request, 200, "", b"ok\n").await,
            Endpoint::Size(bytes) => self.sized(request, bytes).await,
            Endpoint::Chunked(count, bytes) => self.chunked(request, count, bytes).await,
            Endpoint::Close(bytes) => {
                self.until_close(request, bytes).await?;
                Ok(Then::Close)
            }
            Endpoint::CutClose(bytes) => {
                self.until_close(request, bytes).await?;
                Ok(Then::Reset)
            }
            Endpoint::Slow(time) => {
                self.idle_for(time).await?;
                self.report(request, "").await
            }
            Endpoint::Drip(bytes, time) => self.drip(request, bytes, time).await,
            Endpoint::Hints => {
                let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n";
                self.write(hints).await?;
                self.report(request, "").await
            }
            Endpoint::Cut(bytes) => {
                self.too_short(bytes).await?;
                Ok(Then::Reset)
            }
            Endpoint::Short(bytes) => {
                self.too_short(bytes).await?;
                Ok(Then::Close)
            }
            Endpoint::CutChunked(bytes) => {
                let head = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n");
                let message = [head.as_bytes(), &pattern(bytes), b"\r\n"].concat();
                self.write(&message).await?;
                Ok(Then::Close)
            }
            Endpoint::Cookie(name, value) => {
                self.report(request, &format!("Set-Cookie: {name}={value}; Path=/\r\n")).await
            }
            Endpoint::Hop => {
                let lines = "Connection: X-Private\r\nX-Private: secret\r\nKeep-Alive: timeout=5\r\n\
                             Proxy-Connection: keep-alive\r\nx-mIxEd-Case: kept\r\nX-Twice: one\r\n\
                             Set-Cookie: a=1\r\nX-Twice: two\r\nSet-Cookie: b=2\r\n";
                self.whole(request, 200, lines, b"hop\n").await
            }
            _ => self.report(request, "").await,
        }
    }

    /// Waits, unless the other side closes meanwhile.
    async fn idle_for(&mut self, time: std::time::Duration) -> io::Result<()> {
        let mut over = std::pin::pin!(tokio::time::sleep(time));
        loop {
            tokio::select! {
                () = &mut over => return Ok(()),
                read = self.read_more(HEAD_PIECE) => if read? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
            }
        }
    }

    /// Says what was seen.
    async fn report(&mut self, request: &Request, lines: &str) -> io::Result<Then> {
        let (method, target, protocol) = request.head.words();
        let text = Report {
            server: &self.shared.name,
            protocol,
            method,
            scheme: None,
            authority: request.head.value("host"),
            target,
            fields: &request.head.fields,
            trailers: request.body.trailers(),
            body_length: request.body_length,
            body_hash: request.body_hash,
        };
        let text = text.json();
        let lines = format!("Content-Type: application/json\r\n{lines}");
        self.whole(request, 200, &lines, text.as_bytes()).await
    }

    /// The head of an answer without its last empty line, `framing` being whole lines.
    fn head(&self, request: &Request, status: u16, framing: &str) -> String {
        let close = if request.keep_alive { "" } else { "Connection: close\r\n" };
        format!("HTTP/1.1 {status} Status\r\nX-Server: {}\r\n{framing}{close}", self.shared.name)
    }

    fn then(request: &Request) -> Then {
        if request.keep_alive { Then::Next } else { Then::Close }
    }

    async fn whole(&mut self, request: &Request, status: u16, lines: &str, body: &[u8]) -> io::Result<Then> {
        let framing = match status {
            204 | 304 => lines.to_owned(),
            _ => format!("{lines}Content-Length: {}\r\n", body.len()),
        };
        let mut message = self.head(request, status, &framing).into_bytes();
        message.extend_from_slice(b"\r\n");
        if !request.is_head() && status != 204 && status != 304 {
            message.extend_from_slice(body);
        }
        self.write(&message).await?;
        Ok(Self::then(request))
    }

    async fn status(&mut self, mut request: Request, status: u16) -> io::Result<Then> {
        if request.expects {
            request.keep_alive = false;
        } else {
            self.read_body(&mut request).await?;
        }
        self.whole(&request, status, "", format!("status {status}\n").as_bytes()).await
    }

    async fn grpc(&mut self, request: &Request, status: u32) -> io::Result<Then> {
        let lines = format!("Content-Type: application/grpc\r\nGrpc-Status: {status}\r\n");
        self.whole(request, 200, &lines, b"").await
    }

    async fn sized(&mut self, request: &Request, bytes: usize) -> io::Result<Then> {
        let head = self.head(request, 200, &format!("Content-Length: {bytes}\r\n")) + "\r\n";
        if request.is_head() {
            self.write(head.as_bytes()).await?;
        } else {
            self.body(head.into_bytes(), bytes).await?;
        }
        Ok(Self::then(request))
    }

    /// Writes a head and so many bytes of the pattern after it.
    async fn body(&mut self, mut message: Vec<u8>, bytes: usize) -> io::Result<()> {
        let mut sent = 0;
        loop {
            let count = PIECE.min(bytes - sent);
            message.extend(pattern_part(sent, count));
            self.write(&message).await?;
            message.clear();
            self.shared.sent.fetch_add(count as u64, Ordering::SeqCst);
            sent += count;
            if sent == bytes {
                return Ok(());
            }
        }
    }

    async fn chunked(&mut self, request: &Request, count: usize, bytes: usize) -> io::Result<Then> {
        let framing = "Transfer-Encoding: chunked\r\nTrailer: X-Checksum\r\n";
        let mut message = (self.head(request, 200, framing) + "\r\n").into_bytes();
        if !request.is_head() {
            let mut hash = FNV_START;
            // A chunk of nothing would be the last one.
            for chunk in 0..if bytes == 0 { 0 } else { count } {
                let data = pattern_part(chunk * bytes, bytes);
                hash = fnv_continue(hash, &data);
                message.extend_from_slice(format!("{bytes:x}\r\n").as_bytes());
                message.extend_from_slice(&data);
                message.extend_from_slice(b"\r\n");
                if message.len() >= PIECE {
                    self.write(&message).await?;
                    message.clear();
                }
            }
            message.extend_from_slice(format!("0\r\nX-Checksum: {hash:016x}\r\n\r\n").as_bytes());
        }
        self.write(&message).await?;
        Ok(Self::then(request))
    }

    async fn until_close(&mut self, request: &Request, bytes: usize) -> io::Result<()> {
        let head = format!("HTTP/1.1 200 OK\r\nX-Server: {}\r\nConnection: close\r\n\r\n", self.shared.name);
        if request.is_head() {
            return self.write(head.as_bytes()).await;
        }
        self.body(head.into_bytes(), bytes).await
    }

    async fn too_short(&mut self, bytes: usize) -> io::Result<()> {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", bytes + 1000);
        self.body(head.into_bytes(), bytes).await
    }

    async fn drip(&mut self, request: &Request, bytes: usize, time: std::time::Duration) -> io::Result<Then> {
        let head = self.head(request, 200, &format!("Content-Length: {bytes}\r\n")) + "\r\n";
        self.write(head.as_bytes()).await?;
        for byte in pattern(bytes) {
            tokio::time::sleep(time).await;
            self.write(&[byte]).await?;
        }
        Ok(Self::then(request))
    }

    async fn echo(&mut self, mut request: Request) -> io::Result<Then> {
        let chunked = matches!(request.body, Body::Chunked(_));
        let framing = match &request.body {
            Body::Length(length) => format!("Content-Length: {length}\r\n"),
            Body::Chunked(_) | Body::Close => "Transfer-Encoding: chunked\r\n".to_owned(),
        };
        if request.expects {
            request.expects = false;
            self.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        }
        let head = self.head(&request, 200, &framing) + "\r\n";
        self.write(head.as_bytes()).await?;
        while let Some(mut piece) = self.read_piece(&mut request).await? {
            if chunked {
                let size = format!("{:x}\r\n", piece.len());
                piece.splice(..0, size.into_bytes());
                piece.extend_from_slice(b"\r\n");
            }
            self.write(&piece).await?;
        }
        if chunked {
            let trailers = request.body.trailers().iter().map(|(name, value)| format!("{name}: {value}\r\n"));
            let end = format!("0\r\n{}\r\n", trailers.collect::<String>());
            self.write(end.as_bytes()).await?;
        }
        Ok(Self::then(&request))
    }

    async fn upgrade(&mut self, request: &Request) -> io::Result<Then> {
        let Some(protocol) = request.head.value("upgrade").map(str::to_owned) else {
            return self.whole(request, 426, "Upgrade: echo\r\n", b"upgrade required\n").await;
        };
        let mut fields = String::new();
        if let Some(key) = request.head.value("sec-websocket-key") {
            fields.push_str(&format!("Sec-WebSocket-Accept: {}\r\n", websocket::accept(key)));
        }
        if let Some(protocols) = request.head.value("sec-websocket-protocol") {
            fields.push_str(&format!("Sec-WebSocket-Protocol: {}\r\n", websocket::first(protocols)));
        }
        let head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {protocol}\r\n\
             X-Server: {}\r\n{fields}\r\n",
            self.shared.name
        );
        self.write(head.as_bytes()).await?;
        loop {
            let input = std::mem::take(&mut self.input);
            self.write(&input).await?;
            if self.read_more(PIECE).await? == 0 {
                self.stream.shutdown().await?;
                return Ok(Then::Close);
            }
        }
    }
}
