//! Answers of our own: redirects, fixed answers, refusals.

use super::{After, Request, log};
use crate::error::ProxyError;
use crate::http::answer::{self, Answer};
use crate::http::h1::body::FirstBody;
use crate::http::h1::{Active, BodyState, Client};
use crate::path::ServerChoice;
use crate::path::facts::{self, Facts, HeadFields};
use crate::worker::Worker;
use policy::answer::{OwnAnswer, compose, error_page};
use policy::decide::{Decided, Outcome};
use policy::model::{Bounds, Target};
use std::future::poll_fn;
use std::task::{Context, Poll};
use wire::h1::{Method, Version};

/// What an answer says.
#[derive(Default)]
struct Content {
    status: u16,
    lines: Vec<u8>,
    body: Vec<u8>,
}

impl From<OwnAnswer<'_>> for Content {
    fn from(answer: OwnAnswer<'_>) -> Content {
        let mut lines = Vec::new();
        for (name, value) in answer.headers {
            lines.extend([name.as_bytes(), b": ", &value, b"\r\n"].into_iter().flatten());
        }
        Content { status: answer.status, lines, body: answer.body }
    }
}

/// Gives the redirect or fixed answer that was decided on.
pub async fn fixed(
    worker: &Worker,
    client: &mut Client,
    active: &mut Active,
    request: &mut Request,
    decided: &Decided<'_>,
) -> After {
    let facts = Facts::of(request.origin, client.listener, active);
    let content = compose(worker.policy(), decided, &facts.request()).map(Content::from).unwrap_or_default();
    if matches!(content.status, 200..=299) && client.stream.wants_tunnel().is_some() {
        // A success would be taken for the tunnel.
        return failure(worker, client, active, request, Some(decided), None, &ProxyError::NoTunnel).await;
    }
    let bounds = facts::bounds(worker.policy(), Some(decided), client.listener);
    let keeps = consume_body(active, &bounds, request);
    let after = send(worker, client, active, request, Some(decided), &content, keeps).await;
    let reason = match (&decided.outcome, &after) {
        (_, Err(error)) => error.into(),
        (Outcome::RedirectToHttps { .. }, _) => "redirect_to_https".into(),
        (Outcome::Respond(Target::Redirect { .. }), _) => "redirect".into(),
        _ => "fixed_answer".into(),
    };
    log::write(worker, client, active, request, Some(decided), None, Some(reason));
    after.unwrap_or(After::Reset)
}

/// Tells the client of a failure, where there is a status for it, and ends the connection unless the request was
/// sound and is wholly read.
pub async fn failure(
    worker: &Worker,
    client: &mut Client,
    active: &mut Active,
    request: &mut Request,
    decided: Option<&Decided<'_>>,
    server: Option<ServerChoice>,
    error: &ProxyError,
) -> After {
    // Nobody is there, or reads.
    let mut after = After::Reset;
    if let Some(status) = error.status() {
        let site = decided.and_then(|decided| decided.site);
        let fields = HeadFields::new(&active.head.fields, &active.input);
        let content = error_page(worker.policy(), site, status, &fields, request.id.as_bytes()).into();
        let sound = !matches!(
            error,
            ProxyError::RequestHead(_) | ProxyError::RequestBody(_) | ProxyError::HeadTimeout
        );
        let bounds = facts::bounds(worker.policy(), decided, client.listener);
        let keeps = sound && consume_body(active, &bounds, request);
        let sent = send(worker, client, active, request, decided, &content, keeps).await;
        after = sent.unwrap_or(After::Reset);
    }
    log::write(worker, client, active, request, decided, server, Some(error.into()));
    after
}

/// Whether the request's body, if any, has arrived in full; then the next request begins behind it.
fn consume_body(active: &mut Active, bounds: &Bounds, request: &mut Request) -> bool {
    let readable =
        active.body != BodyState::Unread || FirstBody::read(active, bounds, &mut request.tally).is_ok();
    readable && active.body == BodyState::Whole
}

/// Writes an answer; `keeps` says whether the connection could serve another request.
async fn send(
    worker: &Worker,
    client: &mut Client,
    active: &mut Active,
    request: &mut Request,
    decided: Option<&Decided<'_>>,
    content: &Content,
    keeps: bool,
) -> Result<After, ProxyError> {
    let keep_alive = keeps && active.head.keep_alive && !worker.closes_idle();
    active.answer.clear();
    answer::write(
        &mut active.answer,
        &Answer {
            status: content.status,
            lines: &content.lines,
            body: &content.body,
            head_only: active.head.method == Method::Head,
            close: !keep_alive,
            keep_alive: keep_alive && active.head.version == Version::Http10,
        },
    );
    request.tally.status = content.status;
    client.stream.finish(None);
    client.timer.arm(facts::timeouts(worker.policy(), decided, client.listener, None).body);
    let mut written = 0;
    let timer = &client.timer;
    let late = |cx: &mut Context<'_>| match timer.poll_due(cx) {
        Poll::Ready(()) => Poll::Ready(Err(ProxyError::ClientStalled)),
        Poll::Pending if worker.is_stopping() => Poll::Ready(Err(ProxyError::Stopped)),
        Poll::Pending => Poll::Pending,
    };
    let sent = poll_fn(|cx| {
        while written < active.answer.len() {
            match client.stream.poll_write(cx, &active.answer[written..], &[]) {
                Poll::Ready(Ok(count)) if count > 0 => written += count,
                Poll::Ready(_) => return Poll::Ready(Err(ProxyError::ClientGone)),
                Poll::Pending => return late(cx),
            }
        }
        match client.stream.poll_flush(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(Ok(())),
            Poll::Ready(Err(_)) => Poll::Ready(Err(ProxyError::ClientGone)),
            Poll::Pending => late(cx),
        }
    })
    .await;
    sent?;
    if active.head.method != Method::Head {
        request.tally.bytes_out = content.body.len() as u64;
    }
    Ok(match (keep_alive, keeps) {
        (true, _) => After::KeepAlive,
        (false, true) => After::Close,
        (false, false) => After::Linger,
    })
}
