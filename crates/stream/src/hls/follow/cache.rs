//! Cache of keys and initialization sections.

use std::sync::{Arc, Mutex as StdMutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Maximum number of cached entries. The number is small because a stream that changes its key with each segment never
/// uses an old key again. A stream with one key and an advertisement with another need two. At half this value, keys
/// are fetched again around each advertisement; at twice this value, each stream keeps up to four more sections in
/// memory.
const MAX_ENTRIES: usize = 4;

/// The most recently fetched values, and failures that are valid for a limited time. While the value of a key is being
/// fetched, further calls for that key wait, so that concurrent calls fetch the value only once. Calls for other keys
/// do not wait.
#[derive(Debug)]
pub(super) struct ResourceCache<K, V, E>(StdMutex<CacheState<K, V, E>>);

#[derive(Debug)]
struct CacheState<K, V, E> {
    entries: Vec<CacheEntry<K, V, E>>,
    /// The lock of each key that is being fetched. Only the calls that wait for the value own the lock, so the lock is
    /// freed when the last of these calls ends or is canceled.
    fetching: Vec<(K, Weak<Mutex<()>>)>,
}

type CacheEntry<K, V, E> = (K, Result<V, (E, Instant)>);

impl<K, V, E> Default for ResourceCache<K, V, E> {
    fn default() -> Self {
        Self(StdMutex::new(CacheState { entries: Vec::new(), fetching: Vec::new() }))
    }
}

impl<K: PartialEq + Clone, V: Clone, E: Clone> ResourceCache<K, V, E> {
    /// Returns the value cached for `key`, or else the result of `fetch`. `fetch` returns a failure with the time until
    /// which the failure is cached; with `None`, the failure is not cached.
    pub(super) async fn get(
        &self,
        key: &K,
        fetch: impl Future<Output = Result<V, (E, Option<Instant>)>>,
    ) -> Result<V, E> {
        let key_lock = {
            let mut state = self.state();
            if let Some(found) = state.cached(key) {
                return found;
            }
            state.lock_of(key)
        };
        // Held while the value is fetched, so that concurrent segments with the same key cause one request.
        let _fetching = key_lock.lock().await;
        // Another call can have fetched the value while this one waited.
        if let Some(found) = self.state().cached(key) {
            return found;
        }
        let (result, entry) = match fetch.await {
            Ok(value) => (Ok(value.clone()), Some(Ok(value))),
            Err((error, Some(until))) => (Err(error.clone()), Some(Err((error, until)))),
            Err((error, None)) => (Err(error), None),
        };
        self.state().store(key, entry);
        result
    }

    fn state(&self) -> MutexGuard<'_, CacheState<K, V, E>> {
        // No code that holds the lock leaves the state incomplete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: PartialEq + Clone, V: Clone, E: Clone> CacheState<K, V, E> {
    /// Returns the cached value of a key, or its cached failure if that is still valid; otherwise `None`.
    fn cached(&self, key: &K) -> Option<Result<V, E>> {
        let (_, found) = self.entries.iter().find(|(other, _)| other == key)?;
        match found {
            Ok(value) => Some(Ok(value.clone())),
            Err((error, until)) => (Instant::now() < *until).then(|| Err(error.clone())),
        }
    }

    /// Returns the lock that is shared by all calls that fetch this key.
    fn lock_of(&mut self, key: &K) -> Arc<Mutex<()>> {
        self.fetching.retain(|(_, lock)| lock.strong_count() > 0);
        let shared = self.fetching.iter().find(|(other, _)| other == key);
        shared.and_then(|(_, lock)| lock.upgrade()).unwrap_or_else(|| {
            let lock = Arc::new(Mutex::new(()));
            self.fetching.push((key.clone(), Arc::downgrade(&lock)));
            lock
        })
    }

    /// Replaces the entry of a key. If `entry` is `None`, only removes the old entry.
    fn store(&mut self, key: &K, entry: Option<Result<V, (E, Instant)>>) {
        // An expired failure is removed before the new result is added, so that a key has at most one entry.
        self.entries.retain(|(other, _)| other != key);
        if self.entries.len() >= MAX_ENTRIES {
            // The oldest entry: live streams move forward and do not return to old keys.
            drop(self.entries.remove(0));
        }
        self.entries.extend(entry.map(|entry| (key.clone(), entry)));
    }
}

/// Cache of initialization sections. Sections are in an `Arc`, because the decoder first compares them by pointer.
pub(super) type InitSectionCache<K, E> = ResourceCache<K, Arc<crate::delivery::InitSection>, E>;

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    type TestCache = ResourceCache<&'static str, u32, &'static str>;

    /// Time after which a call counts as blocked.
    const BLOCKED_AFTER: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn slow_key_does_not_block_other_keys() {
        let cache = TestCache::default();
        let slow = cache.get(&"slow", pending());
        tokio::select! {
            // The slow call is polled first, so that it is being fetched when the other one begins.
            biased;
            _ = slow => panic!("the fetch never ends"),
            other = cache.get(&"other", ready(Ok(2))) => assert_eq!(other, Ok(2)),
        }
        // The canceled call has released its key.
        assert_eq!(timeout(BLOCKED_AFTER, cache.get(&"slow", ready(Ok(1)))).await, Ok(Ok(1)));
    }

    #[tokio::test]
    async fn concurrent_calls_for_one_key_fetch_it_once() {
        let (cache, fetches) = (TestCache::default(), AtomicU32::new(0));
        let fetch = || async {
            tokio::task::yield_now().await;
            Ok(fetches.fetch_add(1, Ordering::Relaxed))
        };
        let all = tokio::join!(cache.get(&"a", fetch()), cache.get(&"a", fetch()), cache.get(&"a", fetch()));
        assert_eq!(all, (Ok(0), Ok(0), Ok(0)));
    }

    #[tokio::test]
    async fn failures_are_cached_only_until_their_time() {
        let cache = TestCache::default();
        let fail = |until| ready(Err(("failed", until)));
        let later = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(cache.get(&"a", fail(Some(later))).await, Err("failed"));
        assert_eq!(cache.get(&"a", ready(Ok(1))).await, Err("failed"));
        assert_eq!(cache.get(&"b", fail(None)).await, Err("failed"));
        assert_eq!(cache.get(&"b", ready(Ok(1))).await, Ok(1));
        assert_eq!(cache.get(&"c", fail(Some(Instant::now()))).await, Err("failed"));
        assert_eq!(cache.get(&"c", ready(Ok(1))).await, Ok(1));
    }
}
