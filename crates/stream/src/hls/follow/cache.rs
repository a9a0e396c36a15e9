//! Cache of keys and initialization sections.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Maximum number of cached entries. It is small because a stream that changes its key with each segment never uses an
/// old key again; a stream with one key and an advertisement with another needs two. At half, keys are fetched again
/// around each advertisement; at twice, each stream keeps up to four more sections in memory.
const MAX_ENTRIES: usize = 4;

/// The most recently fetched values, and failures that are valid for a limited time. While a value is being fetched, further
/// calls wait, so that concurrent requests for the same value fetch it only once.
#[derive(Debug)]
pub(super) struct ResourceCache<K, V, E>(Mutex<Vec<CacheEntry<K, V, E>>>);

type CacheEntry<K, V, E> = (K, Result<V, (E, Instant)>);

impl<K, V, E> Default for ResourceCache<K, V, E> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: PartialEq + Clone, V: Clone, E: Clone> ResourceCache<K, V, E> {
    /// Returns the value cached for `key`, or else the result of `fetch`. A failure is cached until the time that `fetch`
    /// returns with it; without a time it is not cached.
    pub(super) async fn get(
        &self,
        key: &K,
        fetch: impl Future<Output = Result<V, (E, Option<Instant>)>>,
    ) -> Result<V, E> {
        // Held while the value is fetched, so that concurrent segments with the same key cause one request.
        let mut entries = self.0.lock().await;
        if let Some((_, found)) = entries.iter().find(|(other, _)| other == key) {
            match found {
                Ok(value) => return Ok(value.clone()),
                Err((error, until)) if Instant::now() < *until => return Err(error.clone()),
                Err(_) => {}
            }
        }
        // An expired failure is removed before the new result is added, so that a key has at most one entry.
        entries.retain(|(other, _)| other != key);
        let (result, entry) = match fetch.await {
            Ok(value) => (Ok(value.clone()), Some(Ok(value))),
            Err((error, Some(until))) => (Err(error.clone()), Some(Err((error, until)))),
            Err((error, None)) => (Err(error), None),
        };
        if entries.len() >= MAX_ENTRIES {
            // The oldest entry: live streams move forward and do not return to old keys.
            drop(entries.remove(0));
        }
        entries.extend(entry.map(|entry| (key.clone(), entry)));
        result
    }
}

/// Cache of initialization sections. They are in an `Arc` because the decoder compares sections by identity.
pub(super) type InitSectionCache<K, E> = ResourceCache<K, Arc<crate::delivery::InitSection>, E>;
