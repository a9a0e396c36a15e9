//! Matching: candidates → alignment → verification → significance → timeline.

mod airings;
mod alternatives;
mod claim;
mod copies;
mod cover;
mod edges;
mod line;
pub mod live;
mod places;
mod primary;
mod reference;
mod rivals;
mod screen;
pub(crate) mod search;
mod settings;
mod significance;
mod splice;
pub(crate) mod sweep;
mod timeline;
mod trace;
mod verify;
pub(crate) mod window;

pub use settings::{Effort, MatchSettings, Ranges};
pub use timeline::{identify, identify_rows};

use crate::index::TrackNumber;

/// One stretch of the query that is a stretch of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The track.
    pub track: TrackNumber,
    /// Start in the query, seconds.
    pub query_start: f64,
    /// End in the query, seconds.
    pub query_end: f64,
    /// Position in the track at `query_start`, seconds.
    pub reference_start: f64,
    /// Speed at which the track is played: 1.02 is 2 % too fast.
    pub speed: f64,
    /// Pitch at which the track is played against the original, cents: 100 is a semitone up.
    pub pitch_cents: f64,
    /// Probability that the match is chance, corrected for everything that was tried.
    pub false_positive_probability: f64,
    /// Landmarks of the track within the stretch that stand aligned in the query.
    pub aligned_landmarks: u32,
    /// Peaks of the track within the stretch.
    pub expected_peaks: u32,
    /// Peaks of the track that were found in the query at their place.
    pub matched_peaks: u32,
    /// The stretches that it consists of, in order of time: several where sound is missing or repeated in the query. Empty
    /// where only the whole is known.
    pub segments: Vec<Segment>,
}

/// A stretch of a match along one line: the track runs beside the query without a break.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Start in the query, seconds.
    pub query_start: f64,
    /// End in the query, seconds.
    pub query_end: f64,
    /// Position in the track at `query_start`, seconds.
    pub reference_start: f64,
    /// Speed at which the track is played.
    pub speed: f64,
}

impl Segment {
    /// Position in the track at a time of the query, both seconds.
    #[must_use]
    pub fn reference(&self, query: f64) -> f64 {
        self.reference_start + (query - self.query_start) * self.speed
    }
}

impl Match {
    /// Moves the match by a number of seconds of the query.
    pub fn shift_query(&mut self, seconds: f64) {
        self.query_start += seconds;
        self.query_end += seconds;
        for segment in &mut self.segments {
            segment.query_start += seconds;
            segment.query_end += seconds;
        }
    }

    /// Seconds of the track that are missing in the query (positive), or of the query that repeat the track or hold
    /// something else (negative), at each seam between two segments.
    pub fn jumps(&self) -> impl Iterator<Item = f64> + '_ {
        let pairs = self.segments.iter().zip(self.segments.iter().skip(1));
        pairs.map(|(before, after)| after.reference_start - before.reference(after.query_start))
    }
}

/// Another explanation of a match's sound: a copy of the track, a remix, a song with the same sample. It would
/// be a match if the better one were not in the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The track of the match whose alternative this is.
    pub of: TrackNumber,
    /// Index of that match in [`Matches::found`].
    pub index: usize,
    /// The stretch that the other track would explain.
    pub best: Match,
}

/// A candidate that failed: chance explains it, or others explain the same peaks.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// The best match that could be made of it.
    pub best: Match,
}

/// Everything found in one query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matches {
    /// In order of their start in the query. Each second is explained by one of them, unless two recordings are audible at
    /// once.
    pub found: Vec<Match>,
    /// Other explanations of the same stretches, in the order of the matches: all other tracks that carry the recording,
    /// best first, then at most 5 other recordings.
    pub alternatives: Vec<Alternative>,
    /// The best candidates that failed, best first (for explanations; at most 5).
    pub rejected: Vec<Rejected>,
    /// Peaks in the query; 0 means silence or nothing tonal.
    pub query_peaks: usize,
}

impl Matches {
    /// The alternatives of the match with this index in [`Matches::found`].
    pub fn alternatives_of(&self, index: usize) -> impl Iterator<Item = &Alternative> {
        self.alternatives.iter().filter(move |other| other.index == index)
    }
}
