//! What wears out servers of HTTP/2, and what it costs this one: every attack ends within a budget that has a name, is
//! cheap to serve, and nobody else notices.
//!
//! [`attacks`] proves on nginx that the attacks are what they claim to be; [`bounded`] and [`stalled`] make them on the
//! program.

mod attacks;
mod bounded;
mod stalled;

use crate::support::{Tidegate, simple};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testkit::frames::process::Processes;
use testkit::frames::trial::{Extent, Figures, Subject};
use testkit::frames::{Attack, floods::FLOODS, stalls::STALLS};
use testkit::origin::Origin;

/// What a thousand hostile frames may cost.
const PROCESSOR_MAX: Duration = Duration::from_millis(20);

/// What a hostile connection may hold.
const MEMORY_MAX: u64 = 1 << 20;

/// What honest requests may become slower by at least, before it is the attack and not the machine.
const NOISE: Duration = Duration::from_millis(5);

/// How often honest requests are made without and with an attack. One pair that is as wanted is enough: a busy machine
/// makes many worse, but none better.
const TRIES: usize = 4;

/// Those who measure time take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // That another one failed is its own affair.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn attack(name: &str) -> &'static Attack {
    let found = FLOODS.iter().chain(&STALLS).find(|attack| attack.name == name);
    found.unwrap_or_else(|| panic!("there is no attack {name}"))
}

/// A program that nobody has attacked yet, before a server.
struct Scene {
    tidegate: Tidegate,
    subject: Subject,
    _origin: Origin,
}

impl Scene {
    fn start() -> Scene {
        let origin = Origin::start("one").unwrap();
        let yaml = simple(
            &[origin.address],
            "",
            "timeouts: { head: 300ms, body: 300ms, idle: 300ms }\nobserve: { access_log: off }",
        );
        let yaml = yaml.replace("\"127.0.0.1:0\" }", "\"127.0.0.1:0\", protocols: [h1, h2] }");
        let tidegate = Tidegate::start(&yaml);
        let subject = Subject { address: tidegate.address(), processes: Processes::of(tidegate.pid()) };
        Scene { tidegate, subject, _origin: origin }
    }

    /// Measures all but honest requests.
    fn measure(&self, attack: &Attack, frames: u64, held: Duration) -> Figures {
        let extent = Extent { connections: 8, frames, held, honest: Duration::from_millis(300), rounds: 0 };
        self.subject.measure(attack, &extent).unwrap()
    }

    /// That honest requests are answered beside the attack, and as fast as without.
    #[track_caller]
    fn nobody_notices(&self, attack: &Attack, frames: u64) {
        let honest = Duration::from_millis(300);
        let extent = Extent { connections: 8, frames, held: honest, honest, rounds: 1 };
        let mut seen = Vec::new();
        for _ in 0..TRIES {
            let (quiet, beside) = self.subject.honest(attack, &extent).unwrap();
            assert_eq!((quiet.failed, beside.failed), (0, 0), "honest requests failed");
            if beside.p99() <= (quiet.p99() * 2).max(quiet.p99() + NOISE) {
                return;
            }
            seen.push((quiet.p99(), beside.p99()));
        }
        panic!("honest requests took longer beside {}: {seen:?}", attack.name);
    }

    /// Whether the program's log names this reason.
    fn log_names(&self, reason: &str) -> bool {
        let word = format!("\"{reason}\"");
        self.tidegate.stderr().iter().any(|line| line.contains("WARN") && line.contains(&word))
    }
}

#[track_caller]
fn is_cheap(attack: &Attack, figures: &Figures, processor_max: Duration) {
    let spent = figures.processor.per_thousand_frames();
    assert!(spent < processor_max, "{}: {spent:?} for a thousand frames", attack.name);
}

#[track_caller]
fn holds_little(attack: &Attack, figures: &Figures) {
    assert!(figures.memory < MEMORY_MAX, "{}: {} bytes a connection", attack.name, figures.memory);
}
