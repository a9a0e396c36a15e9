//! The timeline of a query: finds all songs and reports each airing once.

use rayon::prelude::*;

use crate::fingerprint::landmark::landmarks;
use crate::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use crate::index::rows::{RowIndex, RowStore};
use crate::index::{IndexError, SearchIndex, Snapshot, TrackNumber};

use super::airings::{airings, join_neighbors};
use super::alternatives::WindowResults;
use super::claim::{claimed, needed};
use super::copies::Recordings;
use super::line::{FINE, Line};
use super::play::TrackPlay;
use super::query::{Query, Window};
use super::significance::Chance;
use super::trace::Trace;
use super::verify::Alignment;
use super::window::{WindowMatches, WindowSearch, log_hypotheses};
use super::{Match, MatchSettings, Matches, Segment};

/// Length of a window, in ticks. At half this value, windows have half of the evidence and songs in noise are lost; at
/// twice this value, short songs share their window with others, and the window exceeds the margin between tracks in
/// the index (16 s).
const WINDOW_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// Distance between the starts of neighboring windows, in ticks. At half this value, long queries cost twice as much;
/// at twice this value, windows do not overlap, and a song that is played for 10 s may fill no window.
pub(crate) const WINDOW_STEP_TICKS: f64 = 5.0 * TICKS_PER_SECOND;
/// Maximum length of a query that is searched as one window, in ticks. The index separates tracks by more than this. At
/// half this value, a query of 10 s is divided and loses evidence; at twice this value, it exceeds the margin between
/// tracks (16 s).
const MAX_WINDOW_TICKS: f64 = 15.0 * TICKS_PER_SECOND;

/// Identifies all songs in a query of any length. Windows of a long query are searched in parallel on all cores
/// (rayon).
///
/// # Errors
/// Returns [`IndexError`] if a part of the index that the search read is damaged.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::{Constellation, Peak};
/// use refrain_core::index::{Snapshot, TrackNumber};
/// use refrain_core::matching::{MatchSettings, identify};
///
/// /// Returns the peaks of a synthetic track of 30 s.
/// fn track(seed: u32) -> Constellation {
///     let mut state = seed;
///     let mut random = |limit: u32| {
///         state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
///         (state >> 8) % limit
///     };
///     let mut peaks: Vec<_> = (0..900)
///         .map(|_| Peak { time: random(5_160), frequency: 100 + random(3_000) as u16, rank: random(4) as u8 })
///         .collect();
///     peaks.sort_by_key(|peak| (peak.time, peak.frequency));
///     Constellation::new(30.0, peaks)
/// }
///
/// let index = Snapshot::from_tracks(&[(TrackNumber(1), track(1)), (TrackNumber(2), track(2))])?;
/// let matches = identify(&index, &track(2), &MatchSettings::default())?;
/// assert_eq!(matches.found.len(), 1);
/// assert_eq!(matches.found[0].track, TrackNumber(2));
/// assert!(identify(&index, &track(3), &MatchSettings::default())?.found.is_empty());
/// # Ok::<(), refrain_core::index::IndexError>(())
/// ```
pub fn identify(
    snapshot: &Snapshot,
    query: &Constellation,
    settings: &MatchSettings,
) -> Result<Matches, IndexError> {
    identify_at(snapshot, query, settings)
}

