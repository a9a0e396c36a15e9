//! Pauses before failed deliveries are retried.

use std::collections::BTreeSet;
use std::time::Duration;

use refrain_catalog::{AfterFailure, Delivery};

/// Pause after the first failure of a message, a sink or the database.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Maximum relative deviation of a pause, so that deliveries that failed together are not retried together.
const JITTER: f64 = 0.2;

/// Minimum number of attempts before a message is marked dead, independent of its age. The message may have waited behind
/// others for a sink that was down, or may have been made due again with `refrain outbox retry`.
const LEAST_ATTEMPTS: u32 = 5;

/// A sink counts as down after failures of this many different messages without a success in between. One message that
/// fails again and again says nothing about the sink.
const DOWN_AFTER: usize = 5;

/// Longest pause between two attempts to reach a sink that is down.
const LONGEST_LOOK: Duration = Duration::from_secs(15);

/// Returns the pause after this number of failures: 1 s, 2 s, 4 s … with jitter, at most `longest`.
pub(super) fn pause(failures: u32, longest: Duration) -> Duration {
    let doubled =
        FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    let jitter = 1.0 - JITTER + 2.0 * JITTER * fastrand::f64();
    doubled.min(longest).mul_f64(jitter).min(longest)
}

/// Returns what follows an attempt that failed at `now`, in milliseconds since 1970. The pause is at least `least`, which
/// the sink requested, even if that is more than `longest`.
pub(super) fn after(
    delivery: &Delivery,
    now: i64,
    (least, longest): (Duration, Duration),
    give_up: Duration,
) -> AfterFailure {
    let age = u128::try_from(now.saturating_sub(delivery.created_at)).unwrap_or_default();
    if delivery.attempts >= LEAST_ATTEMPTS && age >= give_up.as_millis() {
        return AfterFailure::Dead;
    }
    AfterFailure::RetryAfter(pause(delivery.attempts, longest).max(least))
}

pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Circuit breaker of a sink. A sink that is down gets one message at a time, with pauses, until it accepts one. So the
/// other messages keep their attempts.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// Failures since the last success.
    failures: u32,
    /// The messages that failed since the last success, at most [`DOWN_AFTER`].
    failed: BTreeSet<i64>,
    /// Value of `failures` when the sink was taken to be down.
    failures_before: u32,
}

impl Circuit {
    /// Returns true if the sink is taken to be down.
    pub(super) fn is_open(&self) -> bool {
        self.failed.len() >= DOWN_AFTER
    }

    /// Notes that the sink answered. Returns true if it was taken to be down before.
    pub(super) fn answered(&mut self) -> bool {
        let was_down = self.is_open();
        *self = Self::default();
        was_down
    }

    /// Notes that the delivery of `message` failed. Returns true if the sink is taken to be down from now on.
    pub(super) fn failed(&mut self, message: i64) -> bool {
        self.failures = self.failures.saturating_add(1);
        if self.is_open() {
            return false;
        }
        self.failed.insert(message);
        self.failures_before = self.failures;
        self.is_open()
    }

    /// Returns the time until the next attempt to reach a sink that is down.
    pub(super) fn pause(&self, longest: Duration) -> Duration {
        pause(self.failures.saturating_sub(self.failures_before) + 1, longest.min(LONGEST_LOOK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failing_message_does_not_take_the_sink_down() {
        let mut circuit = Circuit::default();
        assert!((0..100).all(|_| !circuit.failed(7)) && !circuit.is_open());
        assert!((1..4).all(|message| !circuit.failed(message)));
        assert!(circuit.failed(4) && circuit.is_open());
        assert!(!circuit.failed(5), "reported once");
        assert!(circuit.answered() && !circuit.is_open());
        assert!(!circuit.failed(1) && !circuit.answered());
    }
}
