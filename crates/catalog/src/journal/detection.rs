//! What was heard where.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::stored::{moment, name_fault, text};
use crate::{TrackId, TrackNumber};

/// Identity of one airing, from its start to its end: a UUID of version 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DetectionId(pub Uuid);

impl DetectionId {
    /// An identity for an airing that begins to be heard now.
    #[must_use]
    pub fn fresh() -> Self {
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

/// The unknown sound that something was found in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HeardIn {
    /// A stream, by its id.
    Stream(String),
    /// A file, by its name.
    File(String),
}

impl HeardIn {
    /// Kind, as databases carry it, and name.
    pub(crate) fn parts(&self) -> (i16, Cow<'_, str>) {
        match self {
            Self::Stream(id) => (1, text(id)),
            Self::File(name) => (2, text(name)),
        }
    }

    /// From what [`HeardIn::parts`] gave.
    pub(crate) fn of(kind: i16, name: String) -> Option<Self> {
        match kind {
            1 => Some(Self::Stream(name)),
            2 => Some(Self::File(name)),
            _ => None,
        }
    }
}

/// A track that was heard: one airing.
#[derive(Debug, Clone, PartialEq)]
pub struct Detection {
    /// Which airing.
    pub id: DetectionId,
    /// Where.
    pub heard_in: HeardIn,
    /// The track by its number at that time.
    pub track: TrackNumber,
    /// The track by its stable identity.
    pub track_id: TrackId,
    /// Start in seconds from the first sample.
    pub query_start: f64,
    /// End, or how far it was heard yet, in seconds from the first sample.
    pub query_end: f64,
    /// Start in milliseconds: since the Unix epoch in a stream, since the first sample in a file.
    pub start_at: i64,
    /// End in milliseconds, as the start.
    pub end_at: i64,
    /// Position in the track at the start, seconds.
    pub reference_start: f64,
    /// Speed at which it is played: 1.02 is 2 % too fast.
    pub speed: f64,
    /// Pitch at which it is played, cents: 100 is a semitone up.
    pub pitch_cents: f64,
    /// Probability that it is chance.
    pub false_positive_probability: f64,
    /// Peaks of the track that were found.
    pub matched_peaks: u32,
    /// Peaks of the track within the stretch.
    pub expected_peaks: u32,
    /// When it was first written down.
    pub first_seen: i64,
    /// When it was last found to go on.
    pub last_seen: i64,
    /// Whether it is over and will not change any more.
    pub is_final: bool,
    /// Channel that the stream came from, for the keys of its messages.
    pub channel: Option<String>,
}

/// The last detection of a page, from which the next page goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageMark {
    /// What the pages are in order of.
    pub at: i64,
    /// Tells detections of the same time apart.
    pub id: DetectionId,
}

impl Detection {
    /// Where the next page of [`crate::Journal::detections_of`] goes on.
    #[must_use]
    pub fn mark_by_start(&self) -> PageMark {
        PageMark { at: self.start_at, id: self.id }
    }

    /// Where the next page of [`crate::Journal::airings_of`] goes on.
    #[must_use]
    pub fn mark_by_first_seen(&self) -> PageMark {
        PageMark { at: self.first_seen, id: self.id }
    }

    /// What keeps it from being stored, if anything.
    pub(crate) fn fault(&self) -> Option<String> {
        let numbers = [self.query_start, self.query_end, self.reference_start, self.speed, self.pitch_cents];
        let finite = numbers.iter().all(|n| n.is_finite()) && self.false_positive_probability.is_finite();
        let times = [self.start_at, self.end_at, self.first_seen, self.last_seen];
        if !finite || times != times.map(moment) {
            return Some(format!("detection {}: it has numbers that are none", self.id));
        }
        if self.query_end < self.query_start || self.end_at < self.start_at {
            return Some(format!("detection {}: it ends before it starts", self.id));
        }
        match &self.heard_in {
            HeardIn::Stream(id) => name_fault("stream", id),
            HeardIn::File(name) => name_fault("file", name),
        }
    }
}
