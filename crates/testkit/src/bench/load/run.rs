//! Running a load.

use super::connection::Connection;
use super::h1::H1;
use super::h2::H2;
use super::plan::{Plan, Protocol, Reuse};
use super::report::Report;
use super::schedule::Schedule;
use super::transport::{self, Transport};
use super::websocket::WebSocket;
use super::{Speech, requests};
use crate::bench::READ_BYTES;
use crate::bench::local::{FIRST, ended, no_delay};
use mio::event::Event;
use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use rustls::ClientConfig;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::iter::Peekable;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long answers may take after the last request.
const PATIENCE: Duration = Duration::from_secs(10);

/// Connections that are made at a time before the load begins: fewer than wait at any listener.
const AT_ONCE: usize = 64;

/// A load whose connections are open.
pub struct Load {
    plan: Plan,
    poll: Poll,
    timer: OwnedFd,
    config: Option<Arc<ClientConfig>>,
    requests: Rc<Vec<Vec<u8>>>,
    /// By token. One that is made for each request is not there between them.
    connections: Vec<Option<Connection>>,
    /// Places for a request, by connection, and those of them that are free.
    free: VecDeque<usize>,
    /// When those were due that no place was free for.
    late: VecDeque<Instant>,
    pending: usize,
    /// Until when an answer makes another request.
    resend_until: Option<Instant>,
    report: Report,
    buffer: Vec<u8>,
    answered: Vec<Instant>,
}

