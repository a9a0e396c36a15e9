//! Stores and lists detections.

use std::borrow::Cow;

use async_trait::async_trait;
use refrain_core::matching::Match;

use super::detection::Detection;
use super::detection_id::DetectionId;
use super::outbox::NewOutboxMessage;
use super::stored::{clamp_time, name_fault, text};
use crate::{CatalogError, TrackId};

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

/// A detection as it is stored in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDetection {
    /// The detection. A stored detection that is not final has the kind `Update`, even before its first update.
    pub detection: Detection,
    /// Input in which the airing was detected.
    pub detected_in: DetectionSource,
    /// Stable identity of the track.
    pub track_id: TrackId,
    /// ARN of the channel that the stream belongs to, used in the keys of its messages; `None` if there is no channel.
    pub channel: Option<String>,
    /// Time at which the detection was first recorded, in milliseconds since the Unix epoch.
    pub first_seen: i64,
    /// Time at which the airing was last seen to continue, in milliseconds since the Unix epoch.
    pub last_seen: i64,
}

/// Position of the last detection of a page, after which the next page starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageCursor {
    /// Time of that detection, in milliseconds: the one by which the pages are ordered.
    pub at: i64,
    /// Id of that detection, by which detections of the same time are ordered.
    pub id: DetectionId,
}

impl StoredDetection {
    /// Returns the cursor after which the next page of [`crate::Detections::detections_between`] starts.
    #[must_use]
    pub fn cursor_by_start(&self) -> PageCursor {
        PageCursor { at: self.detection.start_at(), id: self.detection.id }
    }

    /// Returns the cursor after which the next page of [`crate::Detections::detections_of_track`] starts.
    #[must_use]
    pub fn cursor_by_first_seen(&self) -> PageCursor {
        PageCursor { at: self.first_seen, id: self.detection.id }
    }

    /// Returns the reason why the detection cannot be stored, or `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        let Detection { id, detected, reference_end, current_speed, origin, known_at, .. } = &self.detection;
        let Match { query_start, query_end, reference_start, speed, pitch_cents, .. } = *detected;
        let of_match = [query_start, query_end, reference_start, speed, pitch_cents];
        let of_state = [*reference_end, *current_speed, *origin, *known_at, self.detection.missing_seconds];
        // PostgreSQL stores NaN and infinities, SQLite stores NaN as NULL, and JSON has neither.
        let finite = of_match.iter().chain(&of_state).all(|n| n.is_finite())
            && detected.false_positive_probability.is_finite();
        // Times are rejected, not clamped, because a clamped end could be before its start.
        let times = [self.detection.start_at(), self.detection.end_at(), self.first_seen, self.last_seen];
        if !finite || times != times.map(clamp_time) {
            return Some(format!("detection {id}: a number is not finite or a time is out of range"));
        }
        if query_end < query_start {
            return Some(format!("detection {id}: its end is before its start"));
        }
        match &self.detected_in {
            DetectionSource::Stream(id) => name_fault("stream", id),
            DetectionSource::File(name) => name_fault("file", name),
        }
    }
}

/// Stores and lists detections. Part of [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait Detections: Send + Sync {
    /// Stores a detection: as a new row, or as the next state of the stored detection with the same id. In the same
    /// transaction, adds its messages to the outbox, once per sink and key. `now` is the creation time of the messages,
    /// in milliseconds since the Unix epoch.
    ///
    /// Returns false and changes nothing if the stored state is newer: its [`StoredDetection::last_seen`] is later, or only
    /// the stored state is final. The values of [`StoredDetection::first_seen`] and [`StoredDetection::detected_in`] stay as they
    /// were first recorded.
    ///
    /// # Errors
    /// [`CatalogError::Invalid`] if an end is before its start, a number is not finite, a time is out of range, or a
    /// name is empty or longer than 2,000 bytes. Sink and key of a message are measured together.
    async fn record(
        &self,
        detection: &StoredDetection,
        deliveries: &[NewOutboxMessage],
        now: i64,
    ) -> Result<bool, CatalogError>;

    /// Returns the detections that are not final, ordered by start. A worker that takes over a stream continues these
    /// detections.
    async fn open_detections(
        &self,
        detected_in: &DetectionSource,
    ) -> Result<Vec<StoredDetection>, CatalogError>;

    /// Returns at most `limit` detections in streams that are not final although no worker can end them any more,
    /// ordered by start. The detections were last seen before `before` (milliseconds since the Unix epoch), and no
    /// running stream has the session that their [`DetectionSource::Stream`] names.
    async fn abandoned_detections(
        &self,
        before: i64,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError>;

    /// Returns the latest final detections, at most `limit`, whose [`StoredDetection::last_seen`] is at least `since`, in any
    /// order. That time does not depend on the time stamps in the stream. A worker that takes over a stream uses these
    /// detections to recognize the ones that it makes again.
    async fn recently_final_detections(
        &self,
        detected_in: &DetectionSource,
        since: i64,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError>;

    /// Returns a page of at most `limit` detections that overlap the time from `from` (inclusive) to `to` (exclusive),
    /// ordered by start. Both times are in the unit of [`Detection::start_at`]. The page starts after the cursor
    /// `after` of the previous page ([`StoredDetection::cursor_by_start`]); `None` returns the first page.
    async fn detections_between(
        &self,
        detected_in: &DetectionSource,
        from: i64,
        to: i64,
        after: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError>;

    /// Returns a page of at most `limit` detections of a track, including those under its earlier numbers. They are
    /// ordered by [`StoredDetection::first_seen`], latest first. The page continues after the cursor `before` of the previous
    /// page ([`StoredDetection::cursor_by_first_seen`]); `None` returns the first page.
    async fn detections_of_track(
        &self,
        track: TrackId,
        before: Option<PageCursor>,
        limit: u32,
    ) -> Result<Vec<StoredDetection>, CatalogError>;
}
