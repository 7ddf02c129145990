//! A stream that became a tunnel (RFC 8441).

use super::answer::send_all;
use super::request::Request;
use ::h2::Error;
use bytes::Bytes;

/// Accepts, and sends every byte back.
pub(super) async fn echo(mut request: Request) -> Result<(), Error> {
    let mut send = request.head(200, &[], false)?;
    while let Some(piece) = request.read_piece().await? {
        send_all(&mut send, piece, false).await?;
    }
    send.send_data(Bytes::new(), true)
}
