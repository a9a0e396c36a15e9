//! Events of a live matcher.

use crate::matching::Match;

/// Kind of an event of an airing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The airing was found; the first event of the airing.
    Start,
    /// The airing continues.
    Update,
    /// The airing has ended; the last event of the airing, with the exact start and end.
    Final,
}

impl EventKind {
    /// Returns the name that responses and settings contain: `start`, `update` or `final`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Update => "update",
            Self::Final => "final",
        }
    }
}

/// An event of an airing.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveEvent {
    /// Kind of the event.
    pub kind: EventKind,
    /// Stream time of the decision, in seconds. Later audio was not considered.
    pub known_at: f64,
    /// The airing, from the audio before `known_at`. Each airing has one `Start`, any number of `Update`s, and one
    /// `Final`.
    pub airing: Airing,
}

/// An airing, with the state that another matcher needs to continue it ([`super::LiveMatcher::resume`]).
#[derive(Debug, Clone, PartialEq)]
pub struct Airing {
    /// Number of the airing within the stream.
    pub id: u64,
    /// Match of the airing, from the audio up to the time of the event or of the state ([`LiveState`]). Times are in
    /// seconds since the first sample of the stream; they are negative if the airing is resumed and the stream time
    /// starts again at 0. `query_end` of an open airing is the last time at which the airing was detected with
    /// certainty. `false_positive_probability` is the probability that one hour of the stream gives such a good match
    /// by chance.
    pub detected: Match,
    /// Position in the track at `detected.query_end`, in seconds.
    pub reference_end: f64,
    /// Speed at `detected.query_end`; `detected.speed` is the mean speed of the airing.
    pub current_speed: f64,
}

impl Airing {
    /// Multiplies the numbers of landmarks and peaks by `part`, the fraction of the airing that is kept (0 to 1).
    pub(super) fn scale_counts(&mut self, part: f64) {
        let Match { aligned_landmarks, expected_peaks, matched_peaks, .. } = &mut self.detected;
        for count in [aligned_landmarks, expected_peaks, matched_peaks] {
            *count = (f64::from(*count) * part).round() as u32;
        }
    }
}

/// State of a stream, for a status line.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveState {
    /// Stream time up to which decisions have been made, in seconds.
    pub decided_until: f64,
    /// Open airings, in the order in which they were found.
    pub airings: Vec<Airing>,
    /// Highest airing number that has been assigned; 0 if none exists.
    pub last_airing: u64,
    /// True if the last second was silent or had no tonal content.
    pub silent: bool,
    /// Start of the audio that no airing explains, in seconds of the stream; `None` in silence and while an airing is
    /// detected.
    pub unknown_since: Option<f64>,
}
