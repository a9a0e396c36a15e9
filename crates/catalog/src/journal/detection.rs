//! Detections of tracks in streams and files.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::stored::{clamp_time, name_fault, text};
use crate::{TrackId, TrackNumber};

/// Identity of one airing, the same from its start to its end: a UUID of version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DetectionId(pub Uuid);

impl DetectionId {
    /// Returns a new identity, for an airing that is detected for the first time now.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for DetectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DetectionId {
    type Err = uuid::Error;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(s).map(Self)
    }
}

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
    /// Returns the mark after which the next page of [`crate::Journal::detections_between`] starts.
    #[must_use]
    pub fn cursor_by_start(&self) -> PageCursor {
        PageCursor { at: self.start_at, id: self.id }
    }

    /// Returns the mark after which the next page of [`crate::Journal::detections_of_track`] starts.
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