/// Like [`identify`], with the same result, for an index in rows of a database.
///
/// # Errors
/// Returns the errors of [`identify`] and errors of the database. After [`IndexError::Stale`], open the index again and
/// repeat the search.
///
/// # Examples
///
/// ```
/// use refrain_core::fingerprint::{Constellation, Peak};
/// use refrain_core::index::TrackNumber;
/// use refrain_core::index::rows::{
///     Row, RowCandidate, RowError, RowIndex, RowPosition, RowStore, RunRow, pack,
/// };
/// use refrain_core::matching::{MatchSettings, identify_rows};
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
/// /// The rows of a single run (number 1) of a single track, in memory.
/// struct MemoryStore(Vec<Row>, Constellation);
///
/// impl RowStore for MemoryStore {
///     fn rows(&self, buckets: &[u32]) -> Result<Vec<RunRow>, RowError> {
///         let requested = self.0.iter().filter(|row| buckets.contains(&row.bucket));
///         Ok(requested.map(|row| RunRow { run: 1, row: row.clone() }).collect())
///     }
///
///     fn locate(
///         &self,
///         positions: &[RowPosition],
///         max_candidates: usize,
///         _known: &[TrackNumber],
///     ) -> Result<Vec<RowCandidate>, RowError> {
///         // Positions are in order of their lists. The start of the first track is the margin before it.
///         let start = pack(&[(TrackNumber(7), self.1.clone())]).0.tracks[0].start;
///         let mut found = Vec::new();
///         for list in positions.chunk_by(|a, b| a.list == b.list) {
///             let first = found.len();
///             found.extend((first..first + list.len().min(max_candidates)).map(|position| RowCandidate {
///                 position,
///                 track: TrackNumber(7),
///                 start,
///                 packed: Some(self.1.to_bytes()),
///             }));
///         }
///         Ok(found)
///     }
/// }
///
/// let (run, rows) = pack(&[(TrackNumber(7), track(7))]);
/// let units = run.tracks[0].units();
/// let index = RowIndex::new(MemoryStore(rows, track(7)), vec![(1, run.shape)], run.groups, 1, units);
/// let matches = identify_rows(&index, &track(7), &MatchSettings::default())?;
/// assert_eq!(matches.found[0].track, TrackNumber(7));
/// # Ok::<(), refrain_core::index::IndexError>(())
/// ```
pub fn identify_rows<S: RowStore>(
    index: &RowIndex<S>,
    query: &Constellation,
    settings: &MatchSettings,
) -> Result<Matches, IndexError> {
    identify_at(index, query, settings)
}

fn identify_at(
    index: &dyn SearchIndex,
    query: &Constellation,
    settings: &MatchSettings,
) -> Result<Matches, IndexError> {
    let windows = windows(query);
    let correction = log_hypotheses(index, windows.len());
    let limit = needed(settings.false_positive_rate, correction);
    let found = search(index, &windows, settings, limit)?;
    let mut recordings = Recordings::default();
    found.iter().for_each(|found| recordings.add(&found.recordings));
    let mut chance = Chance::default();
    let ticks = query.seconds * TICKS_PER_SECOND;
    // Chance is measured again over the whole query, because a trace can cover all of it. Windows use their own
    // statistics.
    chance.measure(&query.peaks, ticks, FINE);
    let query = Query { peaks: &query.peaks, from: 0.0, to: ticks, chance: &chance };
    let mut airings = airings(&windows, &found, &recordings, &query, limit);
    join_neighbors(&mut airings);
    let results = WindowResults { windows: &windows, found: &found, recordings: &recordings };
    let (alternatives, rejected) = results.of(&airings, &query, correction, limit);
    Ok(Matches {
        found: airings.iter().map(|airing| airing.primary.report(correction)).collect(),
        alternatives,
        rejected,
        query_peaks: query.peaks.len(),
    })
}

fn windows(query: &Constellation) -> Vec<Window<'_>> {
    let ticks = query.seconds * TICKS_PER_SECOND;
    // Starts are whole ticks, because lookups count times from them in integers.
    let window =
        |from: f64, to: f64| Window { peaks: &query.peaks, from: from.floor(), to, relief: &query.relief };
    if ticks <= MAX_WINDOW_TICKS {
        return vec![window(0.0, ticks)];
    }
    let steps = ((ticks - WINDOW_TICKS) / WINDOW_STEP_TICKS).ceil() as u32;
    (0..=steps)
        .map(|i| {
            window(
                WINDOW_STEP_TICKS * f64::from(i),
                (WINDOW_STEP_TICKS * f64::from(i) + WINDOW_TICKS).min(ticks),
            )
        })
        .collect()
}

