//! Matching: finds candidates, aligns and verifies them, computes their significance and assembles the timeline of a
//! query.

mod airings;
mod alternatives;
mod claim;
mod competitors;
mod copies;
mod edges;
mod line;
pub mod live;
mod masking;
mod peak_grid;
mod play;
mod primary;
mod query;
mod reference;
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

/// One stretch of a query that matches a stretch of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Number of the matched track.
    pub track: TrackNumber,
    /// Start in the query, in seconds.
    pub query_start: f64,
    /// End in the query, in seconds.
    pub query_end: f64,
    /// Position in the track at `query_start`, in seconds.
    pub reference_start: f64,
    /// Playback speed relative to the track: 1.02 is 2 % too fast.
    pub speed: f64,
    /// Pitch shift relative to the track, in cents: 100 is one semitone up.
    pub pitch_cents: f64,
    /// Probability, 0 to 1, that the match arose by chance, corrected for all hypotheses that were tested.
    pub false_positive_probability: f64,
    /// Number of landmarks of the track within the stretch whose two peaks were both found in the query; 0 for a
    /// rejected candidate.
    pub aligned_landmarks: u32,
    /// Number of peaks of the track within the stretch.
    pub expected_peaks: u32,
    /// Number of peaks of the track that were found in the query at their expected time and frequency.
    pub matched_peaks: u32,
    /// Segments of the match, in order of time. A match has several segments where audio is missing or repeated in the
    /// query. Empty for a rejected candidate, whose segments are not determined.
    pub segments: Vec<Segment>,
}

/// A segment of a match along one straight line: query and track run in parallel without a break.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Segment {
    /// Start in the query, in seconds.
    pub query_start: f64,
    /// End in the query, in seconds.
    pub query_end: f64,
    /// Position in the track at `query_start`, in seconds.
    pub reference_start: f64,
    /// Playback speed relative to the track: 1.02 is 2 % too fast.
    pub speed: f64,
}

impl Segment {
    /// Returns the position in the track, in seconds, at a time of the query, in seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::matching::Segment;
    ///
    /// // Played 2 % too fast from 10 s of the track on.
    /// let segment = Segment { query_start: 3.0, query_end: 8.0, reference_start: 10.0, speed: 1.02 };
    /// assert!((segment.reference(8.0) - 15.1).abs() < 1e-9);
    /// ```
    #[must_use]
    pub fn reference(&self, query: f64) -> f64 {
        self.reference_start + (query - self.query_start) * self.speed
    }
}

impl Match {
    /// Shifts the match by a number of seconds in the query.
    pub fn shift_query(&mut self, seconds: f64) {
        self.query_start += seconds;
        self.query_end += seconds;
        for segment in &mut self.segments {
            segment.query_start += seconds;
            segment.query_end += seconds;
        }
    }

    /// Returns the position in the track at the end of the match, in seconds.
    #[must_use]
    pub fn reference_end(&self) -> f64 {
        self.segments.last().map_or_else(
            || self.reference_start + (self.query_end - self.query_start) * self.speed,
            |last| last.reference(self.query_end),
        )
    }

    /// Returns the jump in the track, in seconds, at each seam between two segments. A positive jump is audio of the
    /// track that is missing in the query. A negative jump is audio that the query repeats, or other audio that was
    /// inserted into the query.
    pub fn jumps(&self) -> impl Iterator<Item = f64> + '_ {
        let pairs = self.segments.iter().zip(self.segments.iter().skip(1));
        pairs.map(|(before, after)| after.reference_start - before.reference(after.query_start))
    }
}

/// Another explanation of the audio of a match: a copy of the track, a remix, or a song with the same sample. The
/// alternative would be a match if the catalog did not contain the track of the reported match.
#[derive(Debug, Clone, PartialEq)]
pub struct Alternative {
    /// Track of the reported match to which this alternative belongs.
    pub of: TrackNumber,
    /// Index of the reported match in [`Matches::found`].
    pub index: usize,
    /// Match of the other track, with its own start and end.
    pub best: Match,
}

/// A candidate that was rejected because chance or other tracks explain the peaks of the candidate about as well.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejected {
    /// Match that the candidate would have been.
    pub best: Match,
}

/// All matches found in one query.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Matches {
    /// Matches in order of their start in the query. A second of the query belongs to at most one match, unless two
    /// recordings are audible at the same time. Empty if no recording was found.
    pub found: Vec<Match>,
    /// Other explanations of the same stretches, in the order of the matches. For each match, the list has all other
    /// tracks that carry the recording, the longest match first, and then at most 5 other recordings.
    pub alternatives: Vec<Alternative>,
    /// Best rejected candidates, best first, at most 5. These candidates explain why a query has no match.
    pub rejected: Vec<Rejected>,
    /// Number of peaks in the query; 0 if the query is silent or has no tonal content.
    pub query_peaks: usize,
}

impl Matches {
    /// Returns the alternatives of the match with this index in [`Matches::found`].
    ///
    /// # Examples
    ///
    /// ```
    /// use refrain_core::fingerprint::{Constellation, Peak};
    /// use refrain_core::index::{Snapshot, TrackNumber};
    /// use refrain_core::matching::{MatchSettings, identify};
    ///
    /// # fn track(seed: u32) -> Constellation {
    /// #     let mut state = seed;
    /// #     let mut random = |limit: u32| {
    /// #         state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
    /// #         (state >> 8) % limit
    /// #     };
    /// #     let mut peaks: Vec<_> = (0..900)
    /// #         .map(|_| Peak { time: random(5_160), frequency: 100 + random(3_000) as u16, rank: random(4) as u8 })
    /// #         .collect();
    /// #     peaks.sort_by_key(|peak| (peak.time, peak.frequency));
    /// #     Constellation::new(30.0, peaks)
    /// # }
    /// // Two tracks carry the same recording: the first one is reported, the other one is an alternative.
    /// let index = Snapshot::from_tracks(&[(TrackNumber(1), track(1)), (TrackNumber(2), track(1))])?;
    /// let matches = identify(&index, &track(1), &MatchSettings::default())?;
    /// assert_eq!(matches.found[0].track, TrackNumber(1));
    /// let others: Vec<_> = matches.alternatives_of(0).map(|other| other.best.track).collect();
    /// assert_eq!(others, [TrackNumber(2)]);
    /// # Ok::<(), refrain_core::index::IndexError>(())
    /// ```
    pub fn alternatives_of(&self, index: usize) -> impl Iterator<Item = &Alternative> {
        self.alternatives.iter().filter(move |other| other.index == index)
    }
}
