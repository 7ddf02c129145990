//! What wears out servers of HTTP/2, and what it costs this one: every attack ends within a budget that has a name, is
//! cheap to serve, and nobody else notices.
//!
//! [`attacks`] proves on nginx that the attacks are what they claim to be; [`bounded`] and [`stalled`] make them on the
//! program.

mod attacks;
mod bounded;
mod stalled;

use crate::support::Tidegate;
use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use testkit::frames::process::Processes;
use testkit::frames::trial::{Extent, Figures, Subject};
use testkit::frames::{Attack, floods::FLOODS, stalls::STALLS};
use testkit::origin::Origin;

/// What a thousand hostile frames may cost.
const PROCESSOR_MAX: Duration = Duration::from_millis(20);

/// What a hostile connection may hold. In a program that is not optimised what each of its hundred requests holds is
/// larger, and what comes in waits longer; the bench shows what one that is has to do with.
const MEMORY_MAX: u64 = if cfg!(debug_assertions) { 2 << 20 } else { 1 << 20 };

/// What honest requests may become slower by at least, before it is the attack and not the machine.
const NOISE: Duration = Duration::from_millis(5);

/// How long honest requests are made at a time.
const HONEST: Duration = Duration::from_millis(300);

/// Between portions of a flood beside them: two thousand frames a second on each of two connections. The program under
/// test is not optimised; the bench makes it five times as many.
const PAUSE: Duration = Duration::from_millis(5);

/// How often honest requests are made without and with an attack. One pair that is as wanted is enough: a busy machine
/// makes many worse, but none better.
const TRIES: usize = 8;

/// Threads that want to run, for each core, from which on no 99th percentile says anything about the program.
const LOAD_MAX: f64 = 2.5;

/// Those who measure time take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // That another one failed is its own affair.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How many threads have wanted to run in the last minute, for each core.
fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap();
    let threads: f64 = text.split(' ').next().unwrap().parse().unwrap();
    threads / std::thread::available_parallelism().unwrap().get() as f64
}

fn attack(name: &str) -> &'static Attack {
    let found = FLOODS.iter().chain(&STALLS).find(|attack| attack.name == name);
    found.unwrap_or_else(|| panic!("there is no attack {name}"))
}

/// A program that nobody has attacked yet, before a server for the attack and one for honest requests.
struct Scene {
    tidegate: Tidegate,
    subject: Subject,
    _origins: [Origin; 2],
}

impl Scene {
    fn start() -> Scene {
        let origins = ["attacked", "honest"].map(|name| Origin::start(name).unwrap());
        let yaml = format!(
            "listeners: [{{ name: web, address: \"127.0.0.1:0\", protocols: [h1, h2] }}]\n\
             timeouts: {{ head: 300ms, body: 300ms, idle: 300ms }}\nobserve: {{ access_log: off }}\n\
             pools: {{ attacked: {{ servers: [\"{}\"] }}, honest: {{ servers: [\"{}\"] }} }}\n\
             sites: {{ honest: {{ to: honest }}, '*': {{ to: attacked }} }}\n",
            origins[0].address, origins[1].address
        );
        let tidegate = Tidegate::start(&yaml);
        let subject = Subject { address: tidegate.address(), processes: Processes::of(tidegate.pid()) };
        Scene { tidegate, subject, _origins: origins }
    }

    /// Measures all but honest requests.
    fn measure(&self, attack: &Attack, frames: u64, held: Duration) -> Figures {
        let extent = Extent { connections: 8, frames, held, honest: HONEST, rounds: 0, pause: PAUSE };
        self.subject.measure(attack, &extent).unwrap()
    }

    /// That honest requests are answered beside the attack, and as fast as without.
    #[track_caller]
    fn nobody_notices(&self, attack: &Attack, frames: u64) {
        let extent = Extent { connections: 8, frames, held: HONEST, honest: HONEST, rounds: 1, pause: PAUSE };
        let mut seen = Vec::new();
        for _ in 0..TRIES {
            let (quiet, beside) = self.subject.honest(attack, &extent).unwrap();
            assert_eq!((quiet.failed, beside.failed), (0, 0), "honest requests failed");
            if beside.p99() <= (quiet.p99() * 2).max(quiet.p99() + NOISE) {
                return;
            }
            seen.push((quiet.p99(), beside.p99()));
        }
        let is_noisy = seen.iter().all(|(quiet, _)| *quiet > NOISE);
        if is_noisy && load() > LOAD_MAX {
            let name = attack.name;
            // Past the capture, so that whoever reads the results knows.
            let line = format!("SKIPPED: the machine is too busy for times beside {name}: {seen:?}\n");
            std::io::stdout().write_all(line.as_bytes()).unwrap();
            return;
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