fn search(
    index: &dyn SearchIndex,
    windows: &[Window<'_>],
    settings: &MatchSettings,
    limit: f64,
) -> Result<Vec<WindowMatches>, IndexError> {
    match windows {
        // A single window needs no other thread.
        [window] => Ok(vec![WindowSearch::new(index, settings, limit).find(window)?]),
        _ => windows
            .par_iter()
            .map_init(|| WindowSearch::new(index, settings, limit), |search, window| search.find(window))
            .collect(),
    }
}

impl Trace {
    /// Returns the natural logarithm of the probability that chance gives as much evidence as the trace has: the higher
    /// one of two values. The first is from the window in which the alignment was found, where all alternatives were
    /// compared. The second is from the whole stretch, corrected for the choice of its ends.
    pub(crate) fn log_p(&self) -> f64 {
        // Each end was selected among all peaks on its side.
        let whole = self.evidence.log_p() + self.tried + 2.0 * (self.choices / 2.0).max(1.0).ln();
        whole.max(self.window_log_p)
    }

    /// Returns the segment of the trace, which has a single line.
    pub(crate) fn segment(&self) -> Segment {
        Segment {
            query_start: self.from / TICKS_PER_SECOND,
            query_end: self.to / TICKS_PER_SECOND,
            reference_start: (self.line.reference(self.from) / TICKS_PER_SECOND).max(0.0),
            speed: self.line.speed,
        }
    }

    /// Returns the number of the track's landmarks whose two peaks were both found.
    fn aligned_landmarks(&self) -> u32 {
        let (Some(first), Some(last)) = (self.outcomes.first(), self.outcomes.last()) else { return 0 };
        let peaks = &self.reference.peaks[first.reference as usize..=last.reference as usize];
        aligned_landmarks(peaks, |i| self.outcomes.get(i as usize).is_some_and(|o| o.query.is_some()))
    }
}

impl Trace {
    /// Returns the match for this trace alone. `correction` is the natural logarithm of the number of hypotheses.
    pub(crate) fn report(&self, correction: f64) -> Match {
        report(std::iter::once(self), claimed(self.log_p(), correction))
    }
}

impl TrackPlay<'_> {
    /// Returns the match for the whole play. `correction` is the natural logarithm of the number of hypotheses.
    pub(crate) fn report(&self, correction: f64) -> Match {
        report(self.pieces.iter().map(|piece| &piece.trace), claimed(self.log_p(), correction))
    }
}

/// Returns the match for a list of one or more stretches of one track, in order of time.
fn report<'a>(traces: impl Iterator<Item = &'a Trace> + Clone, probability: f64) -> Match {
    let segments: Vec<Segment> = traces.clone().map(Trace::segment).collect();
    let longest = traces.clone().max_by(|a, b| (a.to - a.from).total_cmp(&(b.to - b.from)));
    let line = longest.map_or(Line::IDENTITY, |trace| trace.line);
    let track = longest.map_or(TrackNumber(0), |trace| trace.reference.number);
    Match {
        track,
        query_start: segments.first().map_or(0.0, |first| first.query_start),
        query_end: segments.last().map_or(0.0, |last| last.query_end),
        reference_start: segments.first().map_or(0.0, |first| first.reference_start),
        speed: line.speed,
        pitch_cents: 1200.0 * line.pitch.log2(),
        false_positive_probability: probability,
        aligned_landmarks: traces.clone().map(Trace::aligned_landmarks).sum(),
        expected_peaks: traces.clone().map(|trace| trace.evidence.expected).sum(),
        matched_peaks: traces.map(|trace| trace.evidence.found).sum(),
        segments,
    }
}

/// Returns the number of landmarks of a stretch of a track whose two peaks were both found. `peaks` are the peaks of
/// the stretch. `found` is called with an index into `peaks` and returns true if this peak was found in the query.
pub(crate) fn aligned_landmarks(peaks: &[Peak], found: impl Fn(u32) -> bool) -> u32 {
    let mut aligned = 0;
    landmarks(peaks, |l| aligned += u32::from(found(l.first) && found(l.second)));
    aligned
}

impl Alignment {
    /// Returns the match for this alignment in its window. `log_p` is the log-probability of chance, and `correction`
    /// is the natural logarithm of the number of hypotheses.
    pub(crate) fn report(&self, log_p: f64, correction: f64, window: &Window<'_>) -> Match {
        Match {
            track: self.reference.number,
            query_start: window.from / TICKS_PER_SECOND,
            query_end: window.to / TICKS_PER_SECOND,
            reference_start: self.line.reference(window.from) / TICKS_PER_SECOND,
            speed: self.line.speed,
            pitch_cents: 1200.0 * self.line.pitch.log2(),
            false_positive_probability: claimed(log_p, correction),
            aligned_landmarks: 0,
            expected_peaks: self.evidence.expected,
            matched_peaks: self.evidence.found,
            segments: Vec::new(),
        }
    }
}
