//! Where sessions are that an application recognises by a value of its own (`sticky: { by: ... }`).
//!
//! One table per pool, in shards with a lock each: a request looks up one key for a few dozen nanoseconds, and only
//! on routes to such pools. Bounded in number; the least recently used goes first.

use lru::LruCache;
use policy::decide::{Record, SessionKey};
use policy::model::{Policy, Sticky};
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const SHARDS: usize = 16;

/// The tables of all pools.
pub struct Sessions(Vec<Option<Table>>);

struct Table {
    expire: Duration,
    shards: Vec<Mutex<LruCache<u64, Entry>>>,
}

#[derive(Clone, Copy)]
struct Entry {
    record: Record,
    used: Instant,
}

impl Sessions {
    /// Empty tables, as the pools want them.
    pub fn new(policy: &Policy) -> Sessions {
        let table = |sticky: &Option<Sticky>| match sticky {
            Some(Sticky::By(by)) => Some(Table::new(by.expire, by.max)),
            _ => None,
        };
        Sessions(policy.pools.iter().map(|pool| table(&pool.sticky)).collect())
    }

    /// The record kept under a key; its time begins anew.
    pub fn find(&self, key: SessionKey) -> Option<Record> {
        self.0.get(key.pool.0)?.as_ref()?.find(key.hash, Instant::now())
    }

    /// Keeps a record.
    pub fn keep(&self, key: SessionKey, record: Record) {
        if let Some(Some(table)) = self.0.get(key.pool.0) {
            table.keep(key.hash, record, Instant::now());
        }
    }
}

impl Table {
    fn new(expire: Duration, max: usize) -> Table {
        let each = NonZeroUsize::new(max.div_ceil(SHARDS)).unwrap_or(NonZeroUsize::MIN);
        // Not allocated beforehand: the bound is for the worst case.
        let shard = || {
            let mut cache = LruCache::unbounded();
            cache.resize(each);
            Mutex::new(cache)
        };
        Table { expire, shards: (0..SHARDS).map(|_| shard()).collect() }
    }

    fn shard(&self, key: u64) -> std::sync::MutexGuard<'_, LruCache<u64, Entry>> {
        self.shards[(key >> 60) as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, key: u64, now: Instant) -> Option<Record> {
        let mut shard = self.shard(key);
        let entry = shard.get_mut(&key)?;
        if now.saturating_duration_since(entry.used) > self.expire {
            shard.pop(&key);
            return None;
        }
        entry.used = now;
        Some(entry.record)
    }

    fn keep(&self, key: u64, record: Record, now: Instant) {
        self.shard(key).put(key, Entry { record, used: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_live_as_long_as_they_are_used() {
        let table = Table::new(Duration::from_secs(10), 100);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        table.keep(7, Record(1), start);
        assert_eq!(table.find(7, after(9)), Some(Record(1)));
        assert_eq!(table.find(7, after(18)), Some(Record(1)));
        assert_eq!(table.find(7, after(29)), None);
        assert_eq!(table.find(8, start), None);
    }

    #[test]
    fn the_number_is_bounded() {
        let table = Table::new(Duration::from_secs(10), 160);
        let now = Instant::now();
        for key in 0..10_000u64 {
            table.keep(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), Record(key), now);
        }
        let kept: usize = table.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.len())).sum();
        assert_eq!(kept, 160);
    }
}
