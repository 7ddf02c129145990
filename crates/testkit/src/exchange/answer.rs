//! What comes back, told in one form for every protocol.

/// Names and values.
pub type Fields = Vec<(String, String)>;

/// The head of an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// Its fields; names as they came.
    pub fields: Fields,
}

impl Head {
    /// The first value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).first().copied()
    }

    /// All values of a field.
    pub fn values(&self, name: &str) -> Vec<&str> {
        values(&self.fields, name)
    }

    /// Whether what follows is a tunnel that was asked for: 101 over HTTP/1, 200 over HTTP/2.
    pub fn opens_tunnel(&self) -> bool {
        self.status == 101 || self.status == 200
    }
}

fn values<'a>(fields: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    fields
        .iter()
        .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
        .collect()
}

/// One thing that comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An interim answer (1xx).
    Interim(Head),
    /// The head of the final answer, or a 101.
    Head(Head),
    /// A piece of the body, or of what comes through a tunnel.
    Data(Vec<u8>),
    /// Fields behind the body.
    Trailers(Fields),
    /// Nothing more comes.
    End(Ending),
}

/// How an exchange or a connection ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// The answer is whole.
    Complete,
    /// The stream was reset with this code.
    Reset(u32),
    /// The connection ended by a GOAWAY with this code.
    GoAway(u32),
    /// The connection was closed in good order: FIN, and `close_notify` with TLS.
    Closed,
    /// The connection ended by a reset, or without TLS's `close_notify`.
    Aborted,
    /// What came is not HTTP.
    Malformed(String),
    /// Not within [`super::LIMIT`].
    #[default]
    Late,
}

/// All that came back.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// Interim answers before the final one.
    pub interim: Vec<Head>,
    /// The head of the final one; `None` if none came.
    pub head: Option<Head>,
    /// Its body, as far as it came.
    pub body: Vec<u8>,
    /// Fields behind it.
    pub trailers: Fields,
    /// How it ended.
    pub ending: Ending,
}

impl Answer {
    /// The status; 0 if there is no final answer.
    pub fn status(&self) -> u16 {
        self.head.as_ref().map_or(0, |head| head.status)
    }

    /// Whether it is whole.
    pub fn is_complete(&self) -> bool {
        self.ending == Ending::Complete
    }

    /// Whether its end was an end before its time, which can be told from a whole one.
    pub fn is_cut(&self) -> bool {
        !matches!(self.ending, Ending::Complete | Ending::Late)
    }

    /// The first value of a field.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.head.as_ref().and_then(|head| head.value(name))
    }

    /// All values of a field.
    pub fn values(&self, name: &str) -> Vec<&str> {
        self.head.as_ref().map(|head| head.values(name)).unwrap_or_default()
    }

    /// The first value of a trailer.
    pub fn trailer(&self, name: &str) -> Option<&str> {
        values(&self.trailers, name).first().copied()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or(serde_json::Value::Null)
    }

    /// Which origin answered (`X-Server`); empty if none did.
    pub fn server(&self) -> &str {
        self.value("x-server").unwrap_or_default()
    }

    /// All values of a request field as an origin reported them (see [`crate::origin`]).
    pub fn seen(&self, name: &str) -> Vec<String> {
        self.reported("headers", name)
    }

    /// All values of a request's trailer as an origin reported them.
    pub fn seen_trailer(&self, name: &str) -> Vec<String> {
        self.reported("trailers", name)
    }

    fn reported(&self, part: &str, name: &str) -> Vec<String> {
        let json = self.json();
        let fields = json[part].as_array().cloned().unwrap_or_default();
        fields
            .iter()
            .filter(|field| field[0].as_str().is_some_and(|known| known.eq_ignore_ascii_case(name)))
            .map(|field| field[1].as_str().unwrap_or_default().to_owned())
            .collect()
    }
}
