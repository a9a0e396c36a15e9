//! What a live matcher tells.

use crate::index::TrackNumber;
use crate::matching::Match;

/// What happened to an airing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveEventKind {
    /// It was found: the first event of its chain.
    Start,
    /// It goes on.
    Update,
    /// It has ended: the last event of its chain, with its exact ends.
    Final,
}

/// An event in the life of an airing.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveEvent {
    /// What happened.
    pub kind: LiveEventKind,
    /// Number of the airing in this stream. Each has one `Start`, any number of `Update`s, and one `Final`.
    pub airing: u64,
    /// Stream time of the decision, seconds: what came after it was not looked at.
    pub known_at: f64,
    /// What is known of the airing. Times are seconds since the stream's first sample; the probability is that an hour
    /// of the stream gives as good a match by chance.
    pub heard: Match,
}

/// An airing that is going on, as another matcher needs it to continue the chain ([`super::LiveMatcher::resume`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Airing {
    /// Its number.
    pub id: u64,
    /// The track.
    pub track: TrackNumber,
    /// Start in the stream, seconds; negative where a stream is continued whose time begins anew.
    pub query_start: f64,
    /// Last time in the stream at which it was surely heard, seconds; may be negative too.
    pub query_end: f64,
    /// Position in the track at `query_start`, seconds.
    pub reference_start: f64,
    /// Position in the track at `query_end`, seconds.
    pub reference_end: f64,
    /// Speed at which the track is played by now.
    pub speed: f64,
    /// Pitch at which it is played, cents.
    pub pitch_cents: f64,
    /// Probability that its `Start` was chance.
    pub false_positive_probability: f64,
    /// Landmarks of the track that stood aligned until `query_end`.
    pub aligned_landmarks: u32,
    /// Peaks of the track until `query_end`.
    pub expected_peaks: u32,
    /// Peaks of the track that were found.
    pub matched_peaks: u32,
}

impl Airing {
    /// What was known of it.
    pub(super) fn as_match(&self) -> Match {
        Match {
            track: self.track,
            query_start: self.query_start,
            query_end: self.query_end,
            reference_start: self.reference_start,
            speed: self.speed,
            pitch_cents: self.pitch_cents,
            false_positive_probability: self.false_positive_probability,
            aligned_landmarks: self.aligned_landmarks,
            expected_peaks: self.expected_peaks,
            matched_peaks: self.matched_peaks,
        }
    }
}

/// What a stream is doing, for a status line.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveState {
    /// Stream time up to which decisions were made, seconds.
    pub decided_until: f64,
    /// Airings that are going on, in the order in which they were found.
    pub airings: Vec<Airing>,
    /// Highest number that was given to an airing.
    pub last_airing: u64,
    /// Whether the last second was silent, or held nothing tonal.
    pub silent: bool,
    /// Since when, seconds, there is sound that no airing explains; `None` in silence and while one is heard.
    pub unknown_since: Option<f64>,
}
