//! Answers that are not passed on, because the pool has it that another server is tried after them.

use super::Exchange;
use crate::path::facts::is_grpc_call;
use policy::decide::Pick;
use policy::model::Retries;
use wire::h1::{Framing, Method};

impl Exchange<'_> {
    /// The server to try instead of passing on the answer whose head is there. `None` where the answer is for the client:
    /// it is none of those, the request cannot be sent again, or no other server is left.
    pub(super) fn server_instead(&self) -> Option<Pick> {
        let hook = self.terms.hook;
        if !self.is_unwanted(hook.retries?) {
            return None;
        }
        hook.another_server(self.active)
    }

    fn is_unwanted(&self, retries: &Retries) -> bool {
        let head = &self.active.head;
        let whole = self.upload.at_hand && self.upload.body.is_done();
        // A part of an interim answer cannot be taken back, and without time another server could not do better.
        if !whole || self.download.head_sent > 0 || self.is_out_of_time() {
            return false;
        }
        if head.method.is_idempotent() {
            return retries.has_status(self.active.response.status);
        }
        // A call that was carried out cannot be told from one that was not, but by the status; who lists it says that it
        // is harmless. Behind messages it stands in trailers, and then it is too late.
        head.method == Method::Post && retries.grpc != 0 && is_grpc_call(self.active) && {
            let mut statuses = self.active.response.values(self.answer_head(), "grpc-status");
            statuses.next().is_some_and(|status| retries.has_grpc_status(status))
        }
    }

    /// Whether all of the answer is here, though none of it was passed on: its connection may serve again.
    pub(super) fn is_answer_whole(&self) -> bool {
        let response = &self.active.response;
        let body = (self.download.unread.len() as u64).checked_sub(u64::from(response.length));
        let is_whole = match response.framing {
            Framing::None => body == Some(0),
            Framing::Length(length) => body == Some(length),
            Framing::Chunked | Framing::Close => false,
        };
        is_whole && response.keep_alive && self.upload.finished && !self.upload.broken
    }

    fn answer_head(&self) -> &[u8] {
        self.download.buffer.as_ref().map_or(&[], |buffer| &buffer[self.download.unread.clone()])
    }
}
