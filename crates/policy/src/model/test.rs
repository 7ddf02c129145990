//! The file's `tests:`.

use super::ListenerId;
use crate::source::Span;
use std::net::IpAddr;

/// One expectation about what happens to a request.
#[derive(Clone, Debug)]
pub struct Test {
    /// The method, in upper case.
    pub method: String,
    /// Whether the scheme was `https`.
    pub tls: bool,
    /// The host, with port if one was written.
    pub authority: String,
    /// Path and query.
    pub path_and_query: String,
    /// Fields to send.
    pub headers: Vec<(String, String)>,
    /// Cookies to send.
    pub cookies: Vec<(String, String)>,
    /// The peer's address (default 192.0.2.1): the client's, or that of a proxy.
    pub client: IpAddr,
    /// The listener that it comes through; `None` stands for any of the kind that the scheme says.
    pub listener: Option<ListenerId>,
    /// Servers that are down, by their address as written in the file.
    pub down: Vec<String>,
    /// How often the request is decided (default 1).
    pub repeat: u32,
    /// The seed of the dice.
    pub seed: u64,
    /// What is expected.
    pub expect: Expect,
    /// Where it is written.
    pub at: Span,
}

/// What a test expects; what is `None` or empty is not looked at.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// The pool that is reached, or the shares of a split in hundredths of a percent.
    pub to: Option<ExpectTo>,
    /// The server that is picked, by its address as written.
    pub server: Option<String>,
    /// The site's name.
    pub site: Option<String>,
    /// The route's name.
    pub route: Option<String>,
    /// The status that Tidegate itself answers.
    pub status: Option<u16>,
    /// Fields of the answer that Tidegate itself gives; names in lower case.
    pub headers: Vec<(String, String)>,
    /// `true`: the same session (its cookie, or value) reaches the same server again, with other dice.
    pub sticky: Option<bool>,
}

/// The expected target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectTo {
    /// A pool by name.
    Pool(String),
    /// A split: pool names with shares in hundredths of a percent.
    Split(Vec<(String, u32)>),
}
