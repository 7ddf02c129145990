//! Asking in HTTP/2: a connection for one request.

use super::reason::Reason;
use super::target::{Stream, Target};
use bytes::Bytes;
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{Request, Response};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

/// Bytes of an answer's head that are read at most.
const HEAD_BYTES_MAX: u32 = 16 * 1024;

/// The status that a GET is answered with.
///
/// # Errors
/// When there is no answer.
pub async fn get(stream: impl Stream, target: &Target, host: &str, path: &str) -> Result<u16, Reason> {
    let request = Request::get(format!("{}://{host}{path}", target.scheme()))
        .header("user-agent", "tidegate-health")
        .header("accept", "*/*")
        .body(())?;
    ask(stream, request, Bytes::new(), async |response| Ok(response.status().as_u16())).await
}

/// Sends a request, and has its answer read.
///
/// # Errors
/// When there is none, or what `read` says.
pub async fn ask<T>(
    stream: impl Stream,
    request: Request<()>,
    content: Bytes,
    read: impl AsyncFnOnce(Response<RecvStream>) -> Result<T, Reason>,
) -> Result<T, Reason> {
    let (sender, connection) =
        Builder::new().enable_push(false).max_header_list_size(HEAD_BYTES_MAX).handshake(stream).await?;
    let mut connection = pin!(connection);
    let mut asking = pin!(async { read(send(sender, request, content).await?).await });
    tokio::select! {
        biased;
        answer = &mut asking => {
            // Its handles are gone: one turn is enough to take leave.
            let _ = poll_fn(|cx| Poll::Ready(connection.as_mut().poll(cx))).await;
            answer
        }
        // What came before the end is there to be read; the cause of the end says more than its consequences.
        ended = &mut connection => match (asking.await, ended) {
            (Err(_), Err(cause)) => Err(cause.into()),
            (answer, _) => answer,
        },
    }
}

async fn send(
    sender: SendRequest<Bytes>,
    request: Request<()>,
    content: Bytes,
) -> Result<Response<RecvStream>, Reason> {
    let mut sender = sender.ready().await?;
    let (response, mut stream) = sender.send_request(request, content.is_empty())?;
    if !content.is_empty() {
        stream.send_data(content, true)?;
    }
    Ok(response.await?)
}
