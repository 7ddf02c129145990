//! Answers after which another server is tried.

use crate::file::decode::{Field, Problems};
use crate::file::raw::{self, RetriedAnswer};
use crate::file::tree::At;
use crate::model::Retries;
use crate::source::Diagnostic;

/// The answers of a pool's servers that are tried again elsewhere.
pub fn resolve(own: &At<raw::Retries>, problems: &mut Problems) -> Option<Retries> {
    let At { value: own, at: whole } = own;
    let on = match &own.on {
        Field::Given(on) if !on.value.0.is_empty() => &on.value.0,
        Field::Broken => return None,
        Field::Given(given) => {
            let problem = Diagnostic::error(given.at, "no status at all");
            problems.push(problem.label("no answer has one of an empty list"));
            return None;
        }
        Field::Absent => {
            let problem =
                Diagnostic::error(*whole, "`retries` says nothing of the answers that are tried again");
            problems.push(problem.help("write `on: [503, unavailable]`"));
            return None;
        }
    };
    let mut retries = Retries { max: own.max.value().map_or(1, |max| max.0), ..Retries::default() };
    for answer in on {
        match answer.value {
            RetriedAnswer::Http(status) => retries.statuses.push(status),
            RetriedAnswer::Grpc(status) => retries.grpc |= 1 << status,
        }
    }
    retries.statuses.sort_unstable();
    retries.statuses.dedup();
    Some(retries)
}
