//! The life of one request, from its head to its line in the log.
//!
//! The story, top to bottom: who is asking ([`Origin`]), what the rules say (`decide`), which server and over
//! which connection (`forward`), the relay ([`Exchange`]), and one place that turns failures into answers
//! (`respond::failure`). Stages compute and return; the branching is here.

pub mod facts;
mod log;
mod request_id;
mod respond;
mod tries;

pub use request_id::RequestIds;

use crate::error::ProxyError;
use crate::filters::grpc_web;
use crate::http::h1::body::FirstBody;
use crate::http::h1::exchange::{Ending, Exchange, Failure, Tally, Terms};
use crate::http::h1::tunnel::{self, Moved};
use crate::http::h1::{Active, AddressText, Client, request_head};
use crate::upstream::{self, Connection, InFlight};
use crate::worker::{Buffer, Worker};
use facts::{AnswerHook, Facts};
use log::Reason;
use policy::decide::{Decided, Excluded, Forward, Input, Machine, Need, Origin, Outcome, Pick, Step};
use policy::model::{Bounds, ForwardingMode, Protocol, Retries, Timeouts};
use request_id::RequestId;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tries::{Again, Tries};

/// What becomes of the client's connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It waits for the next request.
    KeepAlive,
    /// It waits for the rest of what may become a request.
    Waiting {
        /// Something has come of it.
        heard: bool,
    },
    /// It is closed.
    Close,
    /// It is closed once the client has stopped sending.
    Linger,
    /// It is reset, for a plain close would look like the end of the answer.
    Reset,
}

/// What is known of a request before it is decided, and what is counted until it is logged.
pub struct Request {
    started: Instant,
    origin: Origin,
    id: RequestId,
    tally: Tally,
    retries: u32,
    connected_at: Option<Instant>,
}

impl Request {
    fn new(origin: Origin, id: RequestId) -> Request {
        Request {
            started: Instant::now(),
            origin,
            id,
            tally: Tally::default(),
            retries: 0,
            connected_at: None,
        }
    }
}

/// The server that a request went to.
#[derive(Clone, Copy)]
pub struct ServerChoice {
    pool: usize,
    server: usize,
    /// Whether a session was moved there.
    moved: bool,
}

impl From<Pick> for ServerChoice {
    fn from(pick: Pick) -> ServerChoice {
        ServerChoice { pool: pick.pool.0, server: pick.server, moved: pick.moved }
    }
}

/// Answers the request whose head is in `active`.
pub async fn serve(worker: &Rc<Worker>, client: &mut Client, active: &mut Active) -> After {
    let origin = facts::origin(worker.policy(), client, active);
    let id = RequestId::of(worker, &active.head.fields, &active.input, origin.trusted);
    let mut request = Request::new(origin, id);
    let decided = match decide(worker, origin, client.listener, active) {
        Ok(decided) => decided,
        Err(error) => {
            return respond::failure(worker, client, active, &mut request, None, None, &error).await;
        }
    };
    match &decided.outcome {
        Outcome::Forward(target) => forward(worker, client, active, &mut request, &decided, target).await,
        Outcome::Refuse { status, reason } => {
            let error = ProxyError::Refused { status: *status, reason };
            respond::failure(worker, client, active, &mut request, Some(&decided), None, &error).await
        }
        Outcome::Respond(_) | Outcome::RedirectToHttps { .. } => {
            respond::fixed(worker, client, active, &mut request, &decided).await
        }
    }
}

/// Answers a client whose head could not be read.
pub async fn refuse(
    worker: &Rc<Worker>,
    client: &mut Client,
    active: &mut Active,
    error: ProxyError,
) -> After {
    active.head.clear();
    let mut request = Request::new(facts::peer(client), RequestId::new(worker));
    respond::failure(worker, client, active, &mut request, None, None, &error).await
}

/// Brings host and path to their normal form and asks the rules.
fn decide<'p>(
    worker: &'p Worker,
    origin: Origin,
    listener: usize,
    active: &mut Active,
) -> Result<Decided<'p>, ProxyError> {
    facts::normalise(active)?;
    let facts = Facts::of(origin, listener, active);
    let mut dice = worker.dice.borrow_mut();
    let mut machine = Machine::new(&worker.rules);
    let mut input = Input::Head;
    loop {
        match machine.step(&facts.request(), input, &mut dice, &mut ()) {
            Step::Need(Need::Session(key)) => input = Input::Session(worker.sessions.find(key)),
            Step::Need(Need::Now) => input = Input::Now(facts::seconds()),
            Step::Done(decided) => return Ok(decided),
        }
    }
}

/// How one attempt to have a request answered went.
enum Attempt {
    /// It is over, well or not.
    Done(After),
    /// It did no harm, and another may do better.
    Again {
        error: ProxyError,
        /// What the next attempt begins with.
        body: FirstBody,
        /// What the next attempt costs.
        kind: Again,
    },
}

