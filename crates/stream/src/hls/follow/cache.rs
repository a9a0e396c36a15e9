//! Cache of keys and initialization sections.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// Number of cached entries. It is small because a stream that changes its key with each segment never uses an old key again.
const KEPT: usize = 4;

/// The most recently fetched values, and failures that are valid for a limited time. While a value is being fetched, further
/// calls wait, so that concurrent requests for the same value fetch it only once.
#[derive(Debug)]
pub(super) struct Cache<K, V, E>(Mutex<Vec<Entry<K, V, E>>>);

type Entry<K, V, E> = (K, Result<V, (E, Instant)>);

impl<K, V, E> Default for Cache<K, V, E> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: PartialEq + Clone, V: Clone, E: Clone> Cache<K, V, E> {
    /// Returns the value cached for `key`, or else the result of `fetch`. A failure is cached until the time that `fetch`
    /// returns with it; without a time it is not cached.
    pub(super) async fn get(
        &self,
        key: &K,
        fetch: impl Future<Output = Result<V, (E, Option<Instant>)>>,
    ) -> Result<V, E> {
        let mut kept = self.0.lock().await;
        if let Some((_, found)) = kept.iter().find(|(other, _)| other == key) {
            match found {
                Ok(value) => return Ok(value.clone()),
                Err((error, until)) if Instant::now() < *until => return Err(error.clone()),
                Err(_) => {}
            }
        }
        kept.retain(|(other, _)| other != key);
        let (result, entry) = match fetch.await {
            Ok(value) => (Ok(value.clone()), Some(Ok(value))),
            Err((error, Some(until))) => (Err(error.clone()), Some(Err((error, until)))),
            Err((error, None)) => (Err(error), None),
        };
        if kept.len() >= KEPT {
            drop(kept.remove(0));
        }
        kept.extend(entry.map(|entry| (key.clone(), entry)));
        result
    }
}

/// Cache of initialization sections. They are in an `Arc` because the decoder compares sections by identity.
pub(super) type Sections<K, E> = Cache<K, Arc<crate::delivery::InitSection>, E>;
