//! The deciding machine: configuration, facts and state in; site, route, target and server out.
//!
//! Pure: what it needs and does not have (a session's places, the time) it asks for, what is to be kept it returns as
//! effects, chance comes from [`Dice`], the state of servers from [`State`]. The live proxy, `tests:` and
//! `explain` drive this very code; only the [`Trace`] differs.

mod dice;
mod facts;
mod machine;
mod origin;
mod places;
mod routes;
mod rules;
mod session;
mod trace;

pub use dice::Dice;
pub use facts::{Fields, Request, digest, value};
pub use machine::{Decided, Forward, Input, Machine, Need, Outcome, Step};
pub use origin::Origin;
pub use places::{PLACES_MAX, Place, Places};
pub use rules::{Excluded, Pick, Rules, State};
pub use session::{Effects, Session, SessionKey};
pub use trace::{Event, Recorder, Trace};

pub use crate::persistence::CookieKeys;
