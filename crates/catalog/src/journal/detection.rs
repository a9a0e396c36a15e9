//! Detections of tracks in streams and files.

use std::borrow::Cow;

use async_trait::async_trait;

use super::detection_id::DetectionId;
use super::lease::LeaseHolder;
use super::outbox::NewOutboxMessage;
use super::stored::{clamp_time, name_fault, text};
use crate::{CatalogError, TrackId, TrackNumber};

/// The input in which a track was detected.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DetectionSource {
    /// A stream: the name of its session, or its id if the session has no name.
    Stream(String),
    /// A file, by its name.
    File(String),
}

impl DetectionSource {
    /// Returns the kind, as it is stored in the database, and the name.
    pub(crate) fn parts(&self) -> (i16, Cow<'_, str>) {
        match self {
            Self::Stream(id) => (1, text(id)),
            Self::File(name) => (2, text(name)),
        }
    }

    /// Returns the input for a kind and a name of [`DetectionSource::parts`], or `None` if the kind is unknown.
    pub(crate) fn of(kind: i16, name: String) -> Option<Self> {
        match kind {
            1 => Some(Self::Stream(name)),
            2 => Some(Self::File(name)),
            _ => None,
        }
    }
}

/// The detection of one airing of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Identity of the airing.
    pub id: DetectionId,
    /// Input in which it was detected.
    pub detected_in: DetectionSource,
    /// Number of the track at the time of the detection.
    pub track: TrackNumber,
    /// Stable identity of the track.
    pub track_id: TrackId,
    /// Start in seconds from the first sample.
    pub query_start: f64,
    /// End in seconds from the first sample; while the airing continues, the position up to which it has been detected.
    pub query_end: f64,
    /// Start in milliseconds: since the Unix epoch in a stream, since the first sample in a file.
    pub start_at: i64,
    /// End in milliseconds, relative to the same origin as the start.
    pub end_at: i64,
    /// Position in the track at the start, in seconds.
    pub reference_start: f64,
    /// Playback speed: 1.02 is 2 % too fast.
    pub speed: f64,
    /// Pitch shift in cents: 100 is a semitone up.
    pub pitch_cents: f64,
    /// Probability that the match is a coincidence.
    pub false_positive_probability: f64,
    /// Number of peaks of the track that were found.
    pub matched_peaks: u32,
    /// Number of peaks of the track within the matched section.
    pub expected_peaks: u32,
    /// Time at which it was first recorded, in milliseconds since the Unix epoch.
    pub first_seen: i64,
    /// Time at which it was last seen to continue, in milliseconds since the Unix epoch.
    pub last_seen: i64,
    /// True if the airing has ended and the detection will not change any more.
    pub is_final: bool,
    /// Channel that the stream belongs to, used in the keys of its messages.
    pub channel: Option<String>,
}

/// Position of the last detection of a page, after which the next page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    /// Value of the time that the pages are ordered by.
    pub at: i64,
    /// Orders detections of the same time.
    pub id: DetectionId,
}

impl Detection {
    /// Returns the mark after which the next page of [`crate::Detections::detections_between`] starts.
    #[must_use]
    pub fn cursor_by_start(&self) -> PageCursor {
        PageCursor { at: self.start_at, id: self.id }
    }

    /// Returns the mark after which the next page of [`crate::Detections::detections_of_track`] starts.
    #[must_use]
    pub fn cursor_by_first_seen(&self) -> PageCursor {
        PageCursor { at: self.first_seen, id: self.id }
    }

    /// Returns the reason why the detection cannot be stored, or `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        let numbers = [self.query_start, self.query_end, self.reference_start, self.speed, self.pitch_cents];
        // PostgreSQL stores NaN and infinities, SQLite stores NaN as NULL, and JSON has neither.
        let finite = numbers.iter().all(|n| n.is_finite()) && self.false_positive_probability.is_finite();
        // Times are rejected, not clamped, because a clamped end could be before its start.
        let times = [self.start_at, self.end_at, self.first_seen, self.last_seen];
        if !finite || times != times.map(clamp_time) {
            return Some(format!("detection {}: a number is not finite or a time is out of range", self.id));
        }
        if self.query_end < self.query_start || self.end_at < self.start_at {
            return Some(format!("detection {}: its end is before its start", self.id));
        }
        match &self.detected_in {
            DetectionSource::Stream(id) => name_fault("stream", id),
            DetectionSource::File(name) => name_fault("file", name),
        }
    }
}

/// The result of [`crate::Detections::record_with_lease`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordOutcome {
    /// The detection and its messages are stored.
    Stored,
    /// A newer state of the detection was stored before. Nothing was changed.
    Outdated,
    /// Another worker holds the stream. Nothing was changed.
    LeaseLost,
}

/// Stores and lists detections. Part of [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait Detections: Send + Sync {
    /// Stores a detection, as a new row or as the next state of the one with its id, and in the same transaction adds
    /// its messages to the outbox, once per sink and key.
    ///
    /// Returns false and changes nothing if the stored state is newer: it was seen later, or is final and this one is
    /// not. The values of [`Detection::first_seen`] and [`Detection::detected_in`] stay as they were first recorded.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] for an end before the start, numbers that are not finite, times out of range, and
    /// names that are empty or longer than 2,000 bytes (sink and key together).
    async fn record(
        &self,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError>;

    /// Does the same as [`Self::record`] unless another worker holds the stream. This prevents a worker that was cut
    /// off from the database from adding to a stream that another worker has taken over.
    ///
    /// # Errors
    /// As for [`Self::record`].
    async fn record_with_lease(
        &self,
        holder: LeaseHolder<'_>,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<RecordOutcome, CatalogError>;

    /// Returns the detections that are not final, ordered by start. A worker that takes over a stream continues them.
    async fn open_detections(&self, detected_in: &DetectionSource) -> Result<Vec<Detection>, CatalogError>;

    /// Returns detections in streams that are not final, were last seen before `before`, and have no worker left that
    /// could end them: no stream that has not ended is in their session (or has their id, if the session has no name).
    /// Returns the first ones, ordered by start.
    async fn abandoned_detections(&self, before: i64, limit: u32) -> Result<Vec<Detection>, CatalogError>;

    /// Returns final detections with a [`Detection::last_seen`] of at least `since`, which does not depend on the
    /// timestamps in the stream: the latest ones, in no order. A worker that takes over a stream uses them to
    /// deduplicate detections that it makes again.
    async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Returns a page of detections that overlap the time from `from` (inclusive) to `to` (exclusive), in the unit of
    /// [`Detection::start_at`], ordered by start, starting after the mark of the previous page
    /// ([`Detection::cursor_by_start`]).
    async fn detections_between(
        &self,
        detected_in: &DetectionSource,
        from: i64,
        to: i64,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Returns a page of detections of a track, whatever its number was, ordered by first seen, latest first, starting
    /// after the mark of the previous page ([`Detection::cursor_by_first_seen`]).
    async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;
}
