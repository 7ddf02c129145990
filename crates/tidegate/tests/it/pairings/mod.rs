//! The behaviour table: one list of cases for every pairing of what a client speaks and what a server speaks.
//!
//! A [`Case`] says what is set up, does something, and checks what came of it, all in terms that hold for every protocol.
//! Where one does not apply it says for which pairings and why; `not_applicable.txt` is the list of all these, which a
//! test keeps exact. What only one protocol has (frames, chunks, lines) is tested elsewhere.
//!
//! Each pairing is one test, so that its cases can share a running program. `TIDEGATE_CASE` picks the cases whose
//! names have its value in them.

mod bed;
mod bodies;
mod connections;
mod failures;
mod fields;
mod framing;
mod interim;
mod malformed;
mod retries;
mod routing;
mod timeouts;
mod tunnels;

use bed::{Bed, Plan, Running};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use testkit::exchange::Transport;

/// What the client and what the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pairing {
    client: Transport,
    server: Transport,
}

const CLIENTS: [Transport; 4] = [Transport::H1, Transport::H1Tls, Transport::H2c, Transport::H2];
const SERVERS: [Transport; 3] = [Transport::H1, Transport::H2c, Transport::H2];

/// The pairings that the product can do.
const ON: &[(Transport, Transport)] = &[
    (Transport::H1, Transport::H1),
    (Transport::H1Tls, Transport::H1),
    (Transport::H2, Transport::H1),
    (Transport::H2c, Transport::H1),
    (Transport::H1, Transport::H2),
    (Transport::H1, Transport::H2c),
    (Transport::H2, Transport::H2),
    (Transport::H2, Transport::H2c),
    (Transport::H2c, Transport::H2),
    (Transport::H2c, Transport::H2c),
];

/// How many cases of one pairing run at a time: most of them wait most of the time.
const THREADS: usize = 4;

/// One row of the table.
struct Case {
    name: &'static str,
    run: Run,
    /// Where it does not apply.
    except: &'static [Except],
}

/// What a case does, and with what.
enum Run {
    /// With a program that other cases use at the same time, before one server named `one`.
    Shared(fn(&Running)),
    /// With a program of its own.
    Own(Plan, fn(&mut Running)),
}

/// Pairings for which a case makes no sense.
struct Except {
    client: Which,
    server: Which,
    why: &'static str,
}

/// A choice of protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Any,
    H1,
    H2,
}

impl Which {
    fn has(self, transport: Transport) -> bool {
        match self {
            Which::Any => true,
            Which::H1 => !transport.is_h2(),
            Which::H2 => transport.is_h2(),
        }
    }
}

impl Case {
    const fn shared(name: &'static str, run: fn(&Running)) -> Case {
        Case { name, run: Run::Shared(run), except: &[] }
    }

    const fn own(name: &'static str, plan: Plan, run: fn(&mut Running)) -> Case {
        Case { name, run: Run::Own(plan, run), except: &[] }
    }

    const fn except(self, except: &'static [Except]) -> Case {
        Case { name: self.name, run: self.run, except }
    }

    /// Why it does not apply, where it does not.
    fn exception(&self, pairing: Pairing) -> Option<&'static str> {
        let except =
            |except: &&Except| except.client.has(pairing.client) && except.server.has(pairing.server);
        self.except.iter().find(except).map(|except| except.why)
    }
}

fn cases() -> impl Iterator<Item = &'static Case> {
    let parts: [&[Case]; 11] = [
        framing::CASES,
        bodies::CASES,
        interim::CASES,
        failures::CASES,
        timeouts::CASES,
        retries::CASES,
        routing::CASES,
        fields::CASES,
        malformed::CASES,
        connections::CASES,
        tunnels::CASES,
    ];
    parts.into_iter().flatten()
}

/// A short name such as `h1-tls`.
fn name(transport: Transport) -> &'static str {
    match transport {
        Transport::H1 => "h1",
        Transport::H1Tls => "h1-tls",
        Transport::H2c => "h2c",
        Transport::H2 => "h2",
    }
}

/// Runs all cases that apply to a pairing.
fn table(client: Transport, server: Transport) {
    if !ON.contains(&(client, server)) {
        return;
    }
    let pairing = Pairing { client, server };
    let wanted = std::env::var("TIDEGATE_CASE").unwrap_or_default();
    let cases: Vec<&Case> =
        cases().filter(|case| case.exception(pairing).is_none() && case.name.contains(&wanted)).collect();
    let bed = Bed::new(pairing);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::SeqCst)) {
                    let begun = std::time::Instant::now();
                    if catch_unwind(AssertUnwindSafe(|| bed.run(case))).is_err() {
                        println!("the panic above is of: {}", case.name);
                        failed.lock().unwrap().push(case.name);
                    }
                    println!("{:>6} ms  {}", begun.elapsed().as_millis(), case.name);
                }
            });
        }
    });
    // Before anything fails: the log of the shared program is long, and says nothing of one case.
    drop(bed);
    let failed = failed.into_inner().unwrap();
    assert!(
        failed.is_empty(),
        "{} to {}: {} of {} cases fail:\n  {}",
        name(client),
        name(server),
        failed.len(),
        cases.len(),
        failed.join("\n  ")
    );
}

macro_rules! pairings {
    ($($test:ident: $client:ident, $server:ident;)*) => {
        $(
            #[test]
            fn $test() {
                table(Transport::$client, Transport::$server);
            }
        )*

        /// The pairings that have a test.
        const TESTED: &[(Transport, Transport)] = &[$((Transport::$client, Transport::$server)),*];
    };
}

pairings! {
    h1_to_h1: H1, H1;
    h1_to_h2c: H1, H2c;
    h1_to_h2: H1, H2;
    h1_tls_to_h1: H1Tls, H1;
    h1_tls_to_h2c: H1Tls, H2c;
    h1_tls_to_h2: H1Tls, H2;
    h2c_to_h1: H2c, H1;
    h2c_to_h2c: H2c, H2c;
    h2c_to_h2: H2c, H2;
    h2_to_h1: H2, H1;
    h2_to_h2c: H2, H2c;
    h2_to_h2: H2, H2;
}

/// All pairings.
fn all() -> impl Iterator<Item = Pairing> {
    CLIENTS.into_iter().flat_map(|client| SERVERS.map(|server| Pairing { client, server }))
}

#[test]
fn every_pairing_is_tested() {
    let all: Vec<_> = all().map(|pairing| (pairing.client, pairing.server)).collect();
    assert_eq!(all, TESTED);
}

#[test]
fn no_two_cases_have_one_name() {
    let mut names: Vec<_> = cases().map(|case| case.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn what_does_not_apply_is_listed() {
    let mut list = String::new();
    for case in cases().filter(|case| !case.except.is_empty()) {
        list.push_str(&format!("{}\n", case.name));
        for pairing in all() {
            if let Some(why) = case.exception(pairing) {
                list.push_str(&format!("  {} to {}: {why}\n", name(pairing.client), name(pairing.server)));
            }
        }
    }
    let listed = include_str!("not_applicable.txt");
    assert!(list == listed, "not_applicable.txt is to be:\n{list}");
}
