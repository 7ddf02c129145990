//! Limits of the process that would otherwise be met long before the machine's.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit of open files to the hard one; each connection takes one descriptor, and the usual
/// soft limit of 1024 exists for programs that use `select`. Children inherit it.
///
/// Returns the limit now in force; `None` is unlimited.
pub fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        // A sandbox may forbid it; the present limit goes on to hold and the listeners pause at it.
        Err(_) => limit.current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_becomes_hard_limit() {
        let in_force = raise_open_files();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(in_force, limit.current);
        assert_eq!(limit.current, limit.maximum);
    }
}
