//! Rate limit of API calls.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Admits callers one by one, in the order of their arrival, at even intervals.
#[derive(Debug)]
pub(crate) struct Pacer {
    distance: Duration,
    next: Mutex<Instant>,
}

impl Pacer {
    /// Creates a pacer for `per_second` calls per second, limited to 0.1 to 100 like the setting `ivs.calls_per_second`.
    #[expect(clippy::manual_clamp, reason = "clamp leaves NaN as it is")]
    pub(crate) fn new(per_second: f64) -> Self {
        // max() has to come first: it replaces NaN by 0.1.
        let distance = Duration::from_secs_f64(per_second.max(0.1).min(100.0).recip());
        Self { distance, next: Mutex::new(Instant::now()) }
    }

    /// Waits until the caller may proceed. A cancelled wait does not use up a slot.
    pub(crate) async fn wait(&self) {
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + self.distance;
    }
}
