//! The passes of a search: outstanding peaks, most peaks, other scales. Limits on the number of candidates count each
//! place of a recording once, without its copies.

use std::sync::Arc;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::{Candidate, IndexError};

use super::super::line::Line;
use super::super::query::Window;
use super::super::reference::Reference;
use super::super::search::CandidateLookup;
use super::super::settings::Effort;
use super::super::sweep::{Scale, within_budget};
use super::super::timeline::WINDOW_STEP_TICKS;
use super::super::verify::Alignment;
use super::alignments::Alignments;
use super::{DEEP, MAX_CANDIDATES, MIDDLE, OBVIOUS_LOG_P, SHALLOW, WindowSearch};

/// Number of candidates of the first pass that suffice if one is obvious: further candidates would only serve as its
/// competitors. At half this value, a wrong place that looks obvious may be accepted, because its competitors are not
/// verified; at twice this value, clean queries verify twice as many candidates.
const ENOUGH_CANDIDATES: usize = 12;
/// Maximum number of candidates of the deep pass that are screened. Screening is one memory access for each peak of a
/// track, so it is far cheaper than a verification. At half this value, songs in strong noise that get few votes are
/// lost; at twice this value, the deep pass unpacks more tracks and takes longer.
const MAX_SCREENED: usize = 256;
/// Maximum number of screened candidates that are verified. At half this value, songs in noise are lost if unrelated
/// candidates have a higher score; at twice this value, the deep pass verifies twice as many.
const MAX_VERIFIED: usize = 32;
/// Maximum number of verified candidates whose speed is fitted if none is obvious; the best candidates come first. The
/// wide fit looks up the peaks four times as often as the narrow one. At half this value, songs that are off by one per
/// cent in speed are found less often; at twice this value, queries without a match take longer.
const MAX_REFITTED: usize = 8;
/// Maximum number of candidates of one step of the ladder. At half this value, the right place can be hidden by
/// repetitions of another one; at twice this value, repetitions of a wrong place can use up [`MAX_LADDER_CANDIDATES`].
const MAX_PER_SCALE: usize = 4;
/// Maximum number of candidates of all steps of the ladder that are verified. At half this value, weak matches at a
/// changed scale are lost; at twice this value, unknown queries verify twice as many.
const MAX_LADDER_CANDIDATES: usize = 24;
/// Minimum number of votes for a verification in the ladder. It is above the minimum at the original scale, because
/// many more lookups are made. At half this value, each scale has candidates by chance alone; at twice this value,
/// short changed clips are lost.
const MIN_LADDER_VOTES: u32 = 5;
/// Maximum number of scales of the ladder around which smaller steps are tried. At half this value, the right scale may
/// not be among them in noise; at twice this value, the second round of lookups costs twice as much.
const MAX_FINE_SCALES: usize = 3;

