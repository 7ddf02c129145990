//! Mistakes that several keys of a pool make together, some of which it may take over from another.

use crate::file::decode::{Field, Problems};
use crate::source::{Diagnostic, Span};

/// Where a pool is written.
#[derive(Clone, Copy)]
pub struct Place<'f> {
    /// Its name.
    pub name: &'f str,
    /// Its own keys.
    pub at: Span,
    /// Whether it takes over another pool's keys.
    pub inherits: bool,
}

/// Reports a mistake that keys make together: at the pool's own one, since what it takes over by `like` may be right
/// where it is written. `keys` begins with the one to blame where all are of one place. `finish` says the rest.
pub fn together(
    message: &str,
    keys: &[Option<Span>],
    place: Place,
    problems: &mut Problems,
    finish: impl FnOnce(Diagnostic) -> Diagnostic,
) {
    let keys = || keys.iter().copied().flatten();
    let own = keys().find(|key| place.at.holds(*key));
    let problem = match (own, keys().find(|key| !place.at.holds(*key))) {
        (Some(own), Some(base)) => {
            let message = format!("in the pool `{}`, {message}", place.name);
            Diagnostic::error(own, message).other(base, "taken over from here")
        }
        // All of it is another pool's mistake, which is reported there.
        (None, _) if place.inherits => return,
        _ => Diagnostic::error(keys().next().unwrap_or(place.at), message),
    };
    problems.push(finish(problem));
}

/// The place of a field's value.
pub fn at<T>(field: &Field<T>) -> Option<Span> {
    field.given().map(|given| given.at)
}
