//! How fast a station may send.

use std::time::Duration;

use tokio::time::Instant;

/// Bytes a second that are read of a station on average. Uncompressed stereo at 192 kHz and 24 bits has 1.2 MB.
const MAX_BYTES_PER_SECOND: f64 = 2e6;

/// Bytes that may arrive at once: what servers send at the start of a connection, several times over.
const MAX_BURST_BYTES: f64 = 16e6;

/// Limits the bytes that are read of a station (a token bucket). A station that sends faster is read more slowly, so that it
/// takes no more memory and processor time than others.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes that may be read at `since`; negative where too many were read.
    budget: f64,
    since: Instant,
}

impl Pace {
    /// A full bucket.
    pub(super) fn new(now: Instant) -> Self {
        Self { budget: MAX_BURST_BYTES, since: now }
    }

    /// Counts bytes that were read.
    pub(super) fn count(&mut self, bytes: usize, now: Instant) {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.budget = (self.budget + passed * MAX_BYTES_PER_SECOND).min(MAX_BURST_BYTES) - bytes as f64;
        self.since = now;
    }

    /// When more may be read.
    pub(super) fn ready(&self) -> Instant {
        self.since + Duration::from_secs_f64((-self.budget / MAX_BYTES_PER_SECOND).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_pass_and_what_is_too_fast_waits() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.count(16_000_000, start);
        assert_eq!(pace.ready(), start);
        pace.count(4_000_000, start);
        assert_eq!(pace.ready(), start + Duration::from_secs(2));
        let later = start + Duration::from_secs(3_600);
        pace.count(16_000, later);
        assert_eq!(pace.ready(), later);
    }
}
