//! What a live matcher tells.

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
    /// What is known of it. Times are seconds of the stream, negative where it is continued and its time begins anew;
    /// `query_end` is when it was surely heard last, and the speed that of now.
    pub heard: Match,
    /// Position in the track at `heard.query_end`, seconds.
    pub reference_end: f64,
}

impl Airing {
    /// Scales the number of landmarks and peaks to a part of the airing, 0 to 1.
    pub(super) fn keep_counts(&mut self, part: f64) {
        let Match { aligned_landmarks, expected_peaks, matched_peaks, .. } = &mut self.heard;
        for count in [aligned_landmarks, expected_peaks, matched_peaks] {
            *count = (f64::from(*count) * part).round() as u32;
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
