//! One worker: a thread with its own runtime, sockets, connections to servers, buffers and time.
//!
//! What it shares with others are the cells of [`state`](crate::state), the count of descriptors, and the
//! mailboxes. Everything else is `!Send` and needs no lock.

mod buffers;
mod descriptors;
mod mailbox;
mod timer;

pub use buffers::{BUFFER_BYTES, Buffer};
pub use descriptors::{ClientPermit, Descriptors, ServerPermit};
pub use mailbox::{Given, Mailboxes, Order};
pub use timer::{TICK, Timer, Wheel};

use crate::http::h1::Active;
use crate::http::h1::connection::Connection;
use crate::http::h2::flood::Flood;
use crate::listen::{self, Arrival};
use crate::observe::access_log::LogBuffer;
use crate::path::RequestIds;
use crate::runtime::{self, TASKS_PER_TURN, Task, TcpListener, TcpStream, sleep, yield_now};
use crate::state::{Pools, Sessions};
use crate::tls::ListenerConfigs;
use crate::tls::client::ClientConfigs;
use crate::upstream::IdleConnections;
use crate::upstream::shared::SharedConnections;
use policy::decide::{Dice, Pick, Rules};
use policy::model::{Drain, Policy};
use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Receiver;

/// Storage of requests kept for the next burst.
const ACTIVES_KEPT_MAX: usize = 128;

/// Log lines are handed over each so many ticks (200 ms).
const FLUSH_ROUNDS: u32 = 4;
/// Idle connections to servers are looked through each so many ticks (1 s).
const SWEEP_ROUNDS: u32 = 20;

/// Pauses of accepting that are nearer to each other than this are one.
const PAUSES_APART: Duration = Duration::from_secs(10);

/// Floods that are nearer to each other than this get one line.
const FLOODS_APART: Duration = Duration::from_secs(1);

/// A new connection during a drain gets this long to say something.
pub const DRAIN_FIRST_BYTE: Duration = Duration::from_secs(1);

/// All that a worker needs to begin.
pub struct WorkerSetup {
    /// Its number.
    pub index: usize,
    /// The compiled rules.
    pub rules: Arc<Rules>,
    /// How TLS is ended.
    pub tls: ListenerConfigs,
    /// How TLS is begun with servers.
    pub server_tls: ClientConfigs,
    /// A listening socket for each listener.
    pub sockets: Vec<OwnedFd>,
    /// Where its log lines go.
    pub log: Option<LogBuffer>,
    /// The shared cells of each pool.
    pub pools: Arc<Pools>,
    /// The shared table of sessions.
    pub sessions: Arc<Sessions>,
    /// The shared count of descriptors.
    pub descriptors: Arc<Descriptors>,
    /// Everybody's mailboxes.
    pub mailboxes: Arc<Mailboxes>,
    /// Its own.
    pub given: Receiver<Given>,
    /// Seeds its dice.
    pub seed: u64,
}

/// What a worker's tasks share.
pub struct Worker {
    /// Its number.
    pub index: usize,
    /// The compiled rules that new requests are decided by.
    pub rules: Arc<Rules>,
    /// How TLS is ended.
    pub tls: ListenerConfigs,
    /// How TLS is begun with servers.
    pub server_tls: ClientConfigs,
    /// Its time-outs.
    pub wheel: Rc<Wheel>,
    /// Its idle connections to servers.
    pub idle: IdleConnections,
    /// Its connections to servers that many requests use.
    pub shared: SharedConnections,
    /// For each pool, the number of its first server among all.
    first_server: Vec<usize>,
    /// The shared cells of each pool.
    pub pools: Arc<Pools>,
    /// The shared table of sessions.
    pub sessions: Arc<Sessions>,
    /// The shared count of descriptors.
    pub descriptors: Arc<Descriptors>,
    /// Everybody's mailboxes.
    pub mailboxes: Arc<Mailboxes>,
    /// Makes ids of requests.
    pub ids: RequestIds,
    /// Chance.
    pub dice: RefCell<Dice>,
    /// The access log; `None` when it is off.
    pub log: Option<LogBuffer>,
    #[allow(clippy::vec_box, reason = "they come and go boxed; moving one would copy it")]
    actives: RefCell<Vec<Box<Active>>>,
    phase: Cell<Phase>,
    /// When accepting has paused last.
    paused_at: Cell<Option<Instant>>,
    /// When a flood was spoken of last, and how many were not since.
    flood_at: Cell<Option<Instant>>,
    floods_unsaid: Cell<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Draining,
    Stopping,
}

