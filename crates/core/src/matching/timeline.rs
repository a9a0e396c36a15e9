//! The timeline of a query: every song in it, each once.

use rayon::prelude::*;

use crate::fingerprint::landmark::landmarks;
use crate::fingerprint::{Constellation, Peak, TICKS_PER_SECOND};
use crate::index::rows::{RowIndex, RowStore};
use crate::index::{Home, IndexError, Snapshot};

use super::alternatives::others;
use super::claim::{claimed, needed};
use super::edges::join;
use super::significance::Chance;
use super::trace::{Query, Trace};
use super::verify::{FINE, Verified, Window};
use super::window::{Found, WindowSearch, log_hypotheses};
use super::{Match, MatchSettings, Matches};

/// A window that is searched, and the step to the next one, ticks.
const WINDOW: f64 = 10.0 * TICKS_PER_SECOND;
pub(crate) const STEP: f64 = 5.0 * TICKS_PER_SECOND;
/// A query up to this length is one window. The index keeps tracks farther apart than this.
const LONGEST_WINDOW: f64 = 15.0 * TICKS_PER_SECOND;

/// Finds every song in a query of any length. Windows of a long query are searched on all cores (rayon).
///
/// # Errors
/// [`IndexError`] if a part of the index that the search touched is damaged.
pub fn identify(
    snapshot: &Snapshot,
    query: &Constellation,
    settings: &MatchSettings,
) -> Result<Matches, IndexError> {
    identify_at(snapshot, query, settings)
}

/// The same, with the same answer, where the index is rows of a database.
///
/// # Errors
/// As [`identify`], and where the database fails; [`IndexError::Stale`] says to open the index again and repeat.
pub fn identify_rows<S: RowStore>(
    index: &RowIndex<S>,
    query: &Constellation,
    settings: &MatchSettings,
) -> Result<Matches, IndexError> {
    identify_at(index, query, settings)
}

fn identify_at(
    home: &dyn Home,
    query: &Constellation,
    settings: &MatchSettings,
) -> Result<Matches, IndexError> {
    let windows = windows(query);
    let correction = log_hypotheses(home, windows.len());
    let limit = needed(settings.false_positive_rate, correction);
    let found = search(home, &windows, settings, limit)?;
    let mut chance = Chance::default();
    let ticks = query.seconds * TICKS_PER_SECOND;
    chance.measure(&query.peaks, ticks, FINE);
    let query = Query { peaks: &query.peaks, from: 0.0, to: ticks, chance: &chance };
    let traces = resolve(&windows, &found, &query, limit);
    let (alternatives, rejected) = others(&windows, &found, &traces, &query, correction, limit);
    Ok(Matches {
        found: traces.iter().map(|trace| trace.report(correction)).collect(),
        alternatives,
        rejected,
        query_peaks: query.peaks.len(),
    })
}

fn windows(query: &Constellation) -> Vec<Window<'_>> {
    let ticks = query.seconds * TICKS_PER_SECOND;
    let window =
        |from: f64, to: f64| Window { peaks: &query.peaks, from: from.floor(), to, relief: &query.relief };
    if ticks <= LONGEST_WINDOW {
        return vec![window(0.0, ticks)];
    }
    let steps = ((ticks - WINDOW) / STEP).ceil() as u32;
    (0..=steps).map(|i| window(STEP * f64::from(i), (STEP * f64::from(i) + WINDOW).min(ticks))).collect()
}

