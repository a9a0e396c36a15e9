//! Evidence that a stream does not kill its process or its decoder.

use std::time::{Duration, Instant};

use refrain_catalog::StreamHealth;

use refrain_monitor::StreamStatus;

/// Time after the claim of a stream from which it counts as working, even if no media has arrived or media is queued.
/// A stream without media cannot kill the process, and a first segment arrives within seconds. At half this value, the
/// death of a process by a first segment that arrives after 5 s is not counted. At twice this value, a stream without
/// media delays others: a worker claims a stream with [`SUSPECT_DEATHS`](refrain_catalog::SUSPECT_DEATHS) deaths only
/// after its previous such stream counts as working.
const CONFIRM_AFTER: Duration = Duration::from_secs(10);

/// Time after the claim of a stream, or after the last death of its decoder, from which the stream is healthy: earlier
/// deaths of its decoder do not count any more. At half this value, a stream that kills its decoder every six minutes
/// is never quarantined; at twice this value, rare deaths of a good stream add up to a quarantine.
const HEALTHY_AFTER: Duration = Duration::from_secs(10 * 60);

/// Decides when a stream counts as working or healthy ([`StreamHealth`]).
pub(super) struct HealthTracker {
    started: Instant,
    known: Option<StreamHealth>,
    has_decoder_deaths: bool,
}

impl HealthTracker {
    /// Creates the state for a stream that has just been claimed.
    pub(super) fn new(decoder_deaths: u32) -> Self {
        Self { started: Instant::now(), known: None, has_decoder_deaths: decoder_deaths > 0 }
    }

    /// Returns true if the health of the stream was already written to the database since the claim.
    pub(super) fn is_confirmed(&self) -> bool {
        self.known.is_some()
    }

    /// Returns the health that must be written to the database now; `None` if nothing must be written.
    pub(super) fn pending(&self, status: &StreamStatus) -> Option<StreamHealth> {
        // `Healthy` is checked first: it includes `Works`, and one write is enough.
        if self.has_decoder_deaths && self.started.elapsed() >= HEALTHY_AFTER {
            return Some(StreamHealth::Healthy);
        }
        // All audio that has arrived was decoded without killing the process. Queued audio could contain the segment
        // that kills the process, so the queue must be empty.
        let is_decoded = status.position > 0.0 && status.queued_seconds <= 0.0;
        let is_confirmed = self.known.is_none() && (is_decoded || self.started.elapsed() >= CONFIRM_AFTER);
        is_confirmed.then_some(StreamHealth::Works)
    }

    /// Records that `health` was written.
    pub(super) fn set_written(&mut self, health: StreamHealth) {
        self.known = Some(health);
        self.has_decoder_deaths &= health != StreamHealth::Healthy;
    }

    /// Records a death of the decoder: the time until the stream is healthy starts again.
    pub(super) fn decoder_died(&mut self) {
        (self.started, self.has_decoder_deaths) = (Instant::now(), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_works_when_all_that_arrived_is_decoded() {
        let status =
            |position, queued_seconds| StreamStatus { position, queued_seconds, ..StreamStatus::default() };
        let mut health = HealthTracker::new(0);
        assert_eq!(health.pending(&status(0.0, 0.0)), None, "nothing has arrived");
        assert_eq!(health.pending(&status(6.0, 6.0)), None, "the next segment may be the one that kills");
        assert_eq!(health.pending(&status(12.0, 0.0)), Some(StreamHealth::Works));
        health.set_written(StreamHealth::Works);
        assert_eq!(health.pending(&status(18.0, 0.0)), None, "written once");
    }
}
