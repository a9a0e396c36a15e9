//! Edges: the start and the end of an airing in the query.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::fingerprint::params::{HOP, TICKS_PER_FRAME, WINDOW};

use super::line::{Line, PeakOutcome};
use super::query::Query;
use super::reference::Reference;
use super::significance::Survival;

/// Largest distance between the outermost found peak and the end of an airing (0.5 s, in ticks). The end is half-way
/// between that peak and the first missing one. At half this value, edges in sparse music are placed too far inside; at
/// twice this value, an airing can reach 1 s into silence or speech.
pub(crate) const MAX_EDGE_TICKS: f64 = 0.5 * TICKS_PER_SECOND;
/// A peak nearer to a cut than half a transform window (46 ms, in ticks) mixes audio from both sides of the cut, so
/// neither finding nor missing it is evidence.
const BLUR_TICKS: f64 = (WINDOW / 2 * TICKS_PER_FRAME as usize / HOP) as f64;

/// Prior log-odds (natural logarithm) of an airing that reaches the end of the track or of the query, compared with one
/// that ends a little earlier. About 1 in 670 airings ends a little before the end of its track or query by this prior.
/// At half this value, edges of degraded airings are cut at the first missing peaks; at twice this value, cuts by an
/// editor near the end are overlooked.
const WHOLE_PRIOR: f32 = 6.5;

/// Largest silence at an end of the track that belongs to the airing (2 s, in ticks). At half this value, faded ends
/// lose up to a second; at twice this value, the audio of the next song can be assigned to this one.
const MAX_SILENCE_TICKS: f64 = 2.0 * TICKS_PER_SECOND;

/// Times in the query that bound an end of an airing, in ticks, from the inside to the outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeBounds {
    /// Time of the outermost found peak.
    found: f64,
    /// Time of the next peak, which is missing, possibly by chance.
    missing: f64,
    /// Time of the missing peak at which so many peaks are missing that chance cannot explain it.
    lost: f64,
}

impl EdgeBounds {
    /// Returns an end that is exactly at a time (ticks).
    pub(crate) fn at(time: f64) -> Self {
        Self { found: time, missing: time, lost: time }
    }

    /// Returns the time at which an airing that ends here and another one that begins at `after` meet without a gap, if
    /// there is one.
    pub(crate) fn meets(self, after: Self) -> Option<f64> {
        // First assume that no peak is missing by chance, then that some are.
        let bounds = [(self.missing + BLUR_TICKS, after.missing - BLUR_TICKS), (self.lost, after.lost)];
        let cuts = bounds.map(|(last, first)| (self.found.max(first), after.found.min(last)));
        cuts.into_iter().find(|(from, to)| from <= to).map(|(from, to)| (from + to) / 2.0)
    }

    /// Returns the best estimate: between the found and the missing peak, but near the found one if they are far apart.
    pub(crate) fn time(self) -> f64 {
        self.found + ((self.missing - self.found) / 2.0).clamp(-MAX_EDGE_TICKS, MAX_EDGE_TICKS)
    }
}

/// Returns the bounds of the start and of the end. An end is the end of the track or of the query if too few peaks are
/// missing before it to contradict that.
pub(crate) fn edges(
    reference: &Reference,
    outcomes: &[PeakOutcome],
    line: &Line,
    query: &Query<'_>,
    survival: Survival,
    (first, end): (usize, usize),
) -> [EdgeBounds; 2] {
    let at = |index: usize| line.query(f64::from(reference.peaks[index].time));
    let clear = |time: f64, from: f64, to: f64| (from + BLUR_TICKS..=to - BLUR_TICKS).contains(&time);
    let (head, tail) = (outcomes[first].reference as usize, outcomes[end - 1].reference as usize);
    // Times of the missing peaks up to the one at which they outweigh the prior for the limit; empty if the limit comes
    // first.
    let missing = |indices: &mut dyn Iterator<Item = usize>| -> Vec<f64> {
        let (mut times, mut loss) = (Vec::new(), 0.0);
        for index in indices {
            let (time, peak) = (at(index), &reference.peaks[index]);
            // From here on, the missing peaks say nothing, and the limit of track or query is near.
            if !clear(f64::from(peak.time), 0.0, reference.ticks) || !clear(time, query.from, query.to) {
                break;
            }
            times.push(time);
            loss -= survival.gain(peak, None, query.chance, 0.0);
            if loss > WHOLE_PRIOR {
                return times;
            }
        }
        Vec::new()
    };
    let edge = |found: f64, missing: Vec<f64>, limit: f64| match missing.as_slice() {
        [nearest, .., lost] => EdgeBounds { found, missing: *nearest, lost: *lost },
        [nearest] => EdgeBounds { found, missing: *nearest, lost: *nearest },
        // Where the track is silent, the query may contain anything.
        [] => EdgeBounds::at(found + (limit - found).clamp(-MAX_SILENCE_TICKS, MAX_SILENCE_TICKS)),
    };
    let before = missing(&mut (0..head).rev());
    let after = missing(&mut (tail + 1..reference.peaks.len()));
    [
        edge(at(head), before, line.query(0.0).max(query.from)),
        edge(at(tail), after, line.query(reference.ticks).min(query.to)),
    ]
}
