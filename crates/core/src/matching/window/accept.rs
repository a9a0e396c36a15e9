//! Judgment: selects the alignments of a window that are accepted.

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::IndexError;

use super::super::competitors::discount_alternatives;
use super::super::copies::Recordings;
use super::super::line::Line;
use super::super::query::Window;
use super::super::verify::Alignment;
use super::alignments::Alignments;
use super::copies::CopyGroup;
use super::explanation::Explanation;
use super::{OBVIOUS_LOG_P, WindowSearch};

/// Log-probability of chance below which a match is certain. A certain match at a changed scale is accepted without a
/// search for competing alignments at that scale, and the missing peaks of a certain match are not checked for masking.
/// At half this value, wrong matches of repetitive music may be accepted without these checks; at twice this value,
/// more true matches at changed scales need another deep lookup, so searches take longer.
const CERTAIN_LOG_P: f64 = -300.0;
/// Weight of the evidence that missing peaks are not masked. It was tuned on unknown pieces by the artists of a
/// catalog: they agree with indexed tracks in beat and samples, and this evidence distinguishes them best. With this
/// weight, one in a thousand true matches is lost. At half this value, more unknown pieces with the same beat match; at
/// twice this value, more songs under noise whose masking is not measured well are lost.
const UNMASKED_WEIGHT: f64 = 3.0;
/// Maximum number of places in recordings that are judged in a window, best first; a place with copies counts once. A
/// window of 10 s seldom has more than two songs; the other places are reported as rejected explanations. At half this
/// value, a true match behind several strong wrong ones is lost; at twice this value, judging costs up to twice as
/// much.
const MAX_COMPARED: usize = 6;
/// Shortest part of a window that can be an airing (3 s, in ticks): anything shorter is a chord or a drum roll. At half
/// this value, unknown music that shares a fill or sample matches more often; at twice this value, songs that begin or
/// end in the window are found one window later.
const MIN_PART_TICKS: f64 = 3.0 * TICKS_PER_SECOND;

/// Result of searching a window.
#[derive(Debug, Default)]
pub(crate) struct WindowMatches {
    /// Accepted explanations, best first.
    pub(crate) accepted: Vec<Explanation>,
    /// Rejected explanations: the best ones, at most `MAX_COMPARED`, best first.
    pub(crate) rejected: Vec<Explanation>,
    /// Tracks that carry the same recording, according to this window.
    pub(crate) recordings: Recordings,
}