impl Load {
    /// Opens all connections, and has one request answered in each place for one.
    ///
    /// # Errors
    /// When that does not go as expected, for people.
    pub fn new(plan: Plan) -> Result<Load, String> {
        let poll = Poll::new().map_err(|error| error.to_string())?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK)
            .map_err(|error| error.to_string())?;
        poll.registry()
            .register(&mut SourceFd(&timer.as_raw_fd()), FIRST, Interest::READABLE)
            .map_err(|error| error.to_string())?;
        let mut load = Load {
            poll,
            timer,
            config: transport::config(&plan)?,
            requests: Rc::new(requests::h1(&plan)),
            connections: (0..plan.connections).map(|_| None).collect(),
            free: VecDeque::new(),
            late: VecDeque::new(),
            pending: 0,
            resend_until: None,
            report: Report::default(),
            buffer: vec![0; READ_BYTES],
            answered: Vec::new(),
            plan,
        };
        for start in (0..load.plan.connections).step_by(AT_ONCE) {
            let all = start..(start + AT_ONCE).min(load.plan.connections);
            for at in all.clone() {
                if load.plan.reuse == Reuse::Kept {
                    load.open(at)?;
                }
            }
            load.wait(|load| all.clone().all(|at| load.is_ready(at)))?;
            for at in all {
                for _ in 0..load.plan.slots() {
                    load.send(at, Instant::now())?;
                }
            }
            load.wait(|load| load.pending == 0)?;
        }
        load.report = Report::default();
        Ok(load)
    }

    /// Sends for as long as planned and waits for the last answers.
    pub fn run(&mut self) -> Report {
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(self.plan.seconds);
        let done = match self.plan.rate > 0.0 {
            true => self.open_loop(start, end),
            false => self.closed_loop(end),
        };
        self.report.failed = done.err();
        self.report.took = start.elapsed();
        std::mem::take(&mut self.report)
    }

    fn closed_loop(&mut self, end: Instant) -> Result<(), String> {
        self.resend_until = Some(end);
        while let Some(at) = self.free.pop_front() {
            self.send(at, Instant::now())?;
        }
        self.wait(|load| load.pending == 0)
    }

    fn open_loop(&mut self, start: Instant, end: Instant) -> Result<(), String> {
        let mut times = Schedule::new(self.plan.rate).map(|time| start + time).peekable();
        while Instant::now() < end {
            let next = self.send_due(&mut times)?;
            self.set_timer(next.min(end))?;
            self.events(Some(PATIENCE))?;
        }
        self.wait(|load| load.pending == 0 && load.late.is_empty())
    }

    /// Sends what is due; when the next one is.
    fn send_due(&mut self, times: &mut Peekable<impl Iterator<Item = Instant>>) -> Result<Instant, String> {
        loop {
            let due = *times.peek().ok_or("a schedule does not end")?;
            if due > Instant::now() {
                return Ok(due);
            }
            times.next();
            match self.free.pop_front() {
                Some(at) => self.send(at, due)?,
                None => self.late.push_back(due),
            }
        }
    }

    fn set_timer(&self, at: Instant) -> Result<(), String> {
        // Zero would switch it off.
        let left = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
        let once = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Goes on until that holds.
    fn wait(&mut self, holds: impl Fn(&Load) -> bool) -> Result<(), String> {
        let mut answered = Instant::now();
        let mut seen = self.report.requests;
        while !holds(self) {
            if self.report.requests != seen {
                (seen, answered) = (self.report.requests, Instant::now());
            }
            if answered.elapsed() > PATIENCE {
                return Err(format!("{} requests have no answer for {PATIENCE:?}", self.pending));
            }
            self.events(Some(Duration::from_millis(500)))?;
        }
        Ok(())
    }

    fn events(&mut self, limit: Option<Duration>) -> Result<(), String> {
        let mut events = Events::with_capacity(1024);
        match self.poll.poll(&mut events, limit) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.to_string()),
            _ => {}
        }
        events.iter().filter(|event| event.token() != FIRST).try_for_each(|event| self.event(event))
    }

    fn event(&mut self, event: &Event) -> Result<(), String> {
        let at = event.token().0;
        let Some(Some(connection)) = self.connections.get_mut(at) else { return Ok(()) };
        let mut goes_on = true;
        if event.is_readable() {
            goes_on = connection.receive(&mut self.buffer, ended(event), &mut self.answered)?;
            connection.answered = connection.answered || !self.answered.is_empty();
        }
        let count = self.count();
        if !goes_on {
            return self.closed(at);
        }
        if self.plan.reuse == Reuse::Kept {
            (0..count).try_for_each(|_| self.again(at))?;
        }
        self.connections[at].as_mut().map_or(Ok(()), Connection::flush)
    }

    /// The other side has closed a connection, which it may only where each request has its own, and behind the answer.
    fn closed(&mut self, at: usize) -> Result<(), String> {
        if self.plan.reuse == Reuse::Kept {
            return Err("a connection was closed".to_owned());
        }
        match self.connections[at].take() {
            Some(connection) if connection.answered => {
                self.report.resumed += u64::from(connection.transport.is_resumed());
                self.again(at)
            }
            _ => Err("a connection was closed before the answer".to_owned()),
        }
    }

    /// Counts what was just answered; how many.
    fn count(&mut self) -> usize {
        if self.answered.is_empty() {
            return 0;
        }
        let now = Instant::now();
        self.pending -= self.answered.len();
        self.report.requests += self.answered.len() as u64;
        let micros = |due: &Instant| now.saturating_duration_since(*due).as_micros() as u32;
        self.report.latencies.extend(self.answered.iter().map(micros));
        self.answered.drain(..).count()
    }

    /// A place of this connection is free again.
    fn again(&mut self, at: usize) -> Result<(), String> {
        if let Some(due) = self.late.pop_front() {
            return self.send_soon(at, due);
        }
        match self.resend_until {
            Some(end) if Instant::now() < end => self.send_soon(at, Instant::now()),
            _ => {
                self.free.push_back(at);
                Ok(())
            }
        }
    }

    fn send(&mut self, at: usize, due: Instant) -> Result<(), String> {
        self.send_soon(at, due)?;
        self.connections[at].as_mut().map_or(Ok(()), Connection::flush)
    }

    /// Prepares the next request; it leaves with what else its connection has to say.
    fn send_soon(&mut self, at: usize, due: Instant) -> Result<(), String> {
        if self.plan.reuse != Reuse::Kept {
            self.open(at)?;
        }
        self.pending += 1;
        if let Some(connection) = &mut self.connections[at] {
            connection.speech.send(due, &mut connection.output);
        }
        Ok(())
    }

    fn open(&mut self, at: usize) -> Result<(), String> {
        let mut stream =
            TcpStream::connect(self.plan.address).map_err(|error| format!("no connection: {error}"))?;
        no_delay(&stream);
        let both = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut stream, Token(at), both).map_err(|error| error.to_string())?;
        let mut output = Vec::new();
        // Neighbours ask for different numbers.
        let start = at.wrapping_mul(97).wrapping_add(self.report.requests as usize);
        let speech: Box<dyn Speech> = match self.plan.protocol {
            Protocol::H1 => Box::new(H1::new(Rc::clone(&self.requests), start, self.plan.expect)),
            Protocol::H2 | Protocol::Grpc => Box::new(H2::new(&self.plan, start, &mut output)),
            Protocol::WebSocket => Box::new(WebSocket::new(&self.plan, &mut output)),
        };
        let mut connection = Connection {
            stream,
            transport: Transport::new(self.config.as_ref())?,
            speech,
            output,
            answered: false,
        };
        connection.flush()?;
        self.connections[at] = Some(connection);
        Ok(())
    }

    fn is_ready(&self, at: usize) -> bool {
        self.connections[at].as_ref().is_none_or(|connection| connection.speech.is_ready())
    }
}
