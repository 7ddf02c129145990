//! One request and its answer, relayed between a client and a server in both directions at once.
//!
//! One task drives both connections: no channel, no second task. Each direction moves as far as it can,
//! then the task waits for whichever socket moves first. The next read happens only when what was read has
//! been written, so the slower side sets the pace and a buffer bounds what is in between.
//!
//! Invariants:
//! - Nothing of an answer reaches the client before its head was found well-formed.
//! - A connection to a server is reusable only after an answer that ended exactly where its framing said,
//!   to a request that was sent in full.
//! - A failure before the answer began says whether the request may be sent again.

mod download;
mod heads;
mod retry;
mod splice;
mod upload;

use super::body::FirstBody;
use super::response_head::Reframing;
use super::{Active, Client};
use crate::error::ProxyError;
use crate::http::stream::Stream;
use crate::path::facts::AnswerHook;
use crate::worker::{Buffer, Worker};
use download::Download;
use policy::decide::Pick;
use policy::model::{Bounds, Timeouts};
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Instant;
use upload::Upload;
use wire::h1::Framing;

/// After so many bytes that were read in one direction it is the others' turn, however fast both sides are: a socket that
/// always has a buffer full of bytes never makes its task wait.
const TURN_BYTES: usize = 256 * 1024;

/// What an exchange must know of its surroundings.
pub struct Terms<'a> {
    /// Times on this route towards this pool.
    pub timeouts: &'a Timeouts,
    /// Sizes on this site.
    pub bounds: &'a Bounds,
    /// When the request began, for `timeouts.total`.
    pub started: Instant,
    /// The worker, which may want connections closed.
    pub worker: &'a Worker,
    /// Whether the client asked for a change of protocol, and was heard.
    pub upgrade: bool,
    /// What the rules make of the answer's head.
    pub hook: &'a AnswerHook<'a>,
}

/// How an exchange ended well.
pub enum Ending {
    /// The answer was relayed in full.
    Answered {
        /// Whether the server's connection may serve again.
        reusable: bool,
        /// Whether the client's connection may.
        keep_alive: bool,
        /// Whether the request was sent in full; else the client may still be sending.
        wholly_sent: bool,
    },
    /// The server switched protocols; bytes of the new protocol that it has sent already.
    Upgraded {
        /// Where they are.
        buffer: Option<Buffer>,
        /// And which.
        early: Range<usize>,
    },
}

/// How an exchange failed.
pub struct Failure {
    /// Why.
    pub error: ProxyError,
    /// Whether the client has been given a part of the final answer.
    pub answered: bool,
    /// The request's body as another server is to get it; `None` where the request may not be sent again, for it may have
    /// been acted upon, and acting twice may do harm.
    pub body: Option<FirstBody>,
    /// The connection to the server failed, and not this request alone.
    pub lost: bool,
    /// The server itself has said that nothing of it was acted upon.
    pub unprocessed: bool,
    /// The server to try instead, because of the answer that came.
    pub instead: Option<Instead>,
    /// The client would take a plain close for the end of the answer.
    pub looks_complete: bool,
}

/// What becomes of a request whose answer is not passed on.
pub struct Instead {
    /// The server that is tried next.
    pub pick: Pick,
    /// Whether the connection may serve again: the answer was here to its end.
    pub reusable: bool,
}

/// What is counted on the way.
#[derive(Default)]
pub struct Tally {
    /// Bytes of content of the answer that were passed on.
    pub bytes_out: u64,
    /// Bytes of content taken from the client's body.
    pub bytes_in: u64,
    /// The final status, once the server has given it.
    pub status: u16,
    /// When the final head came.
    pub answered_at: Option<Instant>,
}

/// A request and its answer on their way.
pub struct Exchange<'a> {
    client: &'a mut Client,
    active: &'a mut Active,
    server: &'a mut Stream,
    terms: Terms<'a>,
    tally: &'a mut Tally,
    upload: Upload,
    download: Download,
    keep_alive: bool,
    /// Something has moved since the time for the next move was set.
    moved: bool,
    /// The time for the answer's head is running. It runs once: were it set anew for each byte or interim answer, a
    /// server could hold a request for ever.
    awaiting_head: bool,
    /// The server to try instead of passing on the answer.
    instead: Option<Pick>,
}

impl<'a> Exchange<'a> {
    /// `active.request_out` holds the head for the server; the client's buffer holds its head and
    /// whatever came after it.
    pub fn new(
        client: &'a mut Client,
        active: &'a mut Active,
        server: &'a mut Stream,
        terms: Terms<'a>,
        tally: &'a mut Tally,
        body: &FirstBody,
    ) -> Self {
        let keep_alive = active.head.keep_alive;
        active.answer.clear();
        active.response.reset();
        // Between two of them there is more to an end than the end of the text.
        let holds = client.stream.is_multiplexed() && server.is_multiplexed() && !terms.upgrade;
        if holds {
            client.stream.hold_end();
            server.hold_end();
        } else {
            // An attempt before this one may have held it.
            client.stream.finish(None);
        }
        Exchange {
            upload: Upload { ended: !holds, ..Upload::new(body) },
            download: Download { ended: !holds, ..Download::default() },
            client,
            active,
            server,
            terms,
            tally,
            keep_alive,
            moved: true,
            awaiting_head: false,
            instead: None,
        }
    }

