//! Progress of a station: the audio that its connections deliver.
//!
//! A server that is full, or that sends an announcement and closes the connection, responds to each request with a few
//! bytes. Therefore not the bytes but seconds of audio show that a connection works.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Audio in seconds, and time in seconds since its first byte, after which a connection counts as working. At half this
/// value, an announcement of 3 s that a full server sends to each listener counts as the program; at twice this value,
/// the pauses grow for a line that breaks every 8 s, and more of its audio is lost.
const MIN_AUDIO_SECONDS: f64 = 5.0;

/// Handle to report the audio of a [`RadioSource`](super::RadioSource) that was decoded. Without reports, the source
/// has to assume that all bytes are audio.
#[derive(Debug, Clone, Default)]
pub struct RadioFeedback(Arc<AtomicU64>);

impl RadioFeedback {
    /// Reports the total length of the audio that was decoded since the start of the stream, in seconds. Repeated audio
    /// counts, because it was decoded before.
    pub fn report_decoded(&self, seconds: f64) {
        self.0.store(seconds.to_bits(), Ordering::Relaxed);
    }

    fn seconds(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Progress of a station over all of its connections.
#[derive(Debug)]
pub(super) struct StationProgress {
    /// `None` if the consumer does not report the decoded audio.
    feedback: Option<RadioFeedback>,
    /// Time of the first byte of the connection, and seconds of audio that were decoded before it; `None` without a
    /// connection.
    connection: Option<(Instant, f64)>,
    /// Seconds of audio that were decoded up to `last_audio`.
    decoded: f64,
    /// Last time at which a working connection delivered audio; the start of the source before that.
    last_audio: Instant,
    has_played: bool,
}

impl StationProgress {
    /// Creates the progress at the start of a source.
    pub(super) fn new(now: Instant) -> Self {
        Self { feedback: None, connection: None, decoded: 0.0, last_audio: now, has_played: false }
    }

    /// Returns the handle to report decoded audio. From now on, only reported audio counts.
    pub(super) fn feedback(&mut self) -> RadioFeedback {
        self.feedback.get_or_insert_default().clone()
    }

    /// Begins a connection with its first byte.
    pub(super) fn begin(&mut self, now: Instant) {
        self.connection = Some((now, self.feedback.as_ref().map_or(0.0, RadioFeedback::seconds)));
    }

    /// Records that bytes arrived. Returns true if the connection works.
    pub(super) fn receive(&mut self, now: Instant) -> bool {
        let Some((since, before)) = self.connection else { return false };
        let decoded = self.feedback.as_ref().map(RadioFeedback::seconds);
        let connected = now.saturating_duration_since(since).as_secs_f64();
        // Both are required: an announcement that is sent at once can have any length.
        let works = connected.min(decoded.map_or(connected, |seconds| seconds - before)) >= MIN_AUDIO_SECONDS;
        if works && decoded.is_none_or(|seconds| seconds > self.decoded) {
            self.last_audio = now;
            self.decoded = decoded.unwrap_or_default();
        }
        self.has_played |= works;
        works
    }

    /// Ends a connection. Returns true if it worked.
    pub(super) fn end(&mut self, now: Instant) -> bool {
        // The last audio is reported only after it was decoded. Without reports, no bytes arrived since the last call.
        let works = self.feedback.is_some() && self.receive(now);
        self.connection = None;
        works
    }

    /// Returns the time without audio.
    pub(super) fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.last_audio)
    }

    /// Returns true if any connection worked.
    pub(super) fn has_played(&self) -> bool {
        self.has_played
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_seconds_of_decoded_audio_are_progress() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut progress = StationProgress::new(start);
        assert!(!progress.receive(at(100)), "not connected");
        let feedback = progress.feedback();
        feedback.report_decoded(50.0);
        progress.begin(at(100));
        assert!(!progress.receive(at(110)), "bytes that are not decoded");
        feedback.report_decoded(54.0);
        assert!(!progress.receive(at(111)));
        assert!(!progress.end(at(112)) && !progress.has_played());
        assert_eq!(progress.silence(at(112)), Duration::from_secs(112));
        progress.begin(at(120));
        feedback.report_decoded(80.0);
        assert!(!progress.receive(at(121)), "an announcement that was sent at once");
        assert!(progress.receive(at(126)) && progress.has_played());
        assert!(progress.receive(at(140)));
        assert_eq!(progress.silence(at(140)), Duration::from_secs(14), "nothing was decoded after 126 s");
        feedback.report_decoded(81.0);
        assert!(progress.end(at(141)));
        assert_eq!(progress.silence(at(141)), Duration::ZERO);
    }

    #[test]
    fn bytes_are_progress_without_reports() {
        let start = Instant::now();
        let mut progress = StationProgress::new(start);
        progress.begin(start);
        assert!(!progress.receive(start + Duration::from_secs(4)));
        assert!(progress.receive(start + Duration::from_secs(6)));
        assert!(!progress.end(start + Duration::from_secs(20)));
        assert_eq!(progress.silence(start + Duration::from_secs(20)), Duration::from_secs(14));
    }
}
