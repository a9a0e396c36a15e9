//! What of all that was verified in a window is believed.

use crate::fingerprint::TICKS_PER_SECOND;

use super::super::line::Line;
use super::super::rivals::scrutinize;
use super::super::verify::{Verified, Window};
use super::{MOST_CANDIDATES, MOST_PROMISING, OBVIOUS, WindowSearch};

/// A match of another scale has rivals there, which are looked for if the logarithm of its probability is above this.
const BEYOND_DOUBT: f64 = -300.0;
/// What lies open counts so many times. Set on unknown pieces of a catalogue's own makers, which agree with their
/// tracks in beat and samples and are told apart best by it; one in a thousand true matches is lost.
const OPEN: f64 = 3.0;
/// Alignments whose evidence is weighed in full.
const MOST_WEIGHED: usize = 40;
/// Of them, those that are compared with all others.
const MOST_SCRUTINIZED: usize = 6;
/// A shorter part of a window, ticks, is a chord or a drum roll, no airing.
const SHORTEST_PART: f64 = 3.0 * TICKS_PER_SECOND;

/// What a window gave.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Alignments that chance does not explain, with the logarithm of its probability beside all rivals.
    pub(crate) accepted: Vec<(Verified, f64)>,
    /// The best of the others, at most `MOST_SCRUTINIZED`, best first, with the same.
    pub(crate) rejected: Vec<(Verified, f64)>,
}

impl WindowSearch<'_> {
    /// Accepts, best first, what the peaks that are not yet explained prove.
    pub(super) fn judge(&mut self, verified: &mut Vec<Verified>, window: &Window<'_>) -> Found {
        verified
            .sort_by(|a, b| a.quick.total_cmp(&b.quick).then(a.reference.number.cmp(&b.reference.number)));
        verified.truncate(2 * (MOST_CANDIDATES + MOST_PROMISING));
        let promising = verified.iter().take(MOST_WEIGHED).filter(|v| v.quick < 0.0);
        let mut weighed: Vec<Verified> =
            promising.map(|v| v.weighed(window, self.buffers.ground())).collect();
        let number = |v: &Verified| v.reference.number;
        weighed.sort_by(|a, b| a.log_p().total_cmp(&b.log_p()).then(number(a).cmp(&number(b))));
        let first = window.first_peak();
        let mut used = vec![false; window.own_peaks().len()];
        // A peak may be found a few ticks outside of the window.
        let own = used.len();
        let place = |query: u32| (query as usize).checked_sub(first).filter(|place| *place < own);
        let mut found = Found::default();
        for (i, one) in weighed.iter().take(MOST_SCRUTINIZED).enumerate() {
            let short = one.part.1 - one.part.0 < SHORTEST_PART.min((window.to - window.from) / 2.0);
            if short || one.log_p() > self.limit {
                found.rejected.push((one.clone(), if short { 0.0 } else { one.log_p() }));
                continue;
            }
            let free = |query: u32| !place(query).is_some_and(|place| used[place]);
            // What an accepted track explains is explained: its other places are no rivals of the rest.
            let rivals: Vec<&Verified> = weighed
                .iter()
                .enumerate()
                .filter(|(j, other)| *j != i && !found.has(other))
                .map(|(_, other)| other)
                .collect();
            let mut log_p =
                scrutinize(one, &rivals, window, &self.buffers.chance, &free, (self.repeats, self.limit));
            if log_p <= self.limit && log_p > BEYOND_DOUBT {
                self.buffers.cover.measure(window);
                log_p = (log_p + OPEN * self.buffers.cover.open(one, &free, window.relief)).min(0.0);
            }
            if log_p <= self.limit {
                one.outcomes.iter().filter_map(|o| place(o.query?)).for_each(|place| used[place] = true);
                found.accepted.push((one.clone(), log_p));
            } else {
                found.rejected.push((one.clone(), log_p));
            }
        }
        found.accepted.sort_by(|a, b| a.1.total_cmp(&b.1));
        found
    }
}

impl Found {
    /// Accepted and rejected ones.
    pub(crate) fn all(&self) -> impl Iterator<Item = &(Verified, f64)> {
        self.accepted.iter().chain(&self.rejected)
    }

    /// Whether a match is so good, beside its rivals too, that nothing more need be looked for.
    pub(super) fn is_obvious(&self) -> bool {
        self.accepted.iter().any(|(one, log_p)| one.quick < OBVIOUS && *log_p < OBVIOUS)
    }

    /// Whether a match is so good that no other scale need be tried.
    pub(super) fn is_at_this_scale(&self) -> bool {
        self.accepted.iter().any(|(one, _)| one.quick < OBVIOUS)
    }

    /// The line of the best match, if it is one of another scale and not beyond doubt.
    pub(super) fn doubtful(&self) -> Option<Line> {
        let (best, log_p) = self.accepted.first()?;
        (best.line.is_changed() && *log_p > BEYOND_DOUBT).then_some(best.line)
    }

    fn has(&self, other: &Verified) -> bool {
        self.accepted.iter().any(|(one, _)| one.reference.number == other.reference.number)
    }
}
