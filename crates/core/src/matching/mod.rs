//! Matching: candidates → alignment → verification → significance → timeline.

mod alternatives;
mod claim;
mod cover;
mod edges;
mod line;
pub mod live;
mod places;
mod reference;
mod rivals;
mod screen;
pub(crate) mod search;
mod settings;
mod significance;
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
}

/// Another explanation of a match's sound: a copy of the track, a remix, a song with the same sample. It would
/// be a match if the better one were not in the catalogue.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// The track of the match whose alternative this is.
    pub of: TrackNumber,
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
    /// Best first (lowest probability of chance, then longest).
    pub found: Vec<Match>,
    /// Other explanations of the same stretches, best first; at most 5 of each match.
    pub alternatives: Vec<Alternative>,
    /// The best candidates that failed, best first (for explanations; at most 5).
    pub rejected: Vec<Rejected>,
    /// Peaks in the query; 0 means silence or nothing tonal.
    pub query_peaks: usize,
}
