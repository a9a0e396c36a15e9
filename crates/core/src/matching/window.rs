//! One window of a query: what is found in it.

use crate::fingerprint::Peak;
use crate::fingerprint::landmark::Depth;
use crate::index::{IndexError, Snapshot};

use super::line::Line;
use super::search::Search;
use super::significance::Chance;
use super::verify::{FINE, References, Verified, Window};

/// What is tried, in this order, until something is found: how deep, at which speeds. The speeds of one
/// pass are judged together, so that the right one wins. They reach as far as 5 % to both sides.
const PASSES: [(Depth, &[f64]); 3] =
    [(SHALLOW, &[1.0]), (DEEP, &[1.0]), (SHALLOW, &[0.98, 1.02, 0.96, 1.04])];
/// Clean and slightly worn sound: the outstanding peaks of both sides are the same ones.
pub(crate) const SHALLOW: Depth = Depth { rank_limit: 6, fan_out: 6, margin: 0.0, gap_reach: 2 };
/// Under noise and speech the track's peaks are anywhere among the query's.
pub(crate) const DEEP: Depth = Depth { rank_limit: 20, fan_out: 40, margin: 0.1, gap_reach: 2 };
/// Candidates of a pass that are verified.
const MOST_CANDIDATES: usize = 32;
/// Enough of them where one is obvious: the rest only serves as its alternatives.
const ENOUGH_CANDIDATES: usize = 12;
/// Of them, those with the most votes whose speed is fitted where nothing is obvious …
const MOST_REFITTED: usize = 8;
/// … which is a quick bound on the logarithm of its probability below this.
const OBVIOUS: f64 = -100.0;
/// Of them, those whose evidence is weighed in full.
const MOST_WEIGHED: usize = 12;
/// Of them, those that are compared with all others.
const MOST_SCRUTINIZED: usize = 6;
/// Offsets that a second of track holds apart.
const OFFSETS_PER_SECOND: f64 = 10.0;

/// What a window gave.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Alignments that chance does not explain.
    pub(crate) accepted: Vec<Verified>,
    /// The best of the others, at most `MOST_SCRUTINIZED`, best first.
    pub(crate) rejected: Vec<Verified>,
}

/// Searches windows; owns the buffers.
#[derive(Debug)]
pub(crate) struct WindowSearch<'a> {
    snapshot: &'a Snapshot,
    references: References<'a>,
    search: Search,
    chance: Chance,
    /// Logarithm of the probability by which an alignment must beat chance.
    limit: f64,
}

/// Natural logarithm of the number of alignments that a search of so many windows tries.
pub(crate) fn log_hypotheses(snapshot: &Snapshot, windows: usize) -> f64 {
    let offsets = (snapshot.seconds() * OFFSETS_PER_SECOND).max(1.0);
    let tried: usize = PASSES.iter().map(|(_, speeds)| speeds.len()).sum();
    (offsets * (tried * windows) as f64).ln()
}

impl<'a> WindowSearch<'a> {
    pub(crate) fn new(snapshot: &'a Snapshot, limit: f64) -> Self {
        let references = References::new(snapshot);
        Self { snapshot, references, search: Search::default(), chance: Chance::default(), limit }
    }

    /// Finds what a window holds.
    pub(crate) fn find(&mut self, window: &Window<'_>) -> Result<Found, IndexError> {
        let from = window.peaks.partition_point(|p| f64::from(p.time) < window.from);
        let to = window.peaks.partition_point(|p| f64::from(p.time) < window.to);
        let peaks = &window.peaks[from..to];
        self.chance.measure(peaks, window.to - window.from, FINE);
        let mut verified: Vec<Verified> = Vec::new();
        let mut found = Found::default();
        for (depth, speeds) in PASSES {
            for speed in speeds {
                self.align(window, peaks, depth, *speed, &mut verified)?;
            }
            found = self.judge(&mut verified, window);
            if !found.accepted.is_empty() {
                break;
            }
        }
        Ok(found)
    }

    /// Adds the alignments that candidates of one depth and speed lead to.
    fn align(
        &mut self,
        window: &Window<'_>,
        peaks: &[Peak],
        depth: Depth,
        speed: f64,
        verified: &mut Vec<Verified>,
    ) -> Result<(), IndexError> {
        let scale = (speed as f32, (1.0 / speed) as f32);
        let start = window.from as u32;
        let candidates =
            self.search.candidates(self.snapshot, peaks, start, depth, scale, MOST_CANDIDATES)?;
        let mut rough = Vec::new();
        for (i, candidate) in candidates.iter().enumerate() {
            if i >= ENOUGH_CANDIDATES && verified.iter().any(|v| v.quick < OBVIOUS) {
                break;
            }
            let Some((reference, offset)) = self.references.of(candidate)? else { continue };
            let line = Line { offset: offset - speed * f64::from(start), speed, pitch: speed };
            keep_better(verified, Verified::near(&reference, line, window, &self.chance), window);
            rough.push((reference, line));
        }
        // A line that is off in speed shows little until it is fitted.
        if verified.iter().all(|v| v.quick > OBVIOUS) {
            for (reference, line) in rough.iter().take(MOST_REFITTED) {
                keep_better(verified, Verified::far(reference, *line, window, &self.chance), window);
            }
        }
        Ok(())
    }

    /// Accepts, best first, what the peaks that are not yet explained prove.
    fn judge(&self, verified: &mut Vec<Verified>, window: &Window<'_>) -> Found {
        verified
            .sort_by(|a, b| a.quick.total_cmp(&b.quick).then(a.reference.number.cmp(&b.reference.number)));
        verified.truncate(2 * MOST_CANDIDATES);
        let promising = verified.iter().take(MOST_WEIGHED).filter(|v| v.quick < 0.0);
        let mut weighed: Vec<Verified> = promising.map(|v| v.weighed(window, &self.chance)).collect();
        let by_evidence = |a: &Verified, b: &Verified| {
            a.evidence
                .log_p()
                .total_cmp(&b.evidence.log_p())
                .then(a.reference.number.cmp(&b.reference.number))
        };
        weighed.sort_by(by_evidence);
        let mut used = vec![false; window.peaks.len()];
        let mut found = Found::default();
        for (i, one) in weighed.iter().take(MOST_SCRUTINIZED).enumerate() {
            let free = |query: u32| !used[query as usize];
            let mut left = one.clone();
            left.evidence = one.weigh(window.peaks, free);
            if left.evidence.log_p() <= self.limit {
                let others: Vec<&Verified> =
                    weighed.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other).collect();
                left.scrutinize(&others, window, free);
            }
            if left.evidence.log_p() <= self.limit {
                for query in left.outcomes.iter().filter_map(|o| o.query) {
                    used[query as usize] = true;
                }
                found.accepted.push(left);
            } else {
                // With its own evidence: a copy of what was accepted is told as such, not as chance.
                found.rejected.push(one.clone());
            }
        }
        found.accepted.sort_by(by_evidence);
        found.rejected.sort_by(by_evidence);
        found
    }
}

/// Adds an alignment, or puts it in the place of a worse one along the same line.
fn keep_better(verified: &mut Vec<Verified>, new: Verified, window: &Window<'_>) {
    match verified.iter_mut().find(|old| old.is_same_line(&new, window)) {
        Some(old) if new.quick < old.quick => *old = new,
        Some(_) => {}
        None => verified.push(new),
    }
}
