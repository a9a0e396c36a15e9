//! Calls not faster than allowed.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

/// Lets callers through one by one, in the order in which they came, with an even distance.
#[derive(Debug)]
pub(crate) struct Pacer {
    distance: Duration,
    next: Mutex<Instant>,
}

impl Pacer {
    /// `per_second` is limited to 0.1 to 100, as `ivs.calls_per_second` is.
    #[expect(clippy::manual_clamp, reason = "clamp leaves NaN as it is")]
    pub(crate) fn new(per_second: f64) -> Self {
        // max() first: it makes a number of NaN.
        let distance = Duration::from_secs_f64(per_second.max(0.1).min(100.0).recip());
        Self { distance, next: Mutex::new(Instant::now()) }
    }

    /// Waits for one's turn. Whoever stops waiting takes nobody's place.
    pub(crate) async fn wait(&self) {
        let mut next = self.next.lock().await;
        sleep_until(*next).await;
        *next = Instant::now() + self.distance;
    }
}
