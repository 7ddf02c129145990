//! The file's `tests:` and everything else that decides without a network: requests from a method and a URL, and a
//! state of servers that is written by hand.

mod request;
mod run;
mod url;

pub use request::{DEFAULT_CLIENT, Refusal, RequestError, TestRequest};
pub use run::{Failure, run, run_all};
pub use url::Url;

use crate::answer::{OwnAnswer, compose, error_page};
use crate::decide::{
    Decided, Dice, Effects, Excluded, Input, Machine, Need, Outcome, Pick, Places, Recorder, Request, Rules,
    SessionKey, State, Step, Trace,
};
use crate::file::raw::ServerAddress;
use crate::file::scalar::Scalar;
use crate::model::{Policy, PoolId, Server};
use std::cell::Cell;
use std::collections::HashMap;
use std::net::SocketAddr;

/// In the place of a request's id, which tests have none of.
const REQUEST_ID: &[u8] = b"00000000000000000000000000000000";

/// The address that the text of a server means: `localhost:80` is `127.0.0.1:80`.
pub fn server_address(text: &str) -> Option<SocketAddr> {
    ServerAddress::parse(text, true).ok().map(|server| server.address)
}

/// Whether a text means a server: as it is written in the file, or another way to write its address.
pub fn means_server(text: &str, server: &Server) -> bool {
    server.name == text || server_address(text) == Some(server.address)
}

/// A state in which all servers are up but those named.
pub struct HandState {
    down: Vec<(PoolId, usize)>,
    cursors: Vec<Cell<u64>>,
}

impl HandState {
    /// `down` has addresses of servers; a server with such an address is down in every pool.
    pub fn new(policy: &Policy, down: &[String]) -> HandState {
        let mut state =
            HandState { down: Vec::new(), cursors: policy.pools.iter().map(|_| Cell::new(0)).collect() };
        for (number, pool) in policy.pools.iter().enumerate() {
            for (index, server) in pool.servers.iter().enumerate() {
                if down.iter().any(|text| means_server(text, server)) {
                    state.down.push((PoolId(number), index));
                }
            }
        }
        state
    }

    /// Takes one more server down.
    pub fn take_down(&mut self, pool: PoolId, server: usize) {
        self.down.push((pool, server));
    }
}

impl State for HandState {
    fn is_up(&self, pool: PoolId, server: usize) -> bool {
        !self.down.contains(&(pool, server))
    }

    fn in_flight(&self, _: PoolId, _: usize) -> u32 {
        0
    }

    fn next(&self, pool: PoolId) -> u64 {
        let cursor = &self.cursors[pool.0];
        cursor.replace(cursor.get() + 1)
    }
}

/// Decides requests one after the other, and keeps what they leave behind, as the proxy would.
pub struct Simulation<'r> {
    rules: &'r Rules,
    state: HandState,
    sessions: HashMap<SessionKey, Places>,
    dice: Dice,
    now: u32,
}

/// What became of a request.
pub struct Verdict<'r> {
    /// The decision.
    pub decided: Decided<'r>,
    /// The server, where one was to be chosen and was up.
    pub pick: Option<Pick>,
    /// What its answer (here: one without fields of its own) leaves behind.
    pub effects: Effects,
}

impl Verdict<'_> {
    /// What Tidegate answers itself; `None` where the answer is a server's.
    pub fn own_answer<'p>(&'p self, policy: &'p Policy, request: &Request<'_>) -> Option<OwnAnswer<'p>> {
        let page = |status| Some(error_page(policy, self.decided.site, status, request.fields, REQUEST_ID));
        match &self.decided.outcome {
            Outcome::Refuse { status, .. } => page(*status),
            Outcome::Forward(_) if self.pick.is_none() => page(503),
            _ => compose(policy, &self.decided, request),
        }
    }
}

impl<'r> Simulation<'r> {
    /// A simulation that nothing has happened in.
    pub fn new(rules: &'r Rules, state: HandState, seed: u64) -> Simulation<'r> {
        Simulation { rules, state, sessions: HashMap::new(), dice: Dice::new(seed), now: 0 }
    }

    /// Decides a request, picks its server and applies what follows from its answer.
    pub fn decide(&mut self, request: &TestRequest, trace: &mut impl Trace) -> Verdict<'r> {
        if let Some(refusal) = request.refusal() {
            trace.tell("request", false, || {
                (refusal.status.to_string(), format!("refused before it is decided: {}", refusal.reason))
            });
            let outcome = Outcome::Refuse { status: refusal.status, reason: refusal.reason };
            let decided = Decided { site: None, route: None, outcome };
            return Verdict { decided, pick: None, effects: Effects::default() };
        }
        let facts = request.facts(self.rules.policy());
        if request.origin(self.rules.policy()).trusted {
            trace.tell("client", true, || {
                let scheme = if facts.tls { "https" } else { "http" };
                (facts.client.to_string(), format!("over {scheme}, says the proxy {}", request.peer()))
            });
        }
        let mut machine = Machine::new(self.rules);
        let mut input = Input::Head;
        let decided = loop {
            match machine.step(&facts, input, &mut self.dice, trace) {
                Step::Need(Need::Session(key)) => input = Input::Session(self.sessions.get(&key).cloned()),
                Step::Need(Need::Now) => input = Input::Now(self.now),
                Step::Done(decided) => break decided,
            }
        };
        let mut verdict = Verdict { decided, pick: None, effects: Effects::default() };
        if let Outcome::Forward(forward) = &verdict.decided.outcome {
            let tried = Excluded::default();
            verdict.pick = self.rules.pick(
                forward,
                &facts,
                &verdict.decided,
                &tried,
                &self.state,
                &mut self.dice,
                trace,
            );
            if let Some(pick) = &mut verdict.pick {
                if let Some(key) = self.rules.reservation(forward, *pick) {
                    let places = self.sessions.entry(key).or_default();
                    *pick = self.rules.reserve(forward, *pick, &tried, &self.state, places);
                }
                let answer: Vec<(String, String)> = Vec::new();
                verdict.effects = self.rules.on_response(&facts, &verdict.decided, forward, *pick, &answer);
                if let Some((key, place)) = verdict.effects.remember {
                    self.sessions.entry(key).or_default().set(place);
                }
            }
        }
        verdict
    }

    /// Decides a request and says why.
    pub fn explain(&mut self, request: &TestRequest) -> (Verdict<'r>, Recorder) {
        let mut recorder = Recorder::default();
        (self.decide(request, &mut recorder), recorder)
    }

    /// As if no request had come before.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Other dice from now on.
    pub fn reseed(&mut self, seed: u64) {
        self.dice = Dice::new(seed);
    }

    /// Lets the time be that many seconds after the beginning.
    pub fn set_time(&mut self, now: u32) {
        self.now = now;
    }

    /// The state of servers, to be changed between requests.
    pub fn state(&mut self) -> &mut HandState {
        &mut self.state
    }
}
