//! Consistent hashing: a value keeps its server while servers come and go (Karger et al., 1997).

use crate::hash::hash;
use crate::model::Server;

/// Points on the ring for a server of average weight: shares are then within a few percent.
const POINTS: f64 = 256.0;

/// Points on a circle of 64 bits, each a server's.
pub(crate) struct Ring(Vec<(u64, u16)>);

impl Ring {
    /// Places the servers. A point depends on the server's name alone, so neither order nor neighbours matter.
    pub(super) fn new(servers: &[Server], name: impl Fn(&Server) -> String) -> Ring {
        let weighted = servers.iter().filter(|server| server.weight > 0).count().max(1);
        let sum: u32 = servers.iter().map(|server| server.weight).sum();
        let mut points = Vec::new();
        for (number, server) in (0..).zip(servers).filter(|(_, server)| server.weight > 0) {
            let share = f64::from(server.weight) * weighted as f64 / f64::from(sum);
            let count = (POINTS * share).round().max(1.0) as u64;
            let name = name(server);
            points.extend((0..count).map(|point| (hash(point + 1, name.as_bytes()), number)));
        }
        points.sort_unstable();
        Ring(points)
    }

    /// The first usable server from the place of `value` onwards.
    pub(super) fn find(&self, value: u64, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let start = self.0.partition_point(|(point, _)| *point < value);
        let (before, after) = self.0.split_at(start);
        let mut last = None;
        for (_, server) in after.iter().chain(before) {
            if last != Some(*server) && usable(usize::from(*server)) {
                return Some(usize::from(*server));
            }
            last = Some(*server);
        }
        None
    }
}
