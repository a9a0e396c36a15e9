//! The evidence that a stream does not kill its process or its decoder.

use std::time::{Duration, Instant};

use refrain_catalog::StreamHealth;

use crate::monitor::StreamStatus;

/// A stream that does not send anything is taken to work after this time: nothing of it can kill the process.
const WORKS_AFTER: Duration = Duration::from_secs(10);

/// A stream that was decoded for this time is healthy: earlier deaths of its decoder do not count any more.
const HEALTHY_AFTER: Duration = Duration::from_secs(10 * 60);

/// Follows how long a stream works.
pub(super) struct Vitals {
    began: Instant,
    known: Option<StreamHealth>,
    has_decoder_deaths: bool,
}

impl Vitals {
    /// For a stream that is claimed now.
    pub(super) fn new(decoder_deaths: u32) -> Self {
        Self { began: Instant::now(), known: None, has_decoder_deaths: decoder_deaths > 0 }
    }

    /// Returns true if the database has that the stream works.
    pub(super) fn works(&self) -> bool {
        self.known.is_some()
    }

    /// Returns what is to be written now.
    pub(super) fn news(&self, status: &StreamStatus) -> Option<StreamHealth> {
        if self.has_decoder_deaths && self.began.elapsed() >= HEALTHY_AFTER {
            return Some(StreamHealth::Healthy);
        }
        // All that has arrived was decoded, and the process lives.
        let is_decoded = status.position > 0.0 && status.queued_seconds <= 0.0;
        let works = self.known.is_none() && (is_decoded || self.began.elapsed() >= WORKS_AFTER);
        works.then_some(StreamHealth::Works)
    }

    /// Notes what was written.
    pub(super) fn wrote(&mut self, health: StreamHealth) {
        self.known = Some(health);
        self.has_decoder_deaths &= health != StreamHealth::Healthy;
    }

    /// Notes that the decoder died: the stream has to be healthy for the whole time again.
    pub(super) fn decoder_died(&mut self) {
        (self.began, self.has_decoder_deaths) = (Instant::now(), true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_works_when_all_that_arrived_is_decoded() {
        let status =
            |position, queued_seconds| StreamStatus { position, queued_seconds, ..StreamStatus::default() };
        let mut vitals = Vitals::new(0);
        assert_eq!(vitals.news(&status(0.0, 0.0)), None, "nothing has arrived");
        assert_eq!(vitals.news(&status(6.0, 6.0)), None, "the next segment may be the one that kills");
        assert_eq!(vitals.news(&status(12.0, 0.0)), Some(StreamHealth::Works));
        vitals.wrote(StreamHealth::Works);
        assert_eq!(vitals.news(&status(18.0, 0.0)), None, "written once");
    }
}
