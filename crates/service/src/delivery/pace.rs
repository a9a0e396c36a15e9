//! When what failed is tried again.

use std::time::Duration;

use refrain_catalog::{AfterFailure, Delivery};

/// Pause after the first try of a message, or of a sink, that failed.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How far a pause may be off, so that what failed together does not come again together.
const JITTER: f64 = 0.2;

/// However old, a message is tried so often before it is given up: it may have waited behind others for a sink that was
/// down, or somebody made it due again.
const LEAST_ATTEMPTS: u32 = 5;

/// After so many failures without a success a sink is taken to be down.
const DOWN_AFTER: u32 = 5;

/// Longest pause between two looks whether a sink that was down is back.
const LONGEST_LOOK: Duration = Duration::from_secs(15);

/// Pause after so many tries that failed: 1 s, 2 s, 4 s … with jitter, at most `longest`.
pub(super) fn pause(failures: u32, longest: Duration) -> Duration {
    let doubled =
        FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let jitter = 1.0 - JITTER + 2.0 * JITTER * fastrand::f64();
    doubled.min(longest).mul_f64(jitter).min(longest)
}

/// What follows an attempt that failed at `now`, milliseconds since 1970.
pub(super) fn after(delivery: &Delivery, now: i64, longest: Duration, give_up: Duration) -> AfterFailure {
    let age = u128::try_from(now.saturating_sub(delivery.created_at)).unwrap_or_default();
    if delivery.attempts >= LEAST_ATTEMPTS && age >= give_up.as_millis() {
        return AfterFailure::Dead;
    }
    AfterFailure::RetryAfter(pause(delivery.attempts, longest))
}

pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Whether a sink is up. One that fails again and again gets one message at a time, with pauses, until one is taken: the
/// others keep their attempts.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    failures: u32,
}

impl Circuit {
    /// Whether the sink is taken to be down.
    pub(super) fn is_open(&self) -> bool {
        self.failures >= DOWN_AFTER
    }

    /// The sink answered; whether it was down before.
    pub(super) fn answered(&mut self) -> bool {
        let was_down = self.is_open();
        self.failures = 0;
        was_down
    }

    /// The sink failed; whether it is taken to be down from now on.
    pub(super) fn failed(&mut self) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.failures == DOWN_AFTER
    }

    /// Time to the next look at a sink that is down.
    pub(super) fn pause(&self, longest: Duration) -> Duration {
        pause(self.failures.saturating_sub(DOWN_AFTER - 1), longest.min(LONGEST_LOOK))
    }
}
