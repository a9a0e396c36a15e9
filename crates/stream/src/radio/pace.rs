//! Rate limit for the bytes that are read from a station.

use std::time::Duration;

use tokio::time::Instant;

/// Maximum average rate, in bytes per second. Uncompressed stereo at 192 kHz and 24 bits has 1.2 MB per second. At half
/// this value, such audio falls behind; at twice this value, a server that sends as fast as it can takes twice the
/// processor time.
const MAX_BYTES_PER_SECOND: f64 = 2e6;

/// Maximum burst in bytes: several times the amount that servers send at the start of a connection (30 s at 320 kbit/s
/// are 1.2 MB). At half this value, bursts of lossless stations are delayed; at twice this value, a hostile server can
/// send 32 MB at once.
const MAX_BURST_BYTES: f64 = 16e6;

/// Token bucket that limits the bytes read from a station. If a station sends faster than the limit, its data is read
/// more slowly, so that the station uses no more memory and processor time than others.
#[derive(Debug)]
pub(super) struct ReadLimiter {
    /// Bytes that may be read at the time `since`; negative if more bytes than permitted were read.
    budget: f64,
    since: Instant,
}

impl ReadLimiter {
    /// Creates a full bucket: a burst is permitted at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { budget: MAX_BURST_BYTES, since: now }
    }

    /// Subtracts `bytes` that were read at time `now`.
    pub(super) fn count(&mut self, bytes: usize, now: Instant) {
        // Saturating, because a clock of a virtual machine can step back by a rounding error.
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.budget = (self.budget + passed * MAX_BYTES_PER_SECOND).min(MAX_BURST_BYTES) - bytes as f64;
        self.since = now;
    }

    /// Returns the time from which more bytes may be read.
    pub(super) fn ready(&self) -> Instant {
        self.since + Duration::from_secs_f64((-self.budget / MAX_BYTES_PER_SECOND).max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_permitted_and_excess_is_delayed() {
        let start = Instant::now();
        let mut pace = ReadLimiter::new(start);
        pace.count(16_000_000, start);
        assert_eq!(pace.ready(), start);
        pace.count(4_000_000, start);
        assert_eq!(pace.ready(), start + Duration::from_secs(2));
        let later = start + Duration::from_secs(3_600);
        pace.count(16_000, later);
        assert_eq!(pace.ready(), later);
    }
}
