//! Pauses before failed deliveries are retried.

use std::collections::BTreeSet;
use std::time::Duration;

use refrain_catalog::{AfterFailure, OutboxMessage};

/// Pause after the first failure of a message, a sink or the database. Each further pause is twice as long. Short
/// failures such as a restart of the receiver end within a few of them. At half this value, the first five attempts end
/// after 7 s instead of 15 s; at twice this value, a message that failed once is delivered 2 s late.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Maximum relative deviation of a pause, so that deliveries that failed together are not retried together. At 0.1,
/// retries of one outage arrive within a fifth of the pause; at 0.4, within most of it, but single pauses become as
/// short as 0.6 of the intended one.
const JITTER: f64 = 0.2;

/// Minimum number of attempts before a message is marked dead, independent of its age. The message may have waited
/// behind others for a sink that was down, or may have been made due again with `refrain outbox retry`. With 2, such a
/// message could be dead after seconds; with 10, it is retried for some 8 minutes more.
const MIN_ATTEMPTS: u32 = 5;

/// A sink counts as down after failures of this many different messages without a success in between. One message that
/// fails again and again says nothing about the sink. With 2, two bad messages stop the others; with 10, ten messages
/// lose an attempt before an outage is noticed.
const MAX_FAILED_MESSAGES: usize = 5;

/// Longest pause between two attempts to reach a sink that is down. It is the longest additional delay after the sink
/// is back. At half this value, a sink that is down gets twice the probes; at twice this value, deliveries continue up
/// to 30 s late.
const MAX_PROBE_PAUSE: Duration = Duration::from_secs(15);

/// Returns the pause after this number of failures: 1 s, 2 s, 4 s … with jitter, at most `max_pause`.
pub(super) fn pause(failures: u32, max_pause: Duration) -> Duration {
    let doubled =
        FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    // The maximum applies after the jitter as well, so that no pause exceeds the setting of the operator.
    let jitter = 1.0 - JITTER + 2.0 * JITTER * fastrand::f64();
    doubled.min(max_pause).mul_f64(jitter).min(max_pause)
}

/// Returns what follows an attempt that failed at `now`, in milliseconds since 1970. The pause is at least `min_pause`,
/// which the sink requested, even if that is more than `max_pause`.
pub(super) fn after(
    delivery: &OutboxMessage,
    now: i64,
    (min_pause, max_pause): (Duration, Duration),
    give_up: Duration,
) -> AfterFailure {
    // The clock of the process that recorded the message can be ahead. A negative age counts as zero.
    let age = u128::try_from(now.saturating_sub(delivery.created_at)).unwrap_or_default();
    if delivery.attempts >= MIN_ATTEMPTS && age >= give_up.as_millis() {
        return AfterFailure::Dead;
    }
    // The requested pause wins over the maximum: a receiver that answers with `Retry-After` would count an earlier
    // attempt against its quota.
    AfterFailure::RetryAfter(pause(delivery.attempts, max_pause).max(min_pause))
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
    /// The messages that failed since the last success, at most [`MAX_FAILED_MESSAGES`].
    failed: BTreeSet<i64>,
    /// Value of `failures` when the sink was taken to be down.
    failures_when_opened: u32,
}

impl Circuit {
    /// Returns true if the sink is taken to be down.
    pub(super) fn is_open(&self) -> bool {
        self.failed.len() >= MAX_FAILED_MESSAGES
    }

    /// Notes that the sink answered. Returns true if it was taken to be down before.
    pub(super) fn succeeded(&mut self) -> bool {
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
        // A set of ids: the same message that fails repeatedly counts once.
        self.failed.insert(message);
        self.failures_when_opened = self.failures;
        self.is_open()
    }

    /// Returns the time until the next attempt to reach a sink that is down.
    pub(super) fn pause(&self, max_pause: Duration) -> Duration {
        pause(self.failures.saturating_sub(self.failures_when_opened) + 1, max_pause.min(MAX_PROBE_PAUSE))
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
        assert!(circuit.succeeded() && !circuit.is_open());
        assert!(!circuit.failed(1) && !circuit.succeeded());
    }
}
