//! Why a decision came out as it did: nothing on the live path, everything for `explain`.

/// One step of a decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// What was looked at, in the order in which it comes: `request` (refused before it is decided), `client` (as
    /// a trusted proxy names it), `site`, `redirect` (to HTTPS), `route`, `filter`, `session`, `split` (what was
    /// drawn), `pool`, `candidate`, `server`.
    pub step: &'static str,
    /// What it was about: a name.
    pub subject: String,
    /// Whether it was taken.
    pub taken: bool,
    /// Why.
    pub reason: String,
}

/// Listens to a decision.
pub trait Trace {
    /// Whether it wants to hear anything. Where not, events are not even made.
    const ON: bool;

    /// Hears an event.
    fn hear(&mut self, event: Event);

    /// Makes and hears an event, if events are wanted.
    fn tell(&mut self, step: &'static str, taken: bool, event: impl FnOnce() -> (String, String)) {
        if Self::ON {
            let (subject, reason) = event();
            self.hear(Event { step, subject, taken, reason });
        }
    }
}

/// Does not listen; nothing is left of it in the machine's code.
impl Trace for () {
    const ON: bool = false;

    fn hear(&mut self, _: Event) {}
}

/// Keeps all events in order.
#[derive(Debug, Default)]
pub struct Recorder {
    /// The events.
    pub events: Vec<Event>,
}

impl Trace for Recorder {
    const ON: bool = true;

    fn hear(&mut self, event: Event) {
        self.events.push(event);
    }
}
