//! Search of one window of a query.

mod accept;
mod alignments;
mod copies;
mod explanation;
mod passes;

use std::sync::Arc;

use crate::fingerprint::landmark::Depth;
use crate::index::{Candidate, IndexError, SearchIndex, SearchSession};

use super::competitors::SelfSimilarity;
use super::line::{FINE, Line, PeakOutcome};
use super::masking::MaskingModel;
use super::peak_grid::PeakGrid;
use super::query::Window;
use super::reference::{Reference, ReferenceCache};
use super::screen::ScreeningMap;
use super::search::{CandidateLookup, Search};
use super::settings::{Effort, MatchSettings};
use super::significance::Chance;
use super::sweep::{Scale, ladder};
use super::verify::{Alignment, InitialAlignment, WindowStatistics};

pub(crate) use accept::WindowMatches;
use alignments::Alignments;
pub(crate) use explanation::Explanation;

/// Depth of lookups for clean and slightly degraded audio, where the outstanding peaks of query and track are the same.
/// Chosen by hand. More ranks or pairs find more degraded audio in the first pass, but each clean query then reads more
/// postings; with fewer, more clean queries need the deep pass.
pub(crate) const SHALLOW: Depth = Depth { rank_limit: 5, fan_out: 3, gap_reach: 1 };
/// Depth of lookups for audio under noise and speech, where the track's peaks can have any rank among the query's. The
/// weakest peaks (rank 12 and above) are nearly always noise, and their votes would outnumber those of the other peaks.
/// Chosen by hand. With half of the ranks, audio under noise loses most of its votes; with all 20, most votes are of
/// noise and a lookup reads several times as many postings.
pub(crate) const DEEP: Depth = Depth { rank_limit: 12, fan_out: 40, gap_reach: 1 };
/// Depth of lookups for audio that is both degraded and changed. Chosen by hand: between [`SHALLOW`] and [`DEEP`],
/// because it is used at each scale of the ladder. A shallower lookup finds less; a deeper one costs several times as
/// much for each scale.
pub(crate) const MIDDLE: Depth = Depth { rank_limit: 8, fan_out: 12, gap_reach: 1 };

/// Maximum number of candidates of the first pass that are verified. At half this value, a clean song with many
/// repetitions can fill the list with wrong places; at twice this value, the first pass verifies twice as many.
const MAX_CANDIDATES: usize = 32;
/// An alignment is obvious if its quick bound on the log-probability of chance ([`Alignment::quick_log_p`]) is below
/// this. Few coincidences reach it. At half this value (-50), coincidences of beats can end the search early; at twice
/// this value, more queries of known songs need the deep pass.
const OBVIOUS_LOG_P: f64 = -100.0;
/// Minimum number of votes for a verification at the original scale. At 1 or 2, nearly every posting is a candidate; at
/// 6, short or degraded clips with few common landmarks are not found.
const MIN_CANDIDATE_VOTES: u32 = 3;
/// Number of candidates after which a search for clearly audible songs ([`WindowSearch::find_clear`]) ends if no
/// candidate is promising: the votes of such a song are among the highest. At half this value, a song whose wrong
/// places have more votes is missed until the next full search; at twice this value, such searches of unknown audio
/// cost nearly twice as much.
const MAX_QUICK_CANDIDATES: usize = 6;
/// Fraction of the acceptance limit that the quick bound of the best of the first [`MAX_QUICK_CANDIDATES`] candidates
/// must reach, so that a search for clearly audible songs continues. It is below 1 because the bound underrates true
/// alignments. At half this value, more searches of unknown audio continue; near 1, songs whose line is slightly off
/// are missed.
const PROMISING_FRACTION: f64 = 0.5;
/// Number of independent offsets per second of a track: nearer offsets fit nearly as well, because notes last. Set by
/// hand; the null evaluation in `docs/accuracy.md` shows how accurate the resulting probabilities are. At half this
/// value, all claimed probabilities are half as high, so more false matches are accepted; at twice this value, they are
/// twice as high, so more true matches are rejected.
const OFFSETS_PER_SECOND: f64 = 1.0;
/// Fraction of the accepted probability that is assigned to all changed scales together; the rest is for unchanged
/// audio. The more likely hypothesis needs less evidence (a weighted Bonferroni correction). At half this value,
/// recordings at a changed scale need slightly more evidence (by a factor of two in the probability); at twice this
/// value, slightly less. Unchanged recordings are hardly affected.
const CHANGED_SHARE: f64 = 0.01;
/// Number of tries at the original scale: the shallow and the deep lookup.
const ORIGINAL_SCALE_TRIES: f64 = 2.0;

