//! A stream that became a tunnel (RFC 8441).

use super::answer::send_all;
use super::request::Request;
use crate::websocket;
use ::h2::Error;
use bytes::Bytes;

/// Accepts, and sends every byte back.
pub(super) async fn echo(mut request: Request) -> Result<(), Error> {
    let protocols = request.head.headers.get("sec-websocket-protocol").cloned();
    let protocols = protocols.as_ref().and_then(|protocols| protocols.to_str().ok());
    let fields: Vec<_> =
        protocols.map(|all| ("sec-websocket-protocol", websocket::first(all))).into_iter().collect();
    let mut send = request.head(200, &fields, false)?;
    while let Some(piece) = request.read_piece().await? {
        send_all(&mut send, piece, false).await?;
    }
    send.send_data(Bytes::new(), true)
}
