//! A connection of HTTP/2: requests side by side, each on a task of its own.

mod answer;
mod request;
mod tunnel;

use super::{Order, Shared};
use crate::stream::{Stream, Wire};
use ::h2::server;
use bytes::Bytes;
use request::Request;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// How long the other side may take to close after a farewell.
const FAREWELL_LIMIT: Duration = Duration::from_secs(5);

/// Requests that one connection may have at a time.
const STREAMS_MAX: u32 = 200;

/// How a request wants its connection to end.
#[derive(Clone, Copy, Debug)]
enum Farewell {
    /// When all that was asked is answered.
    Finish,
    /// Now, as if the stream of this number had not been seen.
    Unseen(u32),
}

/// Serves the connection to its end.
pub(super) async fn serve(
    wire: &Wire,
    shared: &Arc<Shared>,
    mut orders: watch::Receiver<Order>,
) -> io::Result<()> {
    let mut connection = server::Builder::new()
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS_MAX)
        .handshake::<_, Bytes>(wire.clone())
        .await
        .map_err(io::Error::other)?;
    let (farewell, mut farewells) = mpsc::channel(8);
    // Dropped with all its tasks when the connection is over, so that none goes on for a client that is gone.
    let mut requests = JoinSet::new();
    let mut is_leaving = false;
    let unseen = loop {
        tokio::select! {
            accepted = connection.accept() => {
                let Some(accepted) = accepted else { return Ok(()) };
                let (request, respond) = accepted.map_err(io::Error::other)?;
                let request =
                    Request::new(request, respond, Arc::clone(shared), wire.clone(), farewell.clone());
                // A request that fails is one that has ended.
                requests.spawn(async move { request.answer().await.is_ok() });
            }
            Some(farewell) = farewells.recv() => match farewell {
                Farewell::Finish => {
                    is_leaving = true;
                    connection.graceful_shutdown();
                }
                Farewell::Unseen(stream) => break stream,
            },
            _ = orders.wait_for(|order| *order == Order::Stop), if !is_leaving => {
                is_leaving = true;
                connection.graceful_shutdown();
            }
            _ = requests.join_next(), if !requests.is_empty() => {}
        }
    };
    match wire.take() {
        Some(below) => leave(below, unseen).await,
        None => Ok(()),
    }
}

/// Says that the stream and all after it were not seen (RFC 9113 section 6.8), and closes in good order.
async fn leave(mut below: Stream, stream: u32) -> io::Result<()> {
    // Length 8, type GOAWAY, no flags, of the connection; then the last stream that was seen, and NO_ERROR.
    let mut frame = vec![0, 0, 8, 7, 0, 0, 0, 0, 0];
    frame.extend(stream.saturating_sub(2).to_be_bytes());
    frame.extend([0; 4]);
    below.write_all(&frame).await?;
    below.shutdown().await?;
    // A close with bytes unread would be a reset, which may take the farewell along.
    let rest = async { while below.read(&mut [0; 4096]).await.is_ok_and(|count| count > 0) {} };
    let _ = tokio::time::timeout(FAREWELL_LIMIT, rest).await;
    Ok(())
}
