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
    /// A stream: the name of its session, or the id of the stream if the session has no name.
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
    /// Input in which the airing was detected.
    pub detected_in: DetectionSource,
    /// Number of the track at the time of the detection.
    pub track: TrackNumber,
    /// Stable identity of the track.
    pub track_id: TrackId,
    /// Start of the airing, in seconds from the first sample of the session or file.
    pub query_start: f64,
    /// End of the airing, in seconds from the same sample; while the airing continues, the position up to which it has
    /// been detected.
    pub query_end: f64,
    /// Start of the airing in milliseconds: since the Unix epoch in a stream, since the first sample in a file.
    pub start_at: i64,
    /// End of the airing in milliseconds, relative to the same origin as `start_at`.
    pub end_at: i64,
    /// Position in the track at the start of the airing, in seconds.
    pub reference_start: f64,
    /// Playback speed: 1.02 is 2 % too fast.
    pub speed: f64,
    /// Pitch shift in cents: 100 is a semitone up.
    pub pitch_cents: f64,
    /// Probability that the match is a coincidence, from 0 to 1.
    pub false_positive_probability: f64,
    /// Number of peaks of the track that were found in the input.
    pub matched_peaks: u32,
    /// Number of peaks of the track within the matched section.
    pub expected_peaks: u32,
    /// Time at which the detection was first recorded, in milliseconds since the Unix epoch.
    pub first_seen: i64,
    /// Time at which the airing was last seen to continue, in milliseconds since the Unix epoch.
    pub last_seen: i64,
    /// True if the airing has ended and the detection will not change any more.
    pub is_final: bool,
    /// ARN of the channel that the stream belongs to, used in the keys of its messages; `None` if there is no channel.
    pub channel: Option<String>,
}

/// Position of the last detection of a page, after which the next page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    /// Time of that detection, in milliseconds: the one by which the pages are ordered.
    pub at: i64,
    /// Id of that detection, by which detections of the same time are ordered.
    pub id: DetectionId,
}

impl Detection {
    /// Returns the cursor after which the next page of [`crate::Detections::detections_between`] starts.
    #[must_use]
    pub fn cursor_by_start(&self) -> PageCursor {
        PageCursor { at: self.start_at, id: self.id }
    }

    /// Returns the cursor after which the next page of [`crate::Detections::detections_of_track`] starts.
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
    /// Another worker holds the lease of the stream. Nothing was changed.
    LeaseLost,
}

/// Stores and lists detections. Part of [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait Detections: Send + Sync {
    /// Stores a detection: as a new row, or as the next state of the stored detection with the same id. In the same
    /// transaction, adds its messages to the outbox, once per sink and key. `now` is the creation time of the messages,
    /// in milliseconds since the Unix epoch.
    ///
    /// Returns false and changes nothing if the stored state is newer: its [`Detection::last_seen`] is later, or only
    /// the stored state is final. The values of [`Detection::first_seen`] and [`Detection::detected_in`] stay as they
    /// were first recorded.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if an end is before its start, a number is not finite, a time is out of range, or a
    /// name is empty or longer than 2,000 bytes. Sink and key of a message are measured together.
    async fn record(
        &self,
        detection: &Detection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError>;

    /// Does the same as [`Self::record`], unless another worker than `holder` holds the lease of the stream. So a
    /// worker that was cut off from the database cannot add detections to a stream that another worker has taken over.
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

    /// Returns the detections that are not final, ordered by start. A worker that takes over a stream continues these
    /// detections.
    async fn open_detections(&self, detected_in: &DetectionSource) -> Result<Vec<Detection>, CatalogError>;

    /// Returns at most `limit` detections in streams that are not final although no worker can end them any more,
    /// ordered by start. The detections were last seen before `before` (milliseconds since the Unix epoch), and no
    /// running stream has the session that their [`DetectionSource::Stream`] names.
    async fn abandoned_detections(&self, before: i64, limit: u32) -> Result<Vec<Detection>, CatalogError>;

    /// Returns the latest final detections, at most `limit`, whose [`Detection::last_seen`] is at least `since`, in any
    /// order. That time does not depend on the time stamps in the stream. A worker that takes over a stream uses these
    /// detections to recognize the ones that it makes again.
    async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Returns a page of at most `limit` detections that overlap the time from `from` (inclusive) to `to` (exclusive),
    /// ordered by start. Both times are in the unit of [`Detection::start_at`]. The page starts after the cursor
    /// `after` of the previous page ([`Detection::cursor_by_start`]); `None` returns the first page.
    async fn detections_between(
        &self,
        detected_in: &DetectionSource,
        from: i64,
        to: i64,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;

    /// Returns a page of at most `limit` detections of a track, including those under its earlier numbers. They are
    /// ordered by [`Detection::first_seen`], latest first. The page continues after the cursor `before` of the previous
    /// page ([`Detection::cursor_by_first_seen`]); `None` returns the first page.
    async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<Detection>, CatalogError>;
}
