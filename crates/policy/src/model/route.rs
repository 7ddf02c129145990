//! Sites, routes, and where they lead.

use super::{Bounds, Fact, ListenerId, Networks, Pool, PoolId, Timeouts, Tls};
use crate::source::Span;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is served under one or more host names.
#[derive(Clone, Debug)]
pub struct Site {
    /// Its key in the file.
    pub name: Box<str>,
    /// The hosts it answers for: its key and its aliases.
    pub hosts: Box<[HostPattern]>,
    /// The listeners it is reachable through; `None` means all.
    pub listeners: Option<Box<[ListenerId]>>,
    /// Its routes, first match wins.
    pub routes: Box<[Route]>,
    /// The port of the TLS listener that plain requests are redirected to; `None`: no redirect.
    pub redirect_to_https: Option<u16>,
    /// Its own certificates; one value for all sites without any.
    pub tls: Arc<Tls>,
    /// Sizes; of heads, its listeners' hold.
    pub bounds: Bounds,
    /// Its own error pages, the narrowest range first; [`Policy::errors`](super::Policy::errors) come after.
    pub errors: Box<[ErrorPage]>,
    /// Where it is written.
    pub at: Span,
}

/// Which hosts a site answers for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// One name, in lower case; or an address literal.
    Exact(String),
    /// `*.name`: any name below it, at any depth. Kept as `.name`.
    Wildcard(String),
    /// `'*'`.
    Any,
}

impl fmt::Display for HostPattern {
    /// As it is written in the file: a name, `*.name` or `*`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Wildcard(name) => write!(f, "*{name}"),
            HostPattern::Any => f.write_str("*"),
        }
    }
}

/// A page of the operator's own for statuses that Tidegate itself answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// Statuses it is for, inclusive.
    pub statuses: (u16, u16),
    /// HTML text, given to clients that accept HTML; `{status}`, `{reason}` and `{request_id}` may stand in it.
    pub html: Option<String>,
    /// JSON text, given to the others; same places.
    pub json: Option<String>,
}

/// One line of a site: conditions, and where requests that fulfil them go.
///
/// There may be very many of them, so what few have takes no room in the others.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its name, or one made of its matchers (`/api/*`).
    pub name: Box<str>,
    /// By path.
    pub path: PathPattern,
    /// By anything else; `None` where there is no such condition.
    pub others: Option<Box<Conditions>>,
    /// Where it leads.
    pub to: Target,
    /// Whether gRPC-Web is translated to gRPC for servers. Then all pools that it leads to speak HTTP/2.
    pub grpc_web: bool,
    /// What the route, or else its site, says of times itself: [`Route::timeouts`].
    pub own_timeouts: Option<Arc<OwnTimeouts>>,
    /// Where it is written.
    pub at: Span,
}

impl Route {
    /// Conditions besides the path.
    pub fn conditions(&self) -> &Conditions {
        static NONE: Conditions = Conditions::NONE;
        self.others.as_deref().unwrap_or(&NONE)
    }

    /// What the route, or else its site, says of times itself. All of them: [`OwnTimeouts::over`].
    pub fn timeouts(&self) -> OwnTimeouts {
        self.own_timeouts.as_deref().copied().unwrap_or_default()
    }
}

/// Conditions of a route besides its path.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// By method, in upper case; empty means any.
    pub methods: Vec<String>,
    /// By header field; names in lower case.
    pub headers: Vec<(String, ValueMatch)>,
    /// By query parameter (decoded).
    pub queries: Vec<(String, ValueMatch)>,
    /// By cookie.
    pub cookies: Vec<(String, ValueMatch)>,
    /// By client address.
    pub client: Option<Networks>,
}

impl Conditions {
    /// None at all.
    pub const NONE: Conditions = Conditions {
        methods: Vec::new(),
        headers: Vec::new(),
        queries: Vec::new(),
        cookies: Vec::new(),
        client: None,
    };

    /// As a route keeps them.
    pub fn kept(self) -> Option<Box<Conditions>> {
        let none = self.methods.is_empty()
            && self.headers.is_empty()
            && self.queries.is_empty()
            && self.cookies.is_empty()
            && self.client.is_none();
        (!none).then(|| Box::new(self))
    }
}

/// Times that a route or its site sets itself; the others depend on the listener and on the pool, which are known only
/// with the request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnTimeouts {
    /// Without a byte of a body moving.
    pub body: Option<Duration>,
    /// Of a tunnel without traffic.
    pub idle: Option<Duration>,
    /// To open a connection.
    pub connect: Option<Duration>,
    /// To the head of an answer.
    pub first_byte: Option<Duration>,
    /// To the end of an answer; `Some(None)` is unbounded.
    pub total: Option<Option<Duration>>,
}