    /// Moves both directions as far as they go.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Ending, Failure>> {
        (self.upload.turn, self.download.turn) = (0, 0);
        if let Err(error) = self.poll_upload(cx) {
            return Poll::Ready(Err(self.failure(error)));
        }
        match self.poll_download(cx) {
            Ok(Some(ending)) => return Poll::Ready(Ok(ending)),
            Ok(None) => {}
            Err(error) => return Poll::Ready(Err(self.failure(error))),
        }
        self.moved |= self.client.stream.has_moved() || self.server.has_moved();
        if self.moved {
            self.moved = false;
            // One who keeps moving would never be late.
            if self.is_out_of_time() {
                return Poll::Ready(Err(self.failure(ProxyError::TotalTimeout)));
            }
            self.arm();
        }
        if self.terms.worker.is_stopping() {
            return Poll::Ready(Err(self.failure(ProxyError::Stopped)));
        }
        match self.client.timer.poll_due(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                let error = self.overdue();
                Poll::Ready(Err(self.failure(error)))
            }
        }
    }

    fn answered(&mut self) -> Ending {
        let sent_all = self.upload.finished && !self.upload.broken;
        Ending::Answered {
            reusable: sent_all
                && !self.download.excess
                && self.active.response.keep_alive
                && self.active.response.framing != Framing::Close,
            keep_alive: self.keep_alive && sent_all,
            wholly_sent: sent_all,
        }
    }

    /// Sets the time for the next move: the answer's head's while the server has all that it waits for, else the body's.
    fn arm(&mut self) {
        let awaits_head = self.download.body.is_none() && (self.upload.finished || self.awaits_leave());
        if awaits_head && self.awaiting_head {
            return;
        }
        self.awaiting_head = awaits_head;
        let next = if awaits_head { self.terms.timeouts.first_byte } else { self.terms.timeouts.body };
        self.client.timer.arm(match self.terms.timeouts.total {
            None => next,
            Some(total) => next.min(total.saturating_sub(self.terms.started.elapsed())),
        });
    }

    /// Whether the client keeps its body back until the server says 100 (RFC 9110 section 10.1.1).
    fn awaits_leave(&self) -> bool {
        self.active.head.expect_continue && !self.download.continued && !self.upload.begun
    }

    fn is_out_of_time(&self) -> bool {
        self.terms.timeouts.total.is_some_and(|total| self.terms.started.elapsed() >= total)
    }

    /// Whose time is over.
    fn overdue(&self) -> ProxyError {
        if self.is_out_of_time() {
            return ProxyError::TotalTimeout;
        }
        let writes_to_client = self.download.client_full
            || !self.active.answer.is_empty()
            || !self.download.segment.is_empty()
            || self.download.splice.holds()
            || self.client.stream.holds_back();
        let writes_to_server = self.upload.head_sent < self.active.request_out.len()
            || !self.upload.segment.is_empty()
            || self.upload.splice.holds()
            || self.server.holds_back();
        if writes_to_client {
            ProxyError::ClientStalled
        } else if writes_to_server {
            ProxyError::ServerStalled
        } else if !self.upload.finished && !self.awaits_leave() {
            ProxyError::ClientBodyTimeout
        } else if self.download.body.is_some() {
            ProxyError::ServerStalled
        } else {
            ProxyError::FirstByteTimeout
        }
    }

    /// Whether the client takes a close for the end of the answer's body.
    fn ends_by_closing(&self) -> bool {
        self.download.framing == Reframing::UntilClose
            || (self.active.response.framing == Framing::Close && self.download.framing == Reframing::AsIs)
    }

    fn failure(&self, error: ProxyError) -> Failure {
        let by_server = matches!(error, ProxyError::ServerClosed | ProxyError::ServerCut);
        // A server that was told the deadline may give up a moment before our coarse clock does.
        let error = if by_server && self.is_out_of_time() { ProxyError::TotalTimeout } else { error };
        let unheard = matches!(error, ProxyError::ServerClosed) && !self.download.heard;
        let unprocessed = unheard && self.upload.at_hand && self.server.is_unprocessed();
        let harmless = unheard && self.upload.is_harmless(self.active.head.method);
        let replayable = unprocessed || harmless || self.instead.is_some();
        Failure {
            body: replayable.then(|| self.upload.first_body()),
            // A part of an interim answer cannot be taken back either.
            answered: self.download.answered || self.download.head_sent > 0,
            unprocessed,
            lost: self.server.is_lost(),
            instead: self.instead.map(|pick| Instead { pick, reusable: self.is_answer_whole() }),
            looks_complete: self.download.answered && self.ends_by_closing(),
            error,
        }
    }
}
