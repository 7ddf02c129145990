//! Where sessions are that an application recognises by a value of its own (`sticky: { by: ... }`).
//!
//! One table per pool, in shards with a lock each: a request looks up one key for a few dozen nanoseconds, and only
//! on routes to such pools. Bounded in number; the least recently used goes first.

use lru::LruCache;
use policy::decide::{Places, SessionKey};
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

struct Entry {
    places: Places,
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

    /// The places kept under a key; their time begins anew.
    pub fn find(&self, key: SessionKey) -> Option<Places> {
        self.0.get(key.pool.0)?.as_ref()?.find(key.hash, Instant::now())
    }

    /// Changes the places kept under a key, none to begin with, while nobody else does. `change` is to be short.
    pub fn change<R>(&self, key: SessionKey, change: impl FnOnce(&mut Places) -> R) -> Option<R> {
        let table = self.0.get(key.pool.0)?.as_ref()?;
        Some(table.change(key.hash, Instant::now(), change))
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

    fn find(&self, key: u64, now: Instant) -> Option<Places> {
        let mut shard = self.shard(key);
        let entry = shard.get_mut(&key)?;
        if now.saturating_duration_since(entry.used) > self.expire {
            shard.pop(&key);
            return None;
        }
        entry.used = now;
        // A copy, for the lock is not held while the request is decided.
        Some(entry.places.clone())
    }

    fn change<R>(&self, key: u64, now: Instant, change: impl FnOnce(&mut Places) -> R) -> R {
        let mut shard = self.shard(key);
        let entry = shard.get_or_insert_mut(key, || Entry { places: Places::default(), used: now });
        if now.saturating_duration_since(entry.used) > self.expire {
            entry.places = Places::default();
        }
        entry.used = now;
        change(&mut entry.places)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy::decide::Place;

    fn at(server: u64) -> Place {
        Place { to: 1, server }
    }

    #[test]
    fn the_first_of_two_wins() {
        let table = Table::new(Duration::from_secs(10), 100);
        let start = Instant::now();
        let reserve = |server: u64, now| {
            table.change(7, now, |places| {
                places.server(1).unwrap_or_else(|| {
                    places.set(at(server));
                    server
                })
            })
        };
        assert_eq!((reserve(1, start), reserve(2, start)), (1, 1));
        let later = start + Duration::from_secs(11);
        assert_eq!((reserve(2, later), reserve(1, later)), (2, 2), "what has expired is nobody's");
    }

    #[test]
    fn records_live_as_long_as_they_are_used() {
        let table = Table::new(Duration::from_secs(10), 100);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        table.change(7, start, |places| places.set(at(1)));
        let find = |now| table.find(7, now).and_then(|places| places.server(1));
        assert_eq!(find(after(9)), Some(1));
        assert_eq!(find(after(18)), Some(1));
        assert_eq!(find(after(29)), None);
        assert_eq!(table.find(8, start), None);
    }

    #[test]
    fn the_number_is_bounded() {
        let table = Table::new(Duration::from_secs(10), 160);
        let now = Instant::now();
        for key in 0..10_000u64 {
            table.change(key.wrapping_mul(0x9e37_79b9_7f4a_7c15), now, |places| places.set(at(key)));
        }
        let kept: usize = table.shards.iter().map(|shard| shard.lock().map_or(0, |shard| shard.len())).sum();
        assert_eq!(kept, 160);
    }
}