/// A server, and what leads to it.
struct Way<'a> {
    pick: Pick,
    timeouts: &'a Timeouts,
    /// Answers after which another server is tried, if it may be once more.
    retries: Option<&'a Retries>,
    /// Servers that were tried before.
    tried: &'a Excluded,
    connection: Connection,
    in_flight: InFlight,
}

/// A request's way to a pool, and what is the same for all attempts.
struct Route<'a> {
    worker: &'a Rc<Worker>,
    decided: &'a Decided<'a>,
    target: &'a Forward<'a>,
    bounds: &'a Bounds,
    /// Whether it is a call of gRPC-Web that servers get as one of gRPC.
    grpc_web: bool,
}

/// Sends the request to a server of the pool, to another where that does no harm, and relays the answer.
async fn forward(
    worker: &Rc<Worker>,
    client: &mut Client,
    active: &mut Active,
    request: &mut Request,
    decided: &Decided<'_>,
    target: &Forward<'_>,
) -> After {
    let policy = worker.policy();
    let bounds = &facts::bounds(policy, Some(decided), client.listener);
    let grpc_web = facts::uses_grpc_web(policy, decided) && grpc_web::is_call(active);
    let route = Route { worker, decided, target, bounds, grpc_web };
    let mut body = match FirstBody::read(active, bounds, &mut request.tally) {
        Ok(body) => body,
        Err(error) => {
            return respond::failure(worker, client, active, request, Some(decided), None, &error).await;
        }
    };
    let deadline = facts::grpc_deadline(active);
    let mut tries = Tries::default();
    let mut last = (ProxyError::NoServerUp, None);
    let mut next = None;
    while tries.may_go_on() {
        let picked = next.take().or_else(|| route.pick(client, active, request, &tries.excluded));
        let Some(pick) = picked else { break };
        request.retries = tries.count;
        tries.count += 1;
        let mut timeouts = facts::timeouts(policy, Some(decided), client.listener, Some(pick.pool));
        if let Some(deadline) = deadline {
            timeouts.total = Some(timeouts.total.map_or(deadline, |total| total.min(deadline)));
        }
        // From here on, so that a server to which no connection comes about does not look idle.
        let in_flight = InFlight::new(&worker.pools[pick.pool.0].servers[pick.server]);
        let connection = match route.connect(client, active, request, &body, pick, &timeouts).await {
            Ok(connection) => connection,
            Err(error @ (ProxyError::TotalTimeout | ProxyError::Stopped)) => {
                last = (error, Some(pick.into()));
                break;
            }
            Err(error) => {
                tries.not_connected(pick, &error, request.started.elapsed());
                last = (error, Some(pick.into()));
                // A refusal may come without any waiting; between many of them others on this worker have their turn.
                drop(in_flight);
                crate::runtime::yield_now().await;
                continue;
            }
        };
        let retries = policy.pools[pick.pool.0].retries.as_ref();
        let retries = retries.filter(|retries| tries.passed_over < retries.max);
        let tried = &tries.excluded;
        let way = Way { pick, timeouts: &timeouts, retries, tried, connection, in_flight };
        match route.attempt(client, active, request, &body, way).await {
            Attempt::Done(after) => return after,
            Attempt::Again { error, body: at_hand, kind } => {
                body = at_hand;
                next = tries.again(worker, pick, kind).await;
                tries.last_failed = request.started.elapsed();
                last = (error, Some(pick.into()));
            }
        }
    }
    let (error, server) = last;
    respond::failure(worker, client, active, request, Some(decided), server, &error).await
}

