//! Groups of copies: alignments of copies are grouped, so that each place of a recording is judged once.

use crate::fingerprint::Peak;
use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::{Candidate, IndexError, TrackNumber};

use super::super::copies::{copy_agreement, line_of_copy, may_be_copies};
use super::super::line::{Line, PeakOutcome};
use super::super::query::Window;
use super::super::search::CandidateLookup;
use super::super::sweep::Scale;
use super::super::verify::{Alignment, InitialAlignment};
use super::alignments::Alignments;
use super::explanation::Explanation;
use super::{Buffers, SHALLOW, WindowSearch};

/// Maximum number of places whose evidence is computed in full; a place with copies counts once. At half this value,
/// competitors of a weak match can be missing, so a wrong match can be accepted; at twice this value, each window
/// refines twice as many lines.
const MAX_REFINED: usize = 40;
/// Maximum number of catalog entries of one recording that are looked up; further entries are not reported. The value
/// bounds the time of one search.
const MAX_COPIES: usize = 1000;
/// Length of the part of a track that is looked up to find its copies (10 s, in ticks). At half this value, copies with
/// edits in the stretch have fewer votes and can be missed; at twice this value, the lookup costs twice as much without
/// finding more.
const LOOKUP_TICKS: f64 = 10.0 * TICKS_PER_SECOND;
/// Minimum number of votes of a copy, which shares nearly all of the several hundred landmarks of the stretch. At half
/// this value, many unrelated tracks are compared; at twice this value, copies in other encodings, which share fewer
/// landmarks, may be missed.
const MIN_COPY_VOTES: u32 = 12;

/// The alignments of one place of a recording: the best one, and those of copies.
#[derive(Debug)]
pub(super) struct CopyGroup {
    pub(super) lead: Alignment,
    pub(super) copies: Vec<Alignment>,
    /// Agreement of each copy with the lead: the fraction of peaks that they share.
    agreements: Vec<f64>,
}

impl CopyGroup {
    fn of(lead: &Alignment) -> Self {
        Self { lead: lead.clone(), copies: Vec::new(), agreements: Vec::new() }
    }

    /// Returns the track of the best alignment.
    pub(super) fn number(&self) -> TrackNumber {
        self.lead.reference.number
    }

    /// Returns the alignment of a track, or the best alignment if the track has none.
    pub(super) fn alignment(&self, track: TrackNumber) -> &Alignment {
        self.copies.iter().find(|copy| copy.reference.number == track).unwrap_or(&self.lead)
    }

    /// Returns the alignments in groups, at most [`MAX_REFINED`], best first. Each copy is added to the group with
    /// which it agrees best.
    pub(super) fn all(alignments: &Alignments, outcomes: &mut Vec<PeakOutcome>) -> Vec<Self> {
        let mut groups: Vec<(Self, &[u64])> = Vec::new();
        for (one, explained) in alignments.best_first().into_iter().filter(|(one, _)| one.quick_log_p < 0.0) {
            let mut ungrouped = Some(one.clone());
            if alignments.has_copies() {
                let near = groups.iter_mut().filter(|(_, set)| may_be_copies(set, explained));
                let agreements =
                    near.filter_map(|(group, _)| Some((copy_agreement(&group.lead, one, outcomes)?, group)));
                if let Some((agreement, group)) = agreements.max_by(|a, b| a.0.total_cmp(&b.0)) {
                    ungrouped = group.insert(one, agreement);
                }
            // Without copies no later alignment can join a group, so the rest of the list has no effect.
            } else if groups.len() == MAX_REFINED {
                break;
            }
            let is_below_limit = groups.len() < MAX_REFINED;
            groups.extend(ungrouped.filter(|_| is_below_limit).map(|one| (Self::of(&one), explained)));
        }
        groups.into_iter().map(|(group, _)| group).collect()
    }

    /// Adds a copy to the group. If the group already has an alignment of the same track, because the track repeats the
    /// same audio at another position, it keeps the alignment that agrees better with the lead, and returns the other
    /// one. Otherwise returns `None`.
    fn insert(&mut self, one: &Alignment, agreement: f64) -> Option<Alignment> {
        let known = self.copies.iter().position(|copy| copy.reference.number == one.reference.number);
        let Some(known) = known else {
            self.copies.push(one.clone());
            self.agreements.push(agreement);
            return None;
        };
        if agreement <= self.agreements[known] {
            return Some(one.clone());
        }
        self.agreements[known] = agreement;
        Some(std::mem::replace(&mut self.copies[known], one.clone()))
    }
}

impl WindowSearch<'_> {
    /// Adds the copies in all tracks that carry the recording of an explanation, including tracks that the search of
    /// the query did not find. To find them, the peaks of the track itself are looked up, because they are many and
    /// free of noise.
    pub(super) fn add_copies(
        &mut self,
        explanation: &mut Explanation,
        window: &Window<'_>,
    ) -> Result<(), IndexError> {
        let Explanation { lead, copies, .. } = explanation;
        let (from, to) = (lead.line.reference(lead.part.0).max(0.0), lead.line.reference(lead.part.1));
        // A part identifies the copies as well as the whole; the fit below uses the part that both share.
        let to = to.min(from + LOOKUP_TICKS);
        let index = |time: f64| lead.reference.peaks.partition_point(|p| f64::from(p.time) < time);
        let peaks = &lead.reference.peaks[index(from)..index(to).max(index(from))];
        for candidate in self.copy_candidates(peaks, from.floor())? {
            let known = |one: &Alignment| one.reference.number == candidate.track;
            if known(lead) || copies.iter().any(known) {
                continue;
            }
            let Self { session, buffers, .. } = self;
            let Buffers { references, outcomes, .. } = buffers;
            let (reference, at) = references.of(&mut **session, &candidate)?;
            // The candidate gives the position of the other track at the start of the looked-up stretch; `near` is the
            // corresponding line in the query.
            let near = Line { offset: at - from.floor() + lead.line.offset, ..lead.line };
            let span = (lead.line.query(from), lead.line.query(to));
            if let Some((line, _)) = line_of_copy(lead, (&reference, &near), span, outcomes) {
                let initial = InitialAlignment { line, tried: lead.tried };
                copies.push(Alignment::near(&reference, initial, window, buffers.statistics()));
            }
        }
        Ok(())
    }

    /// Returns candidates in the catalog that may contain these peaks of a track, whose times are counted from `start`.
    fn copy_candidates(&mut self, peaks: &[Peak], start: f64) -> Result<Vec<Candidate>, IndexError> {
        let Self { index, session, buffers: Buffers { search, .. }, .. } = self;
        let lookup = [CandidateLookup { depth: SHALLOW, scale: Scale::ORIGINAL, min_votes: MIN_COPY_VOTES }];
        let found =
            search.candidates(&mut **session, index.groups(), (peaks, start as u32), &lookup, MAX_COPIES)?;
        Ok(found.into_iter().next().unwrap_or_default())
    }
}