impl Worker {
    /// The configuration.
    pub fn policy(&self) -> &Policy {
        self.rules.policy()
    }

    /// The time, if somebody is going to read it.
    pub fn time_for_log(&self) -> Option<Instant> {
        self.log.is_some().then(Instant::now)
    }

    /// The number of a chosen server among all, under which its idle connections are kept.
    pub fn server_number(&self, pick: Pick) -> usize {
        self.first_server[pick.pool.0] + pick.server
    }

    /// Begins to serve a connection.
    pub fn serve(self: &Rc<Self>, stream: TcpStream, arrival: Arrival) {
        runtime::spawn(Connection::new(Rc::clone(self), stream, arrival));
        self.publish_load(1);
    }

    /// Begins to serve a connection that another worker has accepted.
    pub fn take_over(self: &Rc<Self>, (socket, arrival): Given) {
        self.serve(TcpStream::new(socket), arrival);
    }

    /// Tells the others how much there is to do here.
    pub fn publish_load(&self, coming: usize) {
        self.mailboxes.set_load(self.index, self.wheel.alive() + coming);
    }

    /// Whether connections between two requests, and after an answer, are to be closed.
    pub fn closes_idle(&self) -> bool {
        self.phase.get() != Phase::Running
    }

    /// Whether everything is to end now.
    pub fn is_stopping(&self) -> bool {
        self.phase.get() == Phase::Stopping
    }

    /// Notes that accepting pauses; said once until it has gone well for a while.
    pub fn note_pause(&self) {
        let now = Instant::now();
        let last = self.paused_at.replace(Some(now));
        if last.is_none_or(|last| now - last > PAUSES_APART) {
            tracing::warn!("file descriptors have run out: accepting pauses");
        }
    }

    /// A connection was closed for what its client sent. Said once a second at most, for those who do it do it often.
    pub fn note_flood(&self, flood: Flood, peer: SocketAddr) {
        let now = Instant::now();
        if self.flood_at.get().is_some_and(|last| now - last < FLOODS_APART) {
            self.floods_unsaid.set(self.floods_unsaid.get() + 1);
            return;
        }
        self.flood_at.set(Some(now));
        let unsaid = self.floods_unsaid.replace(0);
        let reason = flood.reason();
        tracing::warn!(reason, peer = %peer.ip(), unsaid, "a connection of HTTP/2 was closed for its frames");
    }

    /// Closes a connection to a server that nobody uses, because descriptors have run out; whether there was one.
    pub fn evict_one(&self) -> bool {
        self.idle.evict_one() || self.shared.evict_one()
    }

    /// Storage for the requests of one connection.
    pub fn take_active(&self) -> Box<Active> {
        let kept = self.actives.borrow_mut().pop();
        let mut active = kept.unwrap_or_else(|| Box::new(Active::new(Buffer::take())));
        active.input.grow(0);
        active
    }

    /// Storage for one request among many on a connection; its buffer may be a small one.
    pub fn take_small_active(&self) -> Box<Active> {
        self.actives.borrow_mut().pop().unwrap_or_else(|| Box::new(Active::new(Buffer::small())))
    }

    /// Gives storage back.
    pub fn give_active(&self, mut active: Box<Active>) {
        let mut actives = self.actives.borrow_mut();
        if actives.len() < ACTIVES_KEPT_MAX {
            active.filled = 0;
            active.next = 0..0;
            actives.push(active);
        }
    }
}

/// Runs a worker on this thread until it has been drained or stopped.
///
/// # Errors
/// When there is no runtime to be had.
pub fn run(setup: WorkerSetup) -> std::io::Result<()> {
    runtime::run(serve(setup))
}