fn search(
    home: &dyn Home,
    windows: &[Window<'_>],
    settings: &MatchSettings,
    limit: f64,
) -> Result<Vec<Found>, IndexError> {
    match windows {
        // One window needs no other thread.
        [window] => Ok(vec![WindowSearch::new(home, settings, limit).find(window)?]),
        _ => windows
            .par_iter()
            .map_init(|| WindowSearch::new(home, settings, limit), |search, window| search.find(window))
            .collect(),
    }
}

/// Follows what the windows found to its ends; where several explain the same peaks, the best keeps them
/// and the others must do without.
fn resolve(windows: &[Window<'_>], found: &[Found], query: &Query<'_>, limit: f64) -> Vec<Trace> {
    let free = vec![false; query.peaks.len()];
    let mut seeds: Vec<((&Verified, f64), &Window<'_>)> = found
        .iter()
        .zip(windows)
        .flat_map(|(found, w)| found.accepted.iter().map(move |(one, log_p)| ((one, *log_p), w)))
        .collect();
    seeds.sort_by(|a, b| a.0.1.total_cmp(&b.0.1));
    let mut followed: Vec<(Trace, (&Verified, f64), &Window<'_>)> = Vec::new();
    for (seed, window) in seeds {
        if !followed.iter().any(|(trace, ..)| trace.covers(seed.0, window))
            && let Some(mut trace) = Trace::follow(seed, window, query, &free)
        {
            if windows.len() == 1 {
                // The window is the query: what it proves is corrected for the choice of the ends.
                trace.choices = 1.0;
            }
            followed.push((trace, seed, window));
        }
    }
    followed.sort_by(|a, b| a.0.log_p().total_cmp(&b.0.log_p()));
    let mut used = free;
    let mut traces: Vec<Trace> = Vec::new();
    for (trace, seed, window) in followed {
        // Again without what others explain, its ends may draw in, or nothing be left. A track is heard once
        // at a time: a repetitive one fits beside itself as well, a beat too early or late, with peaks that
        // its sparse constellation leaves out.
        let mut taken = used.clone();
        for other in traces.iter().filter(|other| other.reference.number == trace.reference.number) {
            let at = |time: f64| query.peaks.partition_point(|p| f64::from(p.time) < time);
            taken[at(other.from)..at(other.to)].fill(true);
        }
        let alone = trace.outcomes.iter().filter_map(|o| o.query).all(|q| !taken[q as usize]);
        let left = if alone { Some(trace) } else { Trace::follow(seed, window, query, &taken) };
        let Some(trace) = left.filter(|trace| trace.is_airing() && trace.log_p() <= limit) else { continue };
        for q in trace.outcomes.iter().filter_map(|o| o.query) {
            used[q as usize] = true;
        }
        match traces.iter_mut().find(|other| other.continues(&trace)) {
            // A fade or a noise between: one airing.
            Some(other) => other.join(&trace),
            None => traces.push(trace),
        }
    }
    join(&mut traces);
    traces.sort_by(|a, b| a.log_p().total_cmp(&b.log_p()));
    traces
}

impl Trace {
    /// Logarithm of the probability that chance gives as much: in the best window, where it was compared with
    /// all alternatives, or over the whole stretch, corrected for the choice of its ends; whichever is higher.
    pub(crate) fn log_p(&self) -> f64 {
        // Each end was chosen among all peaks of its side.
        let whole = self.evidence.log_p() + self.tried + 2.0 * (self.choices / 2.0).max(1.0).ln();
        whole.max(self.window_log_p)
    }

    pub(crate) fn report(&self, correction: f64) -> Match {
        let from = self.from / TICKS_PER_SECOND;
        Match {
            track: self.reference.number,
            query_start: from,
            query_end: self.to / TICKS_PER_SECOND,
            reference_start: (self.line.reference(self.from) / TICKS_PER_SECOND).max(0.0),
            speed: self.line.speed,
            pitch_cents: 1200.0 * self.line.pitch.log2(),
            false_positive_probability: claimed(self.log_p(), correction),
            aligned_landmarks: self.aligned_landmarks(),
            expected_peaks: self.evidence.expected,
            matched_peaks: self.evidence.found,
        }
    }

    /// Landmarks of the track both of whose peaks were found.
    fn aligned_landmarks(&self) -> u32 {
        let (Some(first), Some(last)) = (self.outcomes.first(), self.outcomes.last()) else { return 0 };
        let peaks = &self.reference.peaks[first.reference as usize..=last.reference as usize];
        aligned_landmarks(peaks, |i| self.outcomes.get(i as usize).is_some_and(|o| o.query.is_some()))
    }
}

/// Landmarks of a stretch of a track both of whose peaks were found.
pub(crate) fn aligned_landmarks(peaks: &[Peak], found: impl Fn(u32) -> bool) -> u32 {
    let mut aligned = 0;
    landmarks(peaks, |l| aligned += u32::from(found(l.first) && found(l.second)));
    aligned
}

impl Verified {
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
        }
    }
}
