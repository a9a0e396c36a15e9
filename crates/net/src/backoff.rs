//! Pauses between retries.

use std::time::Duration;

/// Pauses that double up to a maximum. Each pause is chosen at random between half of its length and its full length,
/// so that a thousand streams of one host do not reconnect at the same time.
///
/// # Examples
/// ```
/// use std::time::Duration;
///
/// use refrain_net::Backoff;
///
/// let mut backoff = Backoff::new((Duration::from_millis(100), Duration::from_secs(1)));
/// let pause = backoff.next();
/// assert!(pause >= Duration::from_millis(50) && pause <= Duration::from_millis(100));
/// let pause = backoff.next();
/// assert!(pause >= Duration::from_millis(100) && pause <= Duration::from_millis(200));
/// backoff.reset();
/// assert_eq!(backoff.tries(), 0);
/// ```
#[derive(Debug, Clone)]
pub struct Backoff {
    first_pause: Duration,
    max_pause: Duration,
    tries: u32,
}

impl Backoff {
    /// Creates a backoff with the first and the longest pause.
    #[must_use]
    pub fn new((first_pause, max_pause): (Duration, Duration)) -> Self {
        Self { first_pause, max_pause, tries: 0 }
    }

    /// Returns the next pause and counts it.
    #[allow(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> Duration {
        // A shift by 32 or more bits is `None`. Saturation keeps the pause at its maximum however many tries fail.
        let doubled = self.first_pause.saturating_mul(1_u32.checked_shl(self.tries).unwrap_or(u32::MAX));
        self.tries = self.tries.saturating_add(1);
        // Half of the pause is fixed, so that two tries never follow each other directly.
        doubled.min(self.max_pause).mul_f64(0.5 + 0.5 * fastrand::f64())
    }

    /// Returns the number of pauses since the start or the last reset.
    #[must_use]
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Restarts with the first pause.
    pub fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_maximum() {
        let mut backoff = Backoff::new((Duration::from_millis(100), Duration::from_secs(1)));
        for max_pause in [100, 200, 400, 800, 1000, 1000] {
            let pause = backoff.next().as_millis();
            assert!((max_pause / 2..=max_pause).contains(&pause), "{pause} of {max_pause}");
        }
        (0..100).for_each(|_| assert!(backoff.next() <= Duration::from_secs(1)));
    }
}