impl WindowSearch<'_> {
    /// Adds alignments that compete with a match at a changed scale. They are found by a deep lookup at the scale of
    /// the match.
    pub(super) fn add_competitors(
        &mut self,
        Line { speed, pitch, .. }: Line,
        window: &Window<'_>,
        alignments: &mut Alignments,
    ) -> Result<(), IndexError> {
        let scale = Scale { speed, pitch };
        let mut places = 0;
        for candidate in self.candidates(window, DEEP, scale, alignments.candidate_count(MAX_CANDIDATES))? {
            let (reference, line) = self.line(&candidate, scale, window)?;
            let near = Alignment::near(&reference, self.changed(line), window, self.buffers.statistics());
            places += usize::from(!alignments.add(near, window));
            if places == MAX_CANDIDATES {
                break;
            }
        }
        Ok(())
    }

    /// First pass: looks up the outstanding peaks.
    pub(super) fn shallow(
        &mut self,
        window: &Window<'_>,
        alignments: &mut Alignments,
    ) -> Result<(), IndexError> {
        let mut requested = MAX_CANDIDATES;
        let mut candidates = self.candidates(window, SHALLOW, Scale::ORIGINAL, requested)?;
        let mut initial = Vec::new();
        let mut i = 0;
        // Copies do not count, because the places that they play are already known.
        while initial.len() < MAX_CANDIDATES {
            if initial.len() >= ENOUGH_CANDIDATES && alignments.any_below(OBVIOUS_LOG_P) {
                break;
            }
            let candidate_count = alignments.candidate_count(MAX_CANDIDATES);
            if i == candidates.len() && i == requested && candidate_count > requested {
                // The larger result begins with the same candidates, so the loop continues at `i`.
                requested = candidate_count;
                candidates = self.candidates(window, SHALLOW, Scale::ORIGINAL, requested)?;
            }
            let Some(candidate) = candidates.get(i) else { break };
            i += 1;
            let (reference, line) = self.line(candidate, Scale::ORIGINAL, window)?;
            let near = Alignment::near(&reference, self.plain(line), window, self.buffers.statistics());
            if !alignments.add(near, window) {
                initial.push((reference, line));
            }
        }
        self.refit(&initial, window, alignments);
        Ok(())
    }

    /// Second pass: looks up all but the weakest peaks ([`DEEP`]) and screens many candidates.
    pub(super) fn deep(
        &mut self,
        window: &Window<'_>,
        alignments: &mut Alignments,
    ) -> Result<(), IndexError> {
        let candidates =
            self.candidates(window, DEEP, Scale::ORIGINAL, alignments.candidate_count(MAX_SCREENED))?;
        // The map is computed here and not when the window is measured, because most windows do not need the deep pass.
        self.buffers.screen.map(window.own_peaks(), window, &self.buffers.chance);
        let mut lines = Vec::new();
        for candidate in &candidates {
            let (reference, line) = self.line(candidate, Scale::ORIGINAL, window)?;
            lines.push((self.buffers.screen.screening_score(&reference, &line, window), reference, line));
        }
        // A stable sort: equal candidates keep their order by votes.
        lines.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut initial = Vec::new();
        for (_, reference, line) in lines {
            if initial.len() == MAX_VERIFIED {
                break;
            }
            let near = Alignment::near(&reference, self.plain(line), window, self.buffers.statistics());
            if !alignments.add(near, window) {
                initial.push((reference, line));
            }
        }
        self.refit(&initial, window, alignments);
        Ok(())
    }

    /// Fits the speed of the first [`MAX_REFITTED`] lines, unless an alignment is obvious. A line that is off in speed
    /// has little evidence until it is fitted.
    fn refit(&self, lines: &[(Arc<Reference>, Line)], window: &Window<'_>, alignments: &mut Alignments) {
        if !alignments.any_below(OBVIOUS_LOG_P) {
            for (reference, line) in lines.iter().take(MAX_REFITTED) {
                let far = Alignment::far(reference, self.plain(*line), window, self.buffers.statistics());
                alignments.add(far, window);
            }
        }
    }

    /// Third pass: tries the scales of the ladder, then small steps around the best ones. Returns true if there were
    /// candidates to verify.
    pub(super) fn sweep(
        &mut self,
        window: &Window<'_>,
        alignments: &mut Alignments,
    ) -> Result<bool, IndexError> {
        // Only the part that the next window does not repeat counts for the budget, so that the budget is not spent
        // twice on the overlap of two windows.
        let new = (window.to - window.from).min(WINDOW_STEP_TICKS);
        let seconds = (window.from / TICKS_PER_SECOND, new / TICKS_PER_SECOND);
        let steps = within_budget(&self.ladder, self.settings, seconds);
        let mut found = Vec::new();
        let max_per_scale = alignments.candidate_count(MAX_PER_SCALE);
        self.look_up_scales(&steps, window, max_per_scale, &mut found)?;
        let mut best: Vec<Scale> = Vec::new();
        for (_, scale) in &found {
            if best.len() < MAX_FINE_SCALES && !best.contains(scale) {
                best.push(*scale);
            }
        }
        let fine: Vec<Scale> = best.iter().flat_map(|scale| scale.fine()).collect();
        // The candidates of the coarse steps stay in the list: at their own scale they may have more votes than at a
        // finer one.
        self.look_up_scales(&fine, window, max_per_scale, &mut found)?;
        let mut places = 0;
        for (candidate, scale) in found.iter().take(alignments.candidate_count(MAX_LADDER_CANDIDATES)) {
            let (reference, line) = self.line(candidate, *scale, window)?;
            let far = Alignment::far(&reference, self.changed(line), window, self.buffers.statistics());
            places += usize::from(!alignments.add(far, window));
            if places == MAX_LADDER_CANDIDATES {
                break;
            }
        }
        Ok(!found.is_empty())
    }

    /// Looks up the window at some scales, adds the candidates to `found`, at most `max_per_scale` per scale, and sorts
    /// `found` by votes.
    fn look_up_scales(
        &mut self,
        steps: &[Scale],
        window: &Window<'_>,
        max_per_scale: usize,
        found: &mut Vec<(Candidate, Scale)>,
    ) -> Result<(), IndexError> {
        let depth = if self.settings.effort == Effort::Thorough { MIDDLE } else { SHALLOW };
        let lookups: Vec<CandidateLookup> = steps
            .iter()
            .map(|scale| CandidateLookup { depth, scale: *scale, min_votes: MIN_LADDER_VOTES })
            .collect();
        for (candidates, scale) in self.look_up(window, &lookups, max_per_scale)?.into_iter().zip(steps) {
            found.extend(candidates.into_iter().map(|c| (c, *scale)));
        }
        // A stable sort: among equal votes, the more likely scales of the ladder stay first.
        found.sort_by_key(|(candidate, _)| std::cmp::Reverse(candidate.votes));
        Ok(())
    }
}
