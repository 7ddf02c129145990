//! The file's `tests:` and everything else that decides without a network: requests from a method and a URL, and a
//! state of servers that is written by hand.

mod request;
mod run;

pub use request::{RequestError, TestRequest};
pub use run::{Failure, run, run_all};

use crate::decide::{
    Decided, Dice, Effects, Excluded, Input, Machine, Need, Outcome, Pick, Record, Recorder, Rules,
    SessionKey, State, Step, Trace,
};
use crate::model::{Policy, PoolId};
use std::cell::Cell;
use std::collections::HashMap;

/// A state in which all servers are up but those named.
pub struct HandState {
    down: Vec<(PoolId, usize)>,
    cursors: Vec<Cell<u64>>,
}

impl HandState {
    /// `down` has addresses as written in the file; a server with that address is down in every pool.
    pub fn new(policy: &Policy, down: &[String]) -> HandState {
        let mut state =
            HandState { down: Vec::new(), cursors: policy.pools.iter().map(|_| Cell::new(0)).collect() };
        for (number, pool) in policy.pools.iter().enumerate() {
            for (server, _) in
                pool.servers.iter().enumerate().filter(|(_, server)| down.contains(&server.name))
            {
                state.down.push((PoolId(number), server));
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
    sessions: HashMap<SessionKey, Record>,
    dice: Dice,
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

impl<'r> Simulation<'r> {
    /// A simulation that nothing has happened in.
    pub fn new(rules: &'r Rules, state: HandState, seed: u64) -> Simulation<'r> {
        Simulation { rules, state, sessions: HashMap::new(), dice: Dice::new(seed) }
    }

    /// Decides a request, picks its server and applies what follows from its answer.
    pub fn decide(&mut self, request: &TestRequest, trace: &mut impl Trace) -> Verdict<'r> {
        let facts = request.facts();
        let mut machine = Machine::new(self.rules);
        let mut input = Input::Head;
        let decided = loop {
            match machine.step(&facts, input, &mut self.dice, trace) {
                Step::Need(Need::Session(key)) => input = Input::Session(self.sessions.get(&key).copied()),
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
            if let Some(pick) = verdict.pick {
                let answer: Vec<(String, String)> = Vec::new();
                verdict.effects = self.rules.on_response(&facts, &verdict.decided, forward, pick, &answer);
                self.sessions.extend(verdict.effects.remember.into_iter().flatten());
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

    /// The state of servers, to be changed between requests.
    pub fn state(&mut self) -> &mut HandState {
        &mut self.state
    }
}
