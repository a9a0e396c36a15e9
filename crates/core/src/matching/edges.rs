//! Edges: the start and the end of an airing in the query.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::fingerprint::params::{HOP, TICKS_PER_FRAME, WINDOW};

use super::line::{Line, PeakOutcome};
use super::query::Query;
use super::reference::Reference;
use super::significance::Survival;

/// Largest distance between the outermost found peak and the reported start or end of an airing (0.5 s, in ticks). The
/// start or end is half-way between the found peak and the first missing one. At half this value, edges in sparse music
/// are placed too far inside; at twice this value, an airing can reach 1 s into silence or speech.
pub(crate) const MAX_EDGE_TICKS: f64 = 0.5 * TICKS_PER_SECOND;
/// Half of a transform window (46 ms, in ticks). A peak that is nearer than this to a cut mixes audio from both sides,
/// so neither finding nor missing the peak is evidence.
const BLUR_TICKS: f64 = (WINDOW / 2 * TICKS_PER_FRAME as usize / HOP) as f64;

/// Prior log-odds (natural logarithm) of an airing that reaches the end of the track or of the query, compared with one
/// that ends a little earlier. About 1 in 670 airings ends a little before the end of its track or query by this prior.
/// At half this value, edges of degraded airings are cut at the first missing peaks; at twice this value, a song that
/// an editor cut near its end is reported up to the end of the track.
const WHOLE_PRIOR: f32 = 6.5;

/// Largest silence at an end of the track that belongs to the airing (2 s, in ticks). At half this value, faded ends
/// lose up to a second; at twice this value, the audio of the next song can be assigned to this one.
const MAX_SILENCE_TICKS: f64 = 2.0 * TICKS_PER_SECOND;

/// Bounds of one end (the start or the end) of an airing: times in the query, in ticks, from the inside of the airing
/// to the outside.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EdgeBounds {
    /// Time of the outermost found peak.
    found: f64,
    /// Time of the next peak, which is missing, possibly by chance.
    missing: f64,
    /// Time of a missing peak farther outside. So many peaks up to it are missing that the airing cannot extend beyond
    /// it.
    lost: f64,
}

impl EdgeBounds {
    /// Returns the bounds of an end that is known exactly, at a time in ticks.
    pub(crate) fn at(time: f64) -> Self {
        Self { found: time, missing: time, lost: time }
    }

    /// Returns the time (ticks) at which an airing that ends within these bounds and another one that starts within
    /// `after` meet without a gap, or `None` if they do not meet.
    pub(crate) fn meets(self, after: Self) -> Option<f64> {
        // The first pair of bounds assumes that no peak is missing by chance, the second that some are.
        let bounds = [(self.missing + BLUR_TICKS, after.missing - BLUR_TICKS), (self.lost, after.lost)];
        let cuts = bounds.map(|(last, first)| (self.found.max(first), after.found.min(last)));
        cuts.into_iter().find(|(from, to)| from <= to).map(|(from, to)| (from + to) / 2.0)
    }

    /// Returns the best estimate of the end, in ticks: half-way between the found and the missing peak, but at most
    /// [`MAX_EDGE_TICKS`] from the found one.
    pub(crate) fn time(self) -> f64 {
        self.found + ((self.missing - self.found) / 2.0).clamp(-MAX_EDGE_TICKS, MAX_EDGE_TICKS)
    }
}

/// Returns the bounds of the start and of the end of the airing that consists of `outcomes[first..end]`. The airing is
/// assumed to begin with the track or the query, and to end with one of them, unless the missing peaks outside of the
/// airing outweigh [`WHOLE_PRIOR`].
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
    // Times of the missing peaks, from the airing outwards, up to the peak at which they outweigh the prior; empty if
    // the end of the track or query comes first.
    let missing = |indices: &mut dyn Iterator<Item = usize>| -> Vec<f64> {
        let (mut times, mut loss) = (Vec::new(), 0.0);
        for index in indices {
            let (time, peak) = (at(index), &reference.peaks[index]);
            // So close to the end of the track or of the query, missing peaks are not evidence.
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
        // The track has no peaks up to its end, so the query gives no evidence about the end of the airing.
        [] => EdgeBounds::at(found + (limit - found).clamp(-MAX_SILENCE_TICKS, MAX_SILENCE_TICKS)),
    };
    let before = missing(&mut (0..head).rev());
    let after = missing(&mut (tail + 1..reference.peaks.len()));
    [
        edge(at(head), before, line.query(0.0).max(query.from)),
        edge(at(tail), after, line.query(reference.ticks).min(query.to)),
    ]
}