/// Buffers that searches of one catalog reuse.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    pub(crate) references: ReferenceCache,
    search: Search,
    screen: ScreeningMap,
    chance: Chance,
    peak_grid: PeakGrid,
    masking: MaskingModel,
    outcomes: Vec<PeakOutcome>,
}

impl Buffers {
    /// Measures a window and replaces the previous measurements.
    fn measure(&mut self, window: &Window<'_>) {
        self.chance.measure(window.own_peaks(), window.to - window.from, FINE);
        self.peak_grid.map(window);
        self.masking.clear();
    }

    fn statistics(&self) -> WindowStatistics<'_> {
        WindowStatistics { chance: &self.chance, peak_grid: &self.peak_grid }
    }
}

/// Searches windows for matches.
pub(crate) struct WindowSearch<'a> {
    index: &'a dyn SearchIndex,
    session: Box<dyn SearchSession + 'a>,
    settings: &'a MatchSettings,
    ladder: Vec<Scale>,
    buffers: Buffers,
    /// Log-probability of chance below which an alignment is accepted.
    limit: f64,
    /// Weights for discounting other places of the same track.
    self_similarity: SelfSimilarity,
    /// If true, the copies of all accepted matches are looked up, even if the search of the window found none.
    always_add_copies: bool,
}

/// Returns the natural logarithm of the number of alignments that a search of `windows` windows tries at one scale.
pub(crate) fn log_hypotheses(index: &dyn SearchIndex, windows: usize) -> f64 {
    let offsets = (index.seconds() * OFFSETS_PER_SECOND).max(1.0);
    (offsets * windows as f64).ln()
}

impl<'a> WindowSearch<'a> {
    pub(crate) fn new(index: &'a dyn SearchIndex, settings: &'a MatchSettings, limit: f64) -> Self {
        Self::with(Buffers::default(), index, settings, (limit, SelfSimilarity::IN_FILES))
    }

    /// Creates a search that reuses the buffers of another search of the same catalog.
    pub(crate) fn with(
        buffers: Buffers,
        index: &'a dyn SearchIndex,
        settings: &'a MatchSettings,
        (limit, self_similarity): (f64, SelfSimilarity),
    ) -> Self {
        Self {
            index,
            session: index.session(),
            settings,
            ladder: ladder(settings),
            buffers,
            limit,
            self_similarity,
            always_add_copies: false,
        }
    }

    /// Makes this search look up the copies of all accepted matches, even if the search of a window found none. Streams
    /// need this, because an airing may already explain the peaks by which the search would find the copies.
    pub(crate) fn with_all_copies(self) -> Self {
        Self { always_add_copies: true, ..self }
    }

    /// Returns the buffers for the next search.
    pub(crate) fn into_buffers(self) -> Buffers {
        self.buffers
    }

    /// Searches a window, cheapest pass first, until a match is obvious. A match that is not obvious may be at a wrong
    /// place in the right track, so the search continues at other scales.
    pub(crate) fn find(&mut self, window: &Window<'_>) -> Result<WindowMatches, IndexError> {
        self.buffers.measure(window);
        self.find_measured(window)
    }

    fn find_measured(&mut self, window: &Window<'_>) -> Result<WindowMatches, IndexError> {
        let mut found = self.find_passes(window)?;
        self.add_missing_copies(&mut found, window)?;
        Ok(found)
    }

