//! Detections of tracks in streams and files.

use refrain_core::audio::ClockSource;
use refrain_core::matching::Match;
use refrain_core::matching::live::EventKind;

use super::detection_id::DetectionId;

/// The detection of one airing of a track, in the state that the event of this detection reports. The same type goes
/// from the monitor to the messages for the sinks and to the journal, and from the journal to the worker that takes
/// over the stream.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Identity of the airing.
    pub id: DetectionId,
    /// Kind of the event: the airing was found, continues, or has ended. After a final event the detection does not
    /// change any more.
    pub kind: EventKind,
    /// The match so far, with the number of the track at the time of the detection. The query times are seconds after
    /// [`Self::origin`]. While the airing continues, `query_end` is the position up to which it has been detected.
    pub detected: Match,
    /// Position in the track at the end of the match, in seconds. It differs from the position that follows from start,
    /// length and speed if audio was lost or repeated in the airing.
    pub reference_end: f64,
    /// Speed at the end of the match; the speed of the match is that of the whole airing.
    pub current_speed: f64,
    /// Time of the query time 0, in seconds since the Unix epoch; 0 for a file.
    pub origin: f64,
    /// Query time of the decision to emit the event, in seconds. Later audio did not influence the decision.
    pub known_at: f64,
    /// Source of the times of day; `None` for a file, and if no audio of the stream was decoded.
    pub clock: Option<ClockSource>,
    /// Delay of the stream: seconds from the date of its newest segment, as the stream declares it, to the arrival of
    /// this segment. `None` if the stream declares no dates.
    pub clock_offset: Option<f64>,
    /// Total length of the gaps in the airing, in seconds of missing audio.
    pub missing_seconds: f64,
}

impl Detection {
    /// Returns true if the airing has ended.
    #[must_use]
    pub fn is_final(&self) -> bool {
        self.kind == EventKind::Final
    }

    /// Returns the start of the airing in seconds: since the Unix epoch in a stream, since the first sample in a file.
    #[must_use]
    pub fn epoch(&self) -> f64 {
        self.origin + self.detected.query_start
    }

    /// Returns the start of the airing in milliseconds: since the Unix epoch in a stream, since the first sample in a
    /// file.
    #[must_use]
    pub fn start_at(&self) -> i64 {
        milliseconds(self.epoch())
    }

    /// Returns the end of the airing in milliseconds, relative to the same origin as [`Self::start_at`].
    #[must_use]
    pub fn end_at(&self) -> i64 {
        let length = self.detected.query_end - self.detected.query_start;
        self.start_at().saturating_add(milliseconds(length))
    }

    /// Sets the time of the query time 0, in seconds since the Unix epoch, and converts the query times, so that start
    /// and end keep their time of day.
    ///
    /// # Examples
    /// ```
    /// # use refrain_catalog::{Detection, DetectionId, TrackNumber};
    /// # use refrain_core::matching::{Match, live::EventKind};
    /// # let detected = Match { track: TrackNumber(1), query_start: 30.0, query_end: 40.0, reference_start: 0.0,
    /// #     speed: 1.0, pitch_cents: 0.0, false_positive_probability: 0.0, aligned_landmarks: 0, expected_peaks: 0,
    /// #     matched_peaks: 0, segments: Vec::new() };
    /// # let mut detection = Detection { id: DetectionId::generate(), kind: EventKind::Update, detected,
    /// #     reference_end: 10.0, current_speed: 1.0, origin: 1000.0, known_at: 41.0, clock: None, clock_offset: None,
    /// #     missing_seconds: 0.0 };
    /// assert_eq!((detection.detected.query_start, detection.start_at()), (30.0, 1_030_000));
    /// detection.set_origin(990.0);
    /// assert_eq!((detection.detected.query_start, detection.start_at()), (40.0, 1_030_000));
    /// ```
    pub fn set_origin(&mut self, origin: f64) {
        let shift = self.origin - origin;
        self.detected.shift_query(shift);
        self.known_at += shift;
        self.origin = origin;
    }
}

fn milliseconds(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64 // `as` saturates, and converts NaN to 0
}