impl WindowSearch<'_> {
    /// Accepts or rejects the alignments of a window, best first. An accepted alignment must be significant by peaks
    /// that no previously accepted alignment explains.
    pub(super) fn accept(&mut self, alignments: &Alignments, window: &Window<'_>) -> WindowMatches {
        let mut groups = CopyGroup::all(alignments, &mut self.buffers.outcomes);
        let mut found = WindowMatches::default();
        for group in &groups {
            group.copies.iter().for_each(|copy| found.recordings.link(group.number(), copy.reference.number));
        }
        groups
            .iter_mut()
            .for_each(|group| group.lead = group.lead.refined(window, self.buffers.statistics()));
        groups.sort_by(|a, b| a.lead.log_p().total_cmp(&b.lead.log_p()).then(a.number().cmp(&b.number())));
        let first = window.first_peak();
        let mut used = vec![false; window.own_peaks().len()];
        // Peaks a few ticks outside of the window can be found, too; they have no entry in `used`.
        let own = used.len();
        let place = |query: u32| (query as usize).checked_sub(first).filter(|place| *place < own);
        for (i, CopyGroup { lead, copies, .. }) in groups.iter().enumerate().take(MAX_COMPARED) {
            let explanation = |log_p| Explanation { lead: lead.clone(), log_p, copies: copies.clone() };
            // In a window of less than 6 s, half of the window is enough, so that short queries can match.
            let short = lead.part.1 - lead.part.0 < MIN_PART_TICKS.min((window.to - window.from) / 2.0);
            if short || lead.log_p() > self.limit {
                found.rejected.push(explanation(if short { 0.0 } else { lead.log_p() }));
                continue;
            }
            let free = |query: u32| !place(query).is_some_and(|place| used[place]);
            let log_p = self.log_p_after_competitors(&groups, i, &found, window, &free);
            if log_p > self.limit {
                found.rejected.push(explanation(log_p));
                continue;
            }
            // Peaks that only a copy explains are marked as used, too: they are of the same recording and must not
            // support another match.
            for one in std::iter::once(lead).chain(copies) {
                one.outcomes.iter().filter_map(|o| place(o.query?)).for_each(|place| used[place] = true);
            }
            found.accepted.push(explanation(log_p));
        }
        // Groups were judged by their evidence before competitors were discounted, so the order may have changed.
        found.accepted.sort_by(|a, b| a.log_p.total_cmp(&b.log_p));
        found
    }

    /// Returns the log-probability of chance of the group `groups[index]` after discounting all competing groups, and
    /// with the penalty for missing peaks that nothing masks. Groups of recordings that `found` has accepted do not
    /// compete. Only the query's peaks for which `free` is true are used.
    fn log_p_after_competitors(
        &mut self,
        groups: &[CopyGroup],
        index: usize,
        found: &WindowMatches,
        window: &Window<'_>,
        free: &impl Fn(u32) -> bool,
    ) -> f64 {
        let (lead, group) = (&groups[index].lead, &groups[index]);
        // Other places of an accepted recording do not compete: the recording already explains their peaks.
        let others = groups.iter().enumerate().filter(|(i, other)| *i != index && !found.has(other));
        let competitors: Vec<&Alignment> = others.map(|(_, other)| &other.lead).collect();
        let settings = (self.self_similarity, self.limit);
        let chance = &self.buffers.chance;
        let own = |track| group.alignment(track);
        let log_p = discount_alternatives(
            (lead, &own),
            &competitors,
            window,
            chance,
            free,
            &found.recordings,
            settings,
        );
        // Measuring the masking of a window is expensive. The penalty only raises `log_p`, so a rejected match stays
        // rejected; a certain match is accepted without this check.
        if log_p > self.limit || log_p <= CERTAIN_LOG_P {
            return log_p;
        }
        self.buffers.masking.measure(window);
        (log_p + UNMASKED_WEIGHT * self.buffers.masking.unmasked_penalty(lead, free, window.relief)).min(0.0)
    }

    /// Looks up the copies of the accepted explanations that the search did not find, and adds them. Unless
    /// `always_add_copies` is set, this is done only for explanations that already have a copy.
    pub(super) fn add_missing_copies(
        &mut self,
        found: &mut WindowMatches,
        window: &Window<'_>,
    ) -> Result<(), IndexError> {
        for explanation in &mut found.accepted {
            if !explanation.copies.is_empty() || self.always_add_copies {
                self.add_copies(explanation, window)?;
                let lead = explanation.lead.reference.number;
                explanation.copies.iter().for_each(|copy| found.recordings.link(lead, copy.reference.number));
            }
        }
        Ok(())
    }
}

impl WindowMatches {
    /// Returns the accepted and rejected alignments without copies, each with its log-probability of chance.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&Alignment, f64)> {
        self.accepted.iter().chain(&self.rejected).map(|one| (&one.lead, one.log_p))
    }

    /// Returns true if an accepted match is below [`OBVIOUS_LOG_P`] both before and after competing alignments are
    /// discounted. The search then ends.
    pub(super) fn is_obvious(&self) -> bool {
        self.accepted.iter().any(|one| one.lead.quick_log_p < OBVIOUS_LOG_P && one.log_p < OBVIOUS_LOG_P)
    }

    /// Returns true if an accepted match is below [`OBVIOUS_LOG_P`] before competing alignments are discounted. Must be
    /// called after the passes at the original scale; if the result is true, no other scale is searched.
    pub(super) fn has_original_scale(&self) -> bool {
        self.accepted.iter().any(|one| one.lead.quick_log_p < OBVIOUS_LOG_P)
    }

    /// Returns the line of the best match if it has a changed scale and is not certain, otherwise `None`.
    pub(super) fn uncertain_line(&self) -> Option<Line> {
        let best = self.accepted.first()?;
        (best.lead.line.is_changed() && best.log_p > CERTAIN_LOG_P).then_some(best.lead.line)
    }

    /// Returns true if the recording of a group is among the accepted explanations.
    fn has(&self, group: &CopyGroup) -> bool {
        let number = group.number();
        self.accepted.iter().any(|one| self.recordings.are_same_recording(one.lead.reference.number, number))
    }
}
