//! That the attacks are what they claim to be, as another server sees them.

use super::{Attack, attack};
use crate::support::Nginx;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;
use testkit::frames::{Outcome, Plan};
use testkit::origin::Origin;

/// An nginx that speaks HTTP/2 without TLS, and has little patience.
struct Server {
    address: SocketAddr,
    _nginx: Nginx,
    origin: Origin,
}

impl Server {
    fn start() -> Server {
        let origin = Origin::start("one").unwrap();
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let lines = format!(
            "listen {address} http2; client_header_timeout 300ms; client_body_timeout 300ms; \
             send_timeout 300ms; keepalive_timeout 300ms; \
             location / {{ proxy_pass http://{}; }}",
            origin.address
        );
        Server { address, _nginx: Nginx::start(&lines, &[]), origin }
    }

    fn under(&self, attack: &Attack, count: u64, held: Duration) -> Outcome {
        let plan = Plan { count, batch: attack.batch, ..Plan::lasting(held) };
        (attack.run)(self.address, &plan.paced(attack.batch.min(10), Duration::from_millis(1))).unwrap()
    }
}

/// How long stalls are held: more than all of nginx's time-outs together.
const HELD: Duration = Duration::from_millis(1500);

/// What an attack has to bring about.
type Wanted = fn(&Outcome) -> bool;

fn was_ended(outcome: &Outcome) -> bool {
    outcome.returned.is_over()
}

/// Each stream is reset, or the connection ended for what was done.
fn was_reset(outcome: &Outcome) -> bool {
    outcome.returned.reset_streams() * 2 >= outcome.frames / 2 || outcome.returned.goaway.is_some()
}

/// The server has read all of it, and goes on.
fn was_taken(outcome: &Outcome) -> bool {
    outcome.returned.fenced || outcome.returned.is_over()
}

#[test]
fn floods_do_what_they_claim() {
    let server = Server::start();
    let rows: [(&str, Wanted); 20] = [
        ("rapid_reset", |outcome| outcome.frames >= 100 && was_taken(outcome)),
        ("provoked_by_window_of_zero", was_reset),
        ("provoked_by_window_overflow", was_reset),
        ("provoked_by_data_after_end", was_reset),
        ("provoked_by_head_after_end", was_reset),
        ("provoked_by_priority_on_itself", was_reset),
        // nginx answers them with 400.
        ("provoked_by_malformed_head", |outcome| outcome.returned.heads > 0 || was_reset(outcome)),
        ("provoked_by_wrong_length", |outcome| outcome.returned.heads > 0 || was_reset(outcome)),
        ("continuation", was_ended),
        // At the latest by the PING behind it.
        ("empty_continuation", was_ended),
        ("header_bomb", |outcome| outcome.returned.heads_ok == 0),
        ("cookie_bomb", |outcome| outcome.returned.heads_ok == 0),
        ("empty_data", was_taken),
        ("empty_headers", was_reset),
        ("tiny_headers", |outcome| was_reset(outcome) && outcome.frames >= 100),
        ("settings", |outcome| outcome.returned.settings_acks > outcome.frames || was_ended(outcome)),
        ("ping", |outcome| outcome.returned.ping_acks > outcome.frames || was_ended(outcome)),
        ("priority", was_taken),
        ("window_update", was_taken),
        ("unknown_frames", was_taken),
    ];
    for (name, wanted) in rows {
        let outcome = server.under(attack(name), 300, Duration::from_secs(10));
        assert!(wanted(&outcome), "{name}: {} frames, {:?}", outcome.frames, outcome.returned);
    }
    assert!(server.origin.requests() > 0, "requests among them are real");
}

#[test]
fn stalls_do_what_they_claim() {
    let server = Server::start();
    let rows: [(&str, Wanted); 12] = [
        ("zero_window", |outcome| outcome.returned.heads == 10 && outcome.returned.data_bytes == 0),
        ("slow_reader", |outcome| {
            (1..=outcome.frames).contains(&outcome.returned.data_bytes) && outcome.returned.ended_streams == 0
        }),
        ("deaf_reader", |outcome| outcome.returned.heads == 0),
        ("slow_sender", |outcome| outcome.frames > 100 && outcome.returned.ended_streams < 10),
        ("silent_sender", |outcome| outcome.frames == 10),
        ("too_many_streams", |outcome| outcome.frames == 100),
        ("no_preface", was_ended),
        ("half_preface", was_ended),
        ("slow_preface", |outcome| outcome.frames > 2),
        ("settings_unacknowledged", |outcome| outcome.returned.settings_frames > 0 && was_ended(outcome)),
        ("half_frame_head", was_ended),
        ("unfinished_head", was_ended),
    ];
    for (name, wanted) in rows {
        let outcome = server.under(attack(name), 10, HELD);
        assert!(wanted(&outcome), "{name}: {} frames, {:?}", outcome.frames, outcome.returned);
    }
}
