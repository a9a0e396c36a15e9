//! Pauses before failed deliveries are retried.

use std::collections::BTreeSet;
use std::time::Duration;

use refrain_catalog::{AfterFailure, OutboxMessage};

/// Pause after the first failure of a message, a sink or the database. Each further pause is twice as long. A restart
/// of a receiver takes a few seconds, so it ends within a few pauses. At half this value, the first five attempts end
/// after 7 s instead of 15 s; at twice this value, a message that failed once is delivered 2 s late.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Maximum deviation of a pause from its intended length, as a fraction of that length. Deliveries that failed at the
/// same time are then retried at different times. At half this value, all retries after an outage reach the receiver
/// within a fifth of the pause; at twice this value, single pauses are as short as 0.6 of the intended one.
const JITTER: f64 = 0.2;

/// Minimum number of attempts before a message is marked as dead, whatever its age. An old message may have had few
/// attempts: it waited behind others for a sink that was down, or `refrain outbox retry` made it due again. With 2,
/// such a message could be dead after seconds; with 10, it is retried for some 8 minutes more.
const MIN_ATTEMPTS: u32 = 5;

/// Number of different messages that must fail without a success in between before their sink counts as down. A message
/// that fails repeatedly counts once, because the message itself can be the reason. With 2, two bad messages delay all
/// others; with 10, ten messages lose an attempt before an outage is noticed.
const MAX_FAILED_MESSAGES: usize = 5;

/// Maximum pause between two attempts to reach a sink that is down. After the sink has recovered, deliveries continue
/// at most this time later. At half this value, a sink that is down gets twice the attempts; at twice this value,
/// deliveries continue up to 30 s late.
const MAX_PROBE_PAUSE: Duration = Duration::from_secs(15);

/// Returns the pause after `failures` failures in a row: 1 s, 2 s, 4 s … with jitter, at most `max_pause`.
pub(super) fn pause(failures: u32, max_pause: Duration) -> Duration {
    let doubled =
        FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
    // The maximum applies after the jitter as well, so that no pause exceeds the setting of the operator.
    let jitter = 1.0 - JITTER + 2.0 * JITTER * fastrand::f64();
    doubled.min(max_pause).mul_f64(jitter).min(max_pause)
}

/// Decides if a message is retried or dead after an attempt that failed at `now`, in milliseconds since 1970. A message
/// is dead if it is older than `give_up` and has had at least [`MIN_ATTEMPTS`] attempts. The pause before a retry is at
/// least `min_pause`, which the sink requested, even if that is more than `max_pause`.
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
    // The requested pause takes precedence over the maximum: a receiver that answers with `Retry-After` would count an
    // earlier attempt against its quota.
    AfterFailure::RetryAfter(pause(delivery.attempts, max_pause).max(min_pause))
}

pub(super) fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// Circuit breaker of a sink. A sink that is down gets one message at a time, with pauses, until it accepts or
/// permanently rejects a message. The attempts of the other messages are not used up during this time.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// Number of failures since the last success.
    failures: u32,
    /// Ids of the messages that failed since the last success, at most [`MAX_FAILED_MESSAGES`].
    failed: BTreeSet<i64>,
    /// Number of failures at the moment from which the sink is considered down; equal to `failures` before that.
    failures_when_opened: u32,
}

impl Circuit {
    /// Returns true if the sink is considered down.
    pub(super) fn is_open(&self) -> bool {
        self.failed.len() >= MAX_FAILED_MESSAGES
    }

    /// Records that the sink accepted a message or rejected it permanently, which shows that the sink is reachable.
    /// Returns true if the sink was considered down before.
    pub(super) fn succeeded(&mut self) -> bool {
        let was_down = self.is_open();
        *self = Self::default();
        was_down
    }

    /// Records a failed delivery of `message`. Returns true if the sink is considered down from this failure on, and
    /// false if it was considered down before or is still considered reachable.
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