impl Route<'_> {
    fn pick(&self, client: &Client, active: &Active, request: &Request, tried: &Excluded) -> Option<Pick> {
        let facts = Facts::of(request.origin, client.listener, active);
        facts.pick(self.worker, self.decided, self.target, tried)
    }

    async fn connect(
        &self,
        client: &Client,
        active: &Active,
        request: &Request,
        body: &FirstBody,
        pick: Pick,
        timeouts: &Timeouts,
    ) -> Result<Connection, ProxyError> {
        // What cannot be sent a second time deserves a closer look at a connection that was idle.
        let certain = !(active.head.method.is_idempotent() && body.is_whole());
        let left =
            timeouts.total.map_or(Duration::MAX, |total| total.saturating_sub(request.started.elapsed()));
        if left.is_zero() {
            return Err(ProxyError::TotalTimeout);
        }
        let limit = timeouts.connect.min(left);
        match upstream::connect(self.worker, &client.timer, pick, limit, certain).await {
            Err(ProxyError::ConnectTimeout) if limit == left => Err(ProxyError::TotalTimeout),
            result => result,
        }
    }

    /// Sends the request and relays what comes back.
    async fn attempt(
        &self,
        client: &mut Client,
        active: &mut Active,
        request: &mut Request,
        body: &FirstBody,
        way: Way<'_>,
    ) -> Attempt {
        let Way { pick, timeouts, retries, tried, mut connection, in_flight } = way;
        let worker = self.worker;
        let reused = connection.reused;
        request.connected_at = worker.time_for_log();
        if self.grpc_web {
            connection.stream = grpc_web::translated(connection.stream);
        }
        self.write_head(client, active, request, pick);
        let hook = AnswerHook {
            worker,
            origin: request.origin,
            listener: client.listener,
            decided: self.decided,
            forward: self.target,
            pick,
            retries,
            tried,
        };
        let terms = Terms {
            timeouts,
            bounds: self.bounds,
            started: request.started,
            upgrade: active.head.upgrade,
            worker,
            hook: &hook,
        };
        let result = {
            let stream = &mut connection.stream;
            let mut exchange = Exchange::new(client, active, stream, terms, &mut request.tally, body);
            poll_fn(|cx| exchange.poll(cx)).await
        };
        match result {
            Ok(Ending::Answered { reusable, keep_alive, wholly_sent }) => {
                if reusable {
                    worker.idle.give(worker.server_number(pick), connection);
                }
                self.log(client, active, request, pick, None);
                Attempt::Done(match (keep_alive, wholly_sent) {
                    (true, _) => After::KeepAlive,
                    (false, true) => After::Close,
                    (false, false) => After::Linger,
                })
            }
            Ok(Ending::Upgraded { buffer, early }) => {
                let after =
                    self.tunnel(client, active, request, pick, timeouts, connection, (buffer, early)).await;
                Attempt::Done(after)
            }
            Err(Failure { body: Some(body), error, instead: Some(instead), .. }) => {
                if instead.reusable {
                    worker.idle.give(worker.server_number(pick), connection);
                }
                Attempt::Again { error, body, kind: Again::PassedOver { instead: instead.pick } }
            }
            Err(Failure { body: Some(body), error, unprocessed, lost, .. }) => {
                let kind = match (unprocessed, reused && lost) {
                    (true, _) => Again::Unprocessed,
                    (false, true) => Again::Stale,
                    (false, false) => Again::Failed,
                };
                Attempt::Again { error, body, kind }
            }
            Err(failure) => {
                drop((connection, in_flight));
                Attempt::Done(self.fail(client, active, request, pick, failure).await)
            }
        }
    }

    fn write_head(&self, client: &Client, active: &mut Active, request: &Request, pick: Pick) {
        let policy = self.worker.policy();
        let pool = &policy.pools[pick.pool.0];
        let origin = request.origin;
        // What a trusted proxy has said of the client is not to be lost where its fields are replaced.
        let speaks_for = origin.trusted && policy.forwarding.mode == ForwardingMode::Replace;
        let peer = AddressText::new(if speaks_for { origin.client } else { client.peer.ip() });
        let edits = request_head::Edits {
            host: pool.host.as_deref(),
            server: &pool.servers[pick.server].name,
            forwarding: policy.forwarding,
            trusted: origin.trusted,
            peer: peer.as_bytes(),
            tls: if speaks_for { origin.tls } else { client.tls },
            request_id: request.id.as_bytes(),
            upgrade: active.head.upgrade,
            welcomes_trailers: pool.protocol == Protocol::H2,
        };
        active.request_out.clear();
        request_head::write(&mut active.request_out, &active.input, &active.head, &edits);
    }

    #[allow(clippy::too_many_arguments, reason = "a stage: each is what an earlier stage returned")]
    async fn tunnel(
        &self,
        client: &mut Client,
        active: &mut Active,
        request: &mut Request,
        pick: Pick,
        timeouts: &Timeouts,
        mut connection: Connection,
        early: (Option<Buffer>, Range<usize>),
    ) -> After {
        let mut moved = Moved::default();
        // Boxed, so that ordinary requests do not carry what a tunnel needs.
        let stream = &mut connection.stream;
        let relay = tunnel::run(self.worker, client, active, stream, early, timeouts.idle, &mut moved);
        let result = Box::pin(relay).await;
        request.tally.bytes_in += moved.up;
        request.tally.bytes_out += moved.down;
        let reason = result.as_ref().err().map(Reason::from);
        self.log(client, active, request, pick, reason);
        // What was cut on one side is cut on the other.
        match result {
            Err(ProxyError::ServerCut | ProxyError::ClientGone) => After::Reset,
            _ => After::Close,
        }
    }

    /// Tells the client of a failure if nothing of an answer has reached it, else cuts the connection.
    async fn fail(
        &self,
        client: &mut Client,
        active: &mut Active,
        request: &mut Request,
        pick: Pick,
        failure: Failure,
    ) -> After {
        if !failure.answered {
            let server = Some(pick.into());
            let decided = Some(self.decided);
            return respond::failure(self.worker, client, active, request, decided, server, &failure.error)
                .await;
        }
        self.log(client, active, request, pick, Some((&failure.error).into()));
        // Whatever the framing, a close cuts the answer; where only the close would mark its end, a reset does. A client
        // that is gone or does not read gets no farewell.
        let is_away = matches!(failure.error, ProxyError::ClientGone | ProxyError::ClientStalled);
        if failure.looks_complete || client.tls || is_away { After::Reset } else { After::Close }
    }

    fn log(&self, client: &Client, active: &Active, request: &Request, pick: Pick, reason: Option<Reason>) {
        log::write(self.worker, client, active, request, Some(self.decided), Some(pick.into()), reason);
    }
}
