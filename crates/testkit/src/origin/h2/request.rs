//! One request of HTTP/2: what it said, and reading its body.

use super::super::Shared;
use super::super::connection::Counted;
use super::super::endpoint::Endpoint;
use super::super::report::Report;
use super::{Farewell, answer};
use crate::message::{FNV_START, fnv_continue};
use crate::stream::Wire;
use ::h2::ext::Protocol;
use ::h2::server::SendResponse;
use ::h2::{Error, RecvStream};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Response, StatusCode};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::mpsc;

/// One request whose answer is owed.
pub(super) struct Request {
    pub head: Parts,
    pub body: RecvStream,
    pub respond: SendResponse<Bytes>,
    pub shared: Arc<Shared>,
    pub wire: Wire,
    pub farewell: mpsc::Sender<Farewell>,
    pub trailers: Vec<(String, String)>,
    body_length: u64,
    body_hash: u64,
    /// A 100 is owed before the body is read.
    pub expects: bool,
}

impl Request {
    pub fn new(
        request: http::Request<RecvStream>,
        respond: SendResponse<Bytes>,
        shared: Arc<Shared>,
        wire: Wire,
        farewell: mpsc::Sender<Farewell>,
    ) -> Request {
        let (head, body) = request.into_parts();
        let expects = head.headers.get("expect").is_some_and(|value| value == "100-continue");
        let expects = expects && !body.is_end_stream();
        Request {
            head,
            body,
            respond,
            shared,
            wire,
            farewell,
            trailers: Vec::new(),
            body_length: 0,
            body_hash: FNV_START,
            expects,
        }
    }

    /// Answers as the path asks.
    pub async fn answer(self) -> Result<(), Error> {
        let endpoint = Endpoint::of(self.target());
        let shared = Arc::clone(&self.shared);
        if endpoint != Endpoint::Health {
            shared.requests.fetch_add(1, Ordering::SeqCst);
        }
        let _in_flight = Counted::new(&shared.in_flight);
        answer::answer(self, endpoint).await
    }

    pub fn target(&self) -> &str {
        self.head.uri.path_and_query().map_or("", |target| target.as_str())
    }

    pub fn is_head(&self) -> bool {
        self.head.method == http::Method::HEAD
    }

    /// What the client wants to speak on the stream (RFC 8441).
    pub fn protocol(&self) -> Option<&Protocol> {
        self.head.extensions.get()
    }

    /// Sends an interim answer.
    pub fn interim(
        &mut self,
        status: StatusCode,
        fields: &[(&'static str, &'static str)],
    ) -> Result<(), Error> {
        let mut response = Response::new(());
        *response.status_mut() = status;
        for (name, value) in fields {
            response.headers_mut().append(*name, http::HeaderValue::from_static(value));
        }
        self.respond.send_informational(response)
    }

    /// Gives leave to send the body to a client that waits for it.
    pub fn give_leave(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.expects) {
            self.interim(StatusCode::CONTINUE, &[])?;
        }
        Ok(())
    }

    /// Reads the next piece of the body; `None` at its end, when the trailers are there as well.
    pub async fn read_piece(&mut self) -> Result<Option<Bytes>, Error> {
        self.give_leave()?;
        if let Some(piece) = self.body.data().await {
            let piece = piece?;
            self.body_length += piece.len() as u64;
            self.body_hash = fnv_continue(self.body_hash, &piece);
            self.body.flow_control().release_capacity(piece.len())?;
            return Ok(Some(piece));
        }
        if let Some(trailers) = self.body.trailers().await? {
            self.trailers = pairs(&trailers);
        }
        Ok(None)
    }

    pub async fn read_body(&mut self) -> Result<(), Error> {
        while self.read_piece().await?.is_some() {}
        Ok(())
    }

    /// What was seen.
    pub fn report(&self) -> String {
        let report = Report {
            server: &self.shared.name,
            protocol: "HTTP/2",
            method: self.head.method.as_str(),
            scheme: self.head.uri.scheme_str(),
            authority: self.head.uri.authority().map(http::uri::Authority::as_str),
            target: self.target(),
            fields: &pairs(&self.head.headers),
            trailers: &self.trailers,
            body_length: self.body_length,
            body_hash: self.body_hash,
        };
        report.json()
    }
}

fn pairs(fields: &HeaderMap) -> Vec<(String, String)> {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    fields.iter().map(pair).collect()
}