    fn find_passes(&mut self, window: &Window<'_>) -> Result<WindowMatches, IndexError> {
        let mut alignments = Alignments::default();
        self.shallow(window, &mut alignments)?;
        let mut found = self.accept(&alignments, window);
        if found.is_obvious() || self.settings.effort == Effort::Fast {
            return Ok(found);
        }
        self.deep(window, &mut alignments)?;
        found = self.accept(&alignments, window);
        // The ladder is the most expensive pass, so it is left out if this scale has an obvious alignment.
        if !found.has_original_scale() && self.sweep(window, &mut alignments)? {
            found = self.accept(&alignments, window);
            // The ladder verifies few candidates at each scale, so competitors of its match may be missing from the
            // judgment.
            if let Some(line) = found.uncertain_line() {
                self.add_competitors(line, window, &mut alignments)?;
                found = self.accept(&alignments, window);
            }
        }
        Ok(found)
    }

    /// Searches a window for clearly audible songs at their original speed. Ends early, without a match, if the first
    /// candidates are not promising. If an accepted match is not obvious, returns the result of a full search
    /// ([`Self::find`]) instead.
    pub(crate) fn find_clear(&mut self, window: &Window<'_>) -> Result<WindowMatches, IndexError> {
        self.buffers.measure(window);
        let candidates = self.candidates(window, SHALLOW, Scale::ORIGINAL, MAX_CANDIDATES)?;
        let mut alignments = Alignments::default();
        for (i, candidate) in candidates.iter().enumerate() {
            if i == MAX_QUICK_CANDIDATES && !alignments.any_below(PROMISING_FRACTION * self.limit) {
                return Ok(WindowMatches::default());
            }
            let (reference, line) = self.line(candidate, Scale::ORIGINAL, window)?;
            let near = Alignment::near(&reference, self.plain(line), window, self.buffers.statistics());
            alignments.add(near, window);
        }
        let mut found = self.accept(&alignments, window);
        // A match that is not obvious may have competing alignments that only a full search finds.
        if found.accepted.iter().any(|one| one.log_p >= OBVIOUS_LOG_P) {
            return self.find_measured(window);
        }
        self.add_missing_copies(&mut found, window)?;
        Ok(found)
    }

    fn candidates(
        &mut self,
        window: &Window<'_>,
        depth: Depth,
        scale: Scale,
        max_candidates: usize,
    ) -> Result<Vec<Candidate>, IndexError> {
        let found = self.look_up(
            window,
            &[CandidateLookup { depth, scale, min_votes: MIN_CANDIDATE_VOTES }],
            max_candidates,
        )?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    fn look_up(
        &mut self,
        window: &Window<'_>,
        lookups: &[CandidateLookup],
        max_candidates: usize,
    ) -> Result<Vec<Vec<Candidate>>, IndexError> {
        let Self { index, session, buffers: Buffers { search, .. }, .. } = self;
        let peaks = (window.own_peaks(), window.from as u32);
        search.candidates(&mut **session, index.groups(), peaks, lookups, max_candidates)
    }

    /// Returns the track of a candidate and the line of the candidate in the window.
    fn line(
        &mut self,
        candidate: &Candidate,
        Scale { speed, pitch }: Scale,
        window: &Window<'_>,
    ) -> Result<(Arc<Reference>, Line), IndexError> {
        let (reference, offset) = self.buffers.references.of(&mut *self.session, candidate)?;
        // Lookups count times from the whole tick at which the window begins, lines from the start of the query.
        Ok((reference, Line { offset: offset - speed * window.from.floor(), speed, pitch }))
    }

    fn plain(&self, line: Line) -> InitialAlignment {
        InitialAlignment { line, tried: (ORIGINAL_SCALE_TRIES / (1.0 - CHANGED_SHARE)).ln() }
    }

    fn changed(&self, line: Line) -> InitialAlignment {
        let scales = self.ladder.len() * Scale::ORIGINAL.fine().len();
        InitialAlignment { line, tried: (scales as f64 / CHANGED_SHARE).ln() }
    }
}
