//! Keys and sections, fetched once.

use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// How many are kept: a stream that changes its key with each segment never needs an old one again.
const KEPT: usize = 4;

/// The last few things that were fetched, and failures that are believed for a while. Whoever asks while somebody
/// else fetches the same waits for that.
#[derive(Debug)]
pub(super) struct Cache<K, V, E>(Mutex<Vec<Entry<K, V, E>>>);

type Entry<K, V, E> = (K, Result<V, (E, Instant)>);

impl<K, V, E> Default for Cache<K, V, E> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: PartialEq + Clone, V: Clone, E: Clone> Cache<K, V, E> {
    /// What is kept under `key`, else what `fetch` gives. A failure is kept until the time that it comes with, if any.
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

/// Sections are told apart by identity further on, so they are shared.
pub(super) type Sections<K, E> = Cache<K, Arc<crate::delivery::InitSection>, E>;