async fn serve(setup: WorkerSetup) {
    let policy = setup.rules.policy();
    let mut servers = 0;
    let first_server = policy
        .pools
        .iter()
        .map(|pool| {
            servers += pool.servers.len();
            servers - pool.servers.len()
        })
        .collect();
    let worker = Rc::new(Worker {
        index: setup.index,
        wheel: Wheel::new(),
        idle: IdleConnections::new(servers),
        shared: SharedConnections::new(servers),
        first_server,
        pools: setup.pools,
        sessions: setup.sessions,
        descriptors: setup.descriptors,
        mailboxes: setup.mailboxes,
        ids: RequestIds::default(),
        dice: RefCell::new(Dice::new(setup.seed)),
        log: setup.log,
        rules: setup.rules,
        tls: setup.tls,
        server_tls: setup.server_tls,
        actives: RefCell::default(),
        phase: Cell::new(Phase::Running),
        paused_at: Cell::new(None),
        flood_at: Cell::new(None),
        floods_unsaid: Cell::new(0),
    });
    let accepting: Vec<_> = setup
        .sockets
        .into_iter()
        .enumerate()
        .map(|(listener, socket)| {
            let socket = Rc::new(TcpListener::new(socket));
            let accepting = listen::accept_loop(Rc::clone(&worker), listener, Rc::clone(&socket));
            (socket, runtime::spawn(accepting))
        })
        .collect();
    let ticking = runtime::spawn(tick(Rc::clone(&worker)));
    obey(&worker, setup.given, accepting).await;
    ticking.abort();
    if let Some(log) = &worker.log {
        log.flush();
    }
}

/// Sockets that are accepted from, and by which tasks.
type Accepting = Vec<(Rc<TcpListener>, Task)>;

/// Takes over what other workers give and follows orders, until this worker is to end.
async fn obey(worker: &Rc<Worker>, mut given: Receiver<Given>, accepting: Accepting) {
    let mut orders = worker.mailboxes.orders();
    let taking_over = async {
        while let Some(given) = given.recv().await {
            worker.take_over(given);
        }
    };
    let following = async {
        // An error means that nobody can give orders any more, which is an order to end.
        let drain = match orders.wait_for(|order| *order != Order::Serve).await.as_deref() {
            Ok(Order::Drain(drain)) => *drain,
            _ => return,
        };
        tokio::select! {
            () = drain_out(worker, drain, accepting) => {}
            _ = orders.wait_for(|order| *order == Order::Stop) => {}
        }
    };
    tokio::select! {
        () = following => {}
        // Never ends while this worker holds the mailboxes.
        () = taking_over => {}
    }
    worker.phase.set(Phase::Stopping);
    worker.wheel.wake_all();
    // Rounds enough for every task to notice, so that what is cut off gets its line in the log, and then for those that
    // carry others.
    for _ in 0..4 + worker.wheel.alive() / TASKS_PER_TURN {
        yield_now().await;
    }
}

/// Returns when the last connection has ended, or the time for that is over.
async fn drain_out(worker: &Rc<Worker>, drain: Drain, accepting: Accepting) {
    sleep(drain.grace).await;
    worker.phase.set(Phase::Draining);
    worker.wheel.wake_all();
    // What stands in the queues has been accepted as far as its clients know.
    sleep(TICK).await;
    for (socket, task) in accepting {
        listen::refuse(&socket);
        task.abort();
    }
    let end = Instant::now() + drain.limit;
    while worker.wheel.alive() > 0 && Instant::now() < end {
        sleep(TICK / 5).await;
    }
}

/// Moves time on, closes old connections to servers, hands log lines over.
async fn tick(worker: Rc<Worker>) {
    let mut round: u32 = 0;
    let pools = worker.policy().pools.iter();
    let limits: Vec<Duration> =
        pools.flat_map(|pool| pool.servers.iter().map(|_| pool.timeouts.idle)).collect();
    loop {
        sleep(TICK).await;
        worker.wheel.advance();
        worker.publish_load(0);
        // Another worker may be the one that wants to accept.
        while worker.descriptors.are_short() && worker.evict_one() {}
        round = round.wrapping_add(1);
        if round.is_multiple_of(FLUSH_ROUNDS)
            && let Some(log) = &worker.log
        {
            log.flush();
        }
        if round.is_multiple_of(SWEEP_ROUNDS) {
            worker.idle.sweep(|server| limits[server]);
            worker.shared.sweep(|server| limits[server]);
        }
    }
}
