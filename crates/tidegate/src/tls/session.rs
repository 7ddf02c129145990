//! One side of TLS without buffers of its own: what comes and goes is in the storage of whoever moves it.
//!
//! `rustls` also has connections with buffers. Those keep 4 KiB for what may come next while nothing does, which is
//! nearly half of what an idle connection takes, and receive no more than that at once.

use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, InsufficientSizeError, UnbufferedConnectionCommon,
    UnbufferedStatus, WriteTraffic,
};
use rustls::{CommonState, Error};
use std::io;

/// The most plaintext in one record (RFC 8446 section 5.1).
const RECORD_BYTES: usize = 1 << 14;

/// TLS towards a server, or a client.
pub enum Session {
    /// Towards a server.
    Client(UnbufferedClientConnection),
    /// Towards a client.
    Server(UnbufferedServerConnection),
}

/// What became of bytes that came.
pub struct Received {
    /// How many need not be shown again. All others must be, in front of what comes next.
    pub used: usize,
    /// Whether the other side has said that it sends no more.
    pub ended: bool,
    /// What is wrong with them. Nothing must be received after that.
    pub result: Result<(), Error>,
}

/// What is to be made into records.
#[derive(Clone, Copy)]
pub enum Message<'a> {
    /// One after the other.
    Bytes(&'a [u8], &'a [u8]),
    /// That nothing more is sent.
    Farewell,
}

impl Session {
    /// What is known of both sides.
    pub fn state(&self) -> &CommonState {
        match self {
            Session::Client(session) => session,
            Session::Server(session) => session,
        }
    }

    /// Takes records in. Gives plaintext to `plain` and puts what has to be answered behind `answers`.
    pub fn receive(
        &mut self,
        records: &mut [u8],
        answers: &mut Vec<u8>,
        plain: impl FnMut(&[u8]),
    ) -> Received {
        match self {
            Session::Client(session) => receive(session, records, answers, plain),
            Session::Server(session) => receive(session, records, answers, plain),
        }
    }

    /// Makes records of a message in `out`, which is to have room for them; returns how many bytes they are. `held` is
    /// what came and is not used yet; what goes out before them is put behind `answers`.
    ///
    /// # Errors
    /// When the keys are used up, or the connection has ended.
    pub fn send(
        &mut self,
        held: &mut Vec<u8>,
        answers: &mut Vec<u8>,
        message: Message<'_>,
        out: &mut [u8],
    ) -> io::Result<usize> {
        match self {
            Session::Client(session) => send(session, held, answers, message, out),
            Session::Server(session) => send(session, held, answers, message, out),
        }
    }
}

/// What the sides do not have in common.
trait Side: Sized {
    fn process<'c, 'i>(
        session: &'c mut UnbufferedConnectionCommon<Self>,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self>;
}

impl Side for ClientConnectionData {
    fn process<'c, 'i>(
        session: &'c mut UnbufferedConnectionCommon<Self>,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self> {
        session.process_tls_records(records)
    }
}

impl Side for ServerConnectionData {
    fn process<'c, 'i>(
        session: &'c mut UnbufferedConnectionCommon<Self>,
        records: &'i mut [u8],
    ) -> UnbufferedStatus<'c, 'i, Self> {
        session.process_tls_records(records)
    }
}

fn receive<S: Side>(
    session: &mut UnbufferedConnectionCommon<S>,
    records: &mut [u8],
    answers: &mut Vec<u8>,
    mut plain: impl FnMut(&[u8]),
) -> Received {
    let mut received = Received { used: 0, ended: false, result: Ok(()) };
    loop {
        let status = S::process(session, &mut records[received.used..]);
        received.used += status.discard;
        let state = match status.state {
            Ok(state) => state,
            Err(error) => {
                received.result = Err(error);
                break;
            }
        };
        match state {
            ConnectionState::ReadTraffic(mut traffic) => {
                let mut more = 0;
                while let Some(Ok(record)) = traffic.next_record() {
                    more += record.discard;
                    plain(record.payload);
                }
                received.used += more;
                // Nothing can be waiting behind it; spares the question.
                if received.used == records.len() {
                    return received;
                }
            }
            ConnectionState::EncodeTlsData(data) => encode(data, answers),
            // It is sent before all else.
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => received.ended = true,
            // There is nothing to take in for now. Data before the end of the handshake is never agreed to.
            _ => return received,
        }
    }
    // What the other side did wrong is said. Nothing else that it sent is looked at.
    while session.wants_write() {
        match S::process(session, &mut records[received.used..]).state {
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, answers),
            Ok(ConnectionState::ReadTraffic(mut traffic)) => while traffic.next_record().is_some() {},
            _ => break,
        }
    }
    received
}

fn send<S: Side>(
    session: &mut UnbufferedConnectionCommon<S>,
    held: &mut Vec<u8>,
    answers: &mut Vec<u8>,
    message: Message<'_>,
    out: &mut [u8],
) -> io::Result<usize> {
    loop {
        let status = S::process(session, held);
        let discard = status.discard;
        let mut written = None;
        match status.state.map_err(invalid)? {
            ConnectionState::WriteTraffic(traffic) => written = Some(write(traffic, message, out)?),
            ConnectionState::EncodeTlsData(data) => encode(data, answers),
            ConnectionState::TransmitTlsData(data) => data.done(),
            ConnectionState::PeerClosed => {}
            _ => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        held.drain(..discard);
        if let Some(written) = written {
            return Ok(written);
        }
    }
}

/// A small first part goes into one record with as much of the second as there is room for: a copy of it costs less than
/// a record.
fn write<S>(mut traffic: WriteTraffic<'_, S>, message: Message<'_>, out: &mut [u8]) -> io::Result<usize> {
    let (first, second) = match message {
        Message::Farewell => return traffic.queue_close_notify(out).map_err(io::Error::other),
        Message::Bytes(one, []) | Message::Bytes([], one) => {
            return traffic.encrypt(one, out).map_err(io::Error::other);
        }
        Message::Bytes(first, second) => (first, second),
    };
    let mut written = 0;
    let mut rest = second;
    if first.len() < RECORD_BYTES {
        let (joined, behind) = second.split_at(second.len().min(RECORD_BYTES - first.len()));
        let mut record = crate::worker::Buffer::take();
        record[..first.len()].copy_from_slice(first);
        let end = first.len() + joined.len();
        record[first.len()..end].copy_from_slice(joined);
        written += traffic.encrypt(&record[..end], out).map_err(io::Error::other)?;
        rest = behind;
    } else {
        written += traffic.encrypt(first, out).map_err(io::Error::other)?;
    }
    if !rest.is_empty() {
        written += traffic.encrypt(rest, &mut out[written..]).map_err(io::Error::other)?;
    }
    Ok(written)
}

fn encode<S>(mut data: EncodeTlsData<'_, S>, answers: &mut Vec<u8>) {
    // How long it is it says only so.
    let Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size, .. })) =
        data.encode(&mut [])
    else {
        return;
    };
    let start = answers.len();
    answers.resize(start + required_size, 0);
    let encoded = data.encode(&mut answers[start..]);
    debug_assert!(encoded.is_ok());
}

/// What the other side has done wrong.
pub fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
