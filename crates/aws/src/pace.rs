//! Rate limit of API calls.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Admits callers one by one, in the order of their arrival, at even intervals.
#[derive(Debug)]
pub(crate) struct Pacer {
    interval: Duration,
    next: Mutex<Instant>,
}

impl Pacer {
    /// Creates a pacer for `per_second` calls per second, limited to 0.1 to 100 like the setting
    /// `ivs.calls_per_second`.
    #[expect(clippy::manual_clamp, reason = "clamp leaves NaN as it is")]
    pub(crate) fn new(per_second: f64) -> Self {
        // max() has to come first: it replaces NaN by 0.1.
        let interval = Duration::from_secs_f64(per_second.max(0.1).min(100.0).recip());
        Self { interval, next: Mutex::new(Instant::now()) }
    }

    /// Waits until the caller may proceed. A cancelled wait does not count as a call.
    pub(crate) async fn wait(&self) {
        // The lock is held while sleeping: tokio's mutex is fair, so the waiting callers keep their order.
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        // The interval counts from now and not from the planned time, so that a pause is not followed by a burst.
        *next = Instant::now() + self.interval;
    }
}
