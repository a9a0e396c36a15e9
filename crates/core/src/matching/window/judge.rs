//! What of all that was verified in a window is believed.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::IndexError;

use super::super::copies::Recordings;
use super::super::line::Line;
use super::super::rivals::scrutinize;
use super::super::verify::{Verified, Window};
use super::alignments::Alignments;
use super::copies::Group;
use super::{OBVIOUS, WindowSearch};

/// A match of another scale has rivals there, which are looked for if the logarithm of its probability is above this.
const BEYOND_DOUBT: f64 = -300.0;
/// What lies open counts so many times. Set on unknown pieces of a catalogue's own makers, which agree with their
/// tracks in beat and samples and are told apart best by it; one in a thousand true matches is lost.
const OPEN: f64 = 3.0;
/// Places whose evidence is weighed in full; a place of several copies is one.
pub(super) const MOST_WEIGHED: usize = 40;
/// Of them, those that are compared with all others.
const MOST_SCRUTINIZED: usize = 6;
/// A shorter part of a window, ticks, is a chord or a drum roll, no airing.
const SHORTEST_PART: f64 = 3.0 * TICKS_PER_SECOND;

/// An alignment that explains a part of a window, with the copies of its track that explain the same.
#[derive(Debug, Clone)]
pub(crate) struct Explanation {
    /// The alignment with the most evidence.
    pub(crate) lead: Verified,
    /// Logarithm of the probability that it is chance, beside all rivals.
    pub(crate) log_p: f64,
    /// The same place in other tracks that carry the recording.
    pub(crate) copies: Vec<Verified>,
}

impl Explanation {
    /// All its alignments, the one with the most evidence first.
    pub(crate) fn alignments(&self) -> impl Iterator<Item = &Verified> {
        std::iter::once(&self.lead).chain(&self.copies)
    }
}

/// What a window gave.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// Explanations that are not chance, best first.
    pub(crate) accepted: Vec<Explanation>,
    /// The best of the others, at most `MOST_SCRUTINIZED`, best first.
    pub(crate) rejected: Vec<Explanation>,
    /// Tracks that carry one recording, as the window shows.
    pub(crate) recordings: Recordings,
}

impl WindowSearch<'_> {
    /// Accepts, best first, what the peaks that are not yet explained prove.
    pub(super) fn judge(&mut self, verified: &Alignments, window: &Window<'_>) -> Found {
        let mut groups = Group::all(verified, &mut self.buffers.outcomes);
        let mut found = Found::default();
        for group in &groups {
            group.copies.iter().for_each(|copy| found.recordings.link(group.number(), copy.reference.number));
        }
        groups.iter_mut().for_each(|group| group.lead = group.lead.weighed(window, self.buffers.ground()));
        groups.sort_by(|a, b| a.lead.log_p().total_cmp(&b.lead.log_p()).then(a.number().cmp(&b.number())));
        let first = window.first_peak();
        let mut used = vec![false; window.own_peaks().len()];
        // A peak may be found a few ticks outside of the window.
        let own = used.len();
        let place = |query: u32| (query as usize).checked_sub(first).filter(|place| *place < own);
        for (i, Group { lead, copies, .. }) in groups.iter().enumerate().take(MOST_SCRUTINIZED) {
            let explanation = |log_p| Explanation { lead: lead.clone(), log_p, copies: copies.clone() };
            let short = lead.part.1 - lead.part.0 < SHORTEST_PART.min((window.to - window.from) / 2.0);
            if short || lead.log_p() > self.limit {
                found.rejected.push(explanation(if short { 0.0 } else { lead.log_p() }));
                continue;
            }
            let free = |query: u32| !place(query).is_some_and(|place| used[place]);
            let log_p = self.beside_rivals(&groups, i, &found, window, &free);
            if log_p > self.limit {
                found.rejected.push(explanation(log_p));
                continue;
            }
            for one in std::iter::once(lead).chain(copies) {
                one.outcomes.iter().filter_map(|o| place(o.query?)).for_each(|place| used[place] = true);
            }
            found.accepted.push(explanation(log_p));
        }
        found.accepted.sort_by(|a, b| a.log_p.total_cmp(&b.log_p));
        found
    }

    /// The logarithm of the probability of chance that a group has beside all others.
    fn beside_rivals(
        &mut self,
        groups: &[Group],
        index: usize,
        found: &Found,
        window: &Window<'_>,
        free: &impl Fn(u32) -> bool,
    ) -> f64 {
        let (lead, group) = (&groups[index].lead, &groups[index]);
        // What an accepted recording explains is explained: its other places are no rivals of the rest.
        let others = groups.iter().enumerate().filter(|(i, other)| *i != index && !found.has(other));
        let rivals: Vec<&Verified> = others.map(|(_, other)| &other.lead).collect();
        let settings = (self.repeats, self.limit);
        let chance = &self.buffers.chance;
        let own = |track| group.alignment(track);
        let log_p = scrutinize((lead, &own), &rivals, window, chance, free, &found.recordings, settings);
        if log_p > self.limit || log_p <= BEYOND_DOUBT {
            return log_p;
        }
        self.buffers.cover.measure(window);
        (log_p + OPEN * self.buffers.cover.open(lead, free, window.relief)).min(0.0)
    }

    /// Completes the copies of what was accepted, where the window shows that there are some.
    pub(super) fn complete(&mut self, found: &mut Found, window: &Window<'_>) -> Result<(), IndexError> {
        for explanation in &mut found.accepted {
            if !explanation.copies.is_empty() || self.always_complete {
                self.add_copies(explanation, window)?;
                let lead = explanation.lead.reference.number;
                explanation.copies.iter().for_each(|copy| found.recordings.link(lead, copy.reference.number));
            }
        }
        Ok(())
    }
}

impl Found {
    /// Accepted and rejected alignments, without copies, with the logarithm of their probability of chance.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Verified, f64)> {
        self.accepted.iter().chain(&self.rejected).map(|one| (&one.lead, one.log_p))
    }

    /// Whether a match is so good, beside its rivals too, that nothing more need be looked for.
    pub(super) fn is_obvious(&self) -> bool {
        self.accepted.iter().any(|one| one.lead.quick < OBVIOUS && one.log_p < OBVIOUS)
    }

    /// Whether a match is so good that no other scale need be tried.
    pub(super) fn is_at_this_scale(&self) -> bool {
        self.accepted.iter().any(|one| one.lead.quick < OBVIOUS)
    }

    /// The line of the best match, if it is one of another scale and not beyond doubt.
    pub(super) fn doubtful(&self) -> Option<Line> {
        let best = self.accepted.first()?;
        (best.lead.line.is_changed() && best.log_p > BEYOND_DOUBT).then_some(best.lead.line)
    }

    fn has(&self, group: &Group) -> bool {
        let number = group.number();
        self.accepted.iter().any(|one| self.recordings.are_one(one.lead.reference.number, number))
    }
}