impl OwnTimeouts {
    /// The times of a request that came through a listener: what route or site say, else what the listener says,
    /// and towards a server what its pool says. Copies, no more.
    pub fn over(&self, listener: &Timeouts, pool: Option<&Pool>) -> Timeouts {
        let pool = pool.map_or(listener, |pool| &pool.timeouts);
        Timeouts {
            handshake: listener.handshake,
            head: listener.head,
            body: self.body.unwrap_or(listener.body),
            idle: self.idle.unwrap_or(listener.idle),
            connect: self.connect.unwrap_or(pool.connect),
            first_byte: self.first_byte.unwrap_or(pool.first_byte),
            total: self.total.unwrap_or(listener.total),
        }
    }
}

/// A condition on the path, in normalised form.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// Any path.
    Any,
    /// Segments after the leading slash (`/users/{id}`); an exact path when `rest` is false, else a prefix
    /// by whole segments (`/api/*`, which matches `/api` itself too).
    Segments {
        /// One entry per segment; a trailing slash is an empty last segment.
        segments: Segments,
        /// Whether anything may follow, captured as `rest`.
        rest: bool,
    },
    /// A regular expression over the whole path; named groups are captures.
    Regex(Box<regex::Regex>),
}

/// One segment of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Segment<'t> {
    /// These very characters, in normalised form.
    Literal(&'t str),
    /// Any one segment that is not empty, captured under this name.
    Capture(&'t str),
}

/// Segments of a path, kept as one text: each begins with a slash, and a capture with a byte that no path has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Segments(Box<str>);

impl Segments {
    /// Stands before the name of a capture.
    const CAPTURE: char = '\0';

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Segment<'_>> + Clone {
        self.0.split('/').skip(1).map(|text| match text.strip_prefix(Segments::CAPTURE) {
            Some(name) => Segment::Capture(name),
            None => Segment::Literal(text),
        })
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<'t> FromIterator<Segment<'t>> for Segments {
    fn from_iter<I: IntoIterator<Item = Segment<'t>>>(segments: I) -> Segments {
        let mut text = String::new();
        for segment in segments {
            text.push('/');
            match segment {
                Segment::Literal(literal) => text.push_str(literal),
                Segment::Capture(name) => text.extend([Segments::CAPTURE.encode_utf8(&mut [0; 4]), name]),
            }
        }
        Segments(text.into())
    }
}

/// A condition on a value that may be missing.
#[derive(Clone, Debug)]
pub enum ValueMatch {
    /// Exactly this text.
    Exact(String),
    /// There (`true`) or not there (`false`).
    Present(bool),
    /// Begins with.
    Prefix(String),
    /// Matches, anywhere unless anchored.
    Regex(regex::bytes::Regex),
    /// One of.
    In(Vec<String>),
    /// Not so; a missing value fulfils `not`.
    Not(Box<ValueMatch>),
}

impl ValueMatch {
    /// The same condition in the one form that says it, so that two that mean the same look the same.
    pub fn simplified(self) -> ValueMatch {
        match self {
            ValueMatch::Not(inner) => match inner.simplified() {
                ValueMatch::Not(inner) => *inner,
                ValueMatch::Present(present) => ValueMatch::Present(!present),
                inner => ValueMatch::Not(Box::new(inner)),
            },
            ValueMatch::Prefix(text) if text.is_empty() => ValueMatch::Present(true),
            ValueMatch::In(mut texts) if texts.len() == 1 => ValueMatch::Exact(texts.remove(0)),
            other => other,
        }
    }
}

/// Where a route leads.
#[derive(Clone, Debug)]
pub enum Target {
    /// To a pool.
    Pool(PoolId),
    /// To one of several pools by share.
    Split(Box<[Arm]>),
    /// To another URL.
    Redirect {
        /// 301, 302, 303, 307 or 308.
        status: u16,
        /// The `Location`; keeps the request's query unless it has one itself.
        location: Box<Text>,
    },
    /// To a fixed answer.
    Answer(Box<FixedAnswer>),
}

/// An answer that no server gives.
#[derive(Clone, Debug)]
pub struct FixedAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Text,
    /// Fields, in order.
    pub headers: Vec<(String, Text)>,
}

/// One arm of a split. All arms of one split have the same `sticky`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arm {
    /// The pool.
    pub pool: PoolId,
    /// Its share in hundredths of a percent; the arms of a split sum to 10,000.
    pub share: u32,
}

/// A text with values in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub Vec<TextPart>);

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextPart {
    /// As it is.
    Literal(String),
    /// The value of a fact; nothing when it is missing.
    Fact(Fact),
}
