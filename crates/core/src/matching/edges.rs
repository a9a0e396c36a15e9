//! Where an airing begins and ends in the query.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::fingerprint::params::{HOP, TICKS_PER_FRAME, WINDOW};

use super::airings::Airing;
use super::line::{Line, Outcome};
use super::reference::Reference;
use super::significance::Survival;
use super::trace::Query;

/// Beyond the last found peak an airing reaches half-way to the first missing one, at most so far (ticks).
pub(crate) const FARTHEST_EDGE: f64 = 0.5 * TICKS_PER_SECOND;
/// A peak nearer to a cut than half a window of the transform (46 ms) is made of what lies on both sides of
/// it: whether it is found says nothing.
const BLURRED: f64 = (WINDOW / 2 * TICKS_PER_FRAME as usize / HOP) as f64;

/// An airing that reaches to a cut's or track's end is so much likelier than one that ends a little before
/// it (natural logarithm).
const WHOLE: f32 = 6.5;

/// Silence at an end of the track up to this (2 s, ticks) belongs to the airing.
const MAX_SILENCE: f64 = 2.0 * TICKS_PER_SECOND;

/// Times in the query that bound an end, ticks, from within to without.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    /// The outermost peak that was found.
    found: f64,
    /// The next one, which is missing, be it by chance.
    missing: f64,
    /// One before which too many are missing for chance.
    lost: f64,
}

impl End {
    pub(crate) fn at(time: f64) -> Self {
        Self { found: time, missing: time, lost: time }
    }

    /// Where an airing that ends here and one that begins there follow each other without a gap.
    pub(crate) fn meets(self, behind: Self) -> Option<f64> {
        // First as if no peak were missing by chance, then as if some were.
        let bounds = [(self.missing + BLURRED, behind.missing - BLURRED), (self.lost, behind.lost)];
        let cuts = bounds.map(|(last, first)| (self.found.max(first), behind.found.min(last)));
        cuts.into_iter().find(|(from, to)| from <= to).map(|(from, to)| (from + to) / 2.0)
    }

    /// The best guess: between the found and the missing peak, near the found one if they are far apart.
    pub(crate) fn time(self) -> f64 {
        self.found + ((self.missing - self.found) / 2.0).clamp(-FARTHEST_EDGE, FARTHEST_EDGE)
    }
}

/// What is known of start and end. They are those of track or query where too little is missing before them
/// to speak against that.
pub(crate) fn edges(
    reference: &Reference,
    outcomes: &[Outcome],
    line: &Line,
    query: &Query<'_>,
    survival: Survival,
    (first, end): (usize, usize),
) -> [End; 2] {
    let at = |index: usize| line.query(f64::from(reference.peaks[index].time));
    let clear = |time: f64, from: f64, to: f64| (from + BLURRED..=to - BLURRED).contains(&time);
    let (head, tail) = (outcomes[first].reference as usize, outcomes[end - 1].reference as usize);
    // Missing peaks that speak more against the limit than it is likelier; none if the limit comes before.
    let missing = |indices: &mut dyn Iterator<Item = usize>| -> Vec<f64> {
        let (mut times, mut loss) = (Vec::new(), 0.0);
        for index in indices {
            let (time, peak) = (at(index), &reference.peaks[index]);
            if !clear(f64::from(peak.time), 0.0, reference.ticks) || !clear(time, query.from, query.to) {
                break;
            }
            times.push(time);
            loss -= survival.gain(peak, None, query.chance, 0.0);
            if loss > WHOLE {
                return times;
            }
        }
        Vec::new()
    };
    let edge = |found: f64, missing: Vec<f64>, limit: f64| match missing.as_slice() {
        [nearest, .., lost] => End { found, missing: *nearest, lost: *lost },
        [nearest] => End { found, missing: *nearest, lost: *nearest },
        // What is silent in the track may be anything in the query.
        [] => End::at(found + (limit - found).clamp(-MAX_SILENCE, MAX_SILENCE)),
    };
    let before = missing(&mut (0..head).rev());
    let behind = missing(&mut (tail + 1..reference.peaks.len()));
    [
        edge(at(head), before, line.query(0.0).max(query.from)),
        edge(at(tail), behind, line.query(reference.ticks).min(query.to)),
    ]
}

/// Airings that follow each other without a gap meet at one moment, which lies between the bounds of both. They are in order
/// of time.
pub(crate) fn join(airings: &mut [Airing<'_>]) {
    for i in 1..airings.len() {
        let (before, behind) = airings.split_at_mut(i);
        let (Some(before), Some(behind)) = (before.last_mut(), behind.first_mut()) else { continue };
        let (last, first) = (before.primary.pieces.last_mut(), behind.primary.pieces.first_mut());
        let (Some(last), Some(first)) = (last, first) else { continue };
        if let Some(cut) = last.trace.ends[1].meets(first.trace.ends[0]) {
            (last.trace.to, first.trace.from) = (cut, cut);
        }
    }
}
