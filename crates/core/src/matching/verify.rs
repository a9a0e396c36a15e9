//! Verification: compares the peaks of a track, aligned by a line, with the query, and computes the significance of a
//! candidate (Sonnleitner and Widmer 2016, VI-C).

use std::f64::consts::LN_2;
use std::ops::Range;
use std::sync::Arc;

use crate::fingerprint::Peak;

use super::line::{FINE, Line, PeakOutcome, Tolerance, fit};
use super::peak_grid::{MAX_TIME_TOLERANCE_TICKS, PeakGrid};
use super::query::Window;
use super::reference::Reference;
use super::significance::{BANDS, Chance, PeakEvidence, Survival, band};

/// Tolerance of the fit of a line that is nearly right. It is a little wider than the final tolerance, because votes
/// give the offset only to a bin of 8 ticks. At half this value, the fit starts from too few peaks and true lines are
/// lost; at twice this value, chance hits distort the line.
const NARROW: [Tolerance; 1] = [Tolerance { time: 6.0, frequency: 8.0, relative: 0.002 }];
/// Tolerances of the rounds of fitting a line whose speed may be off by one per cent. The first round covers an error
/// of one per cent over half a window of 10 s (9 ticks), and each round starts from the line of the round before. At
/// half of the first tolerance, such lines are not found; at twice this value, chance hits outnumber true ones.
const WIDE: [Tolerance; 3] = [
    Tolerance { time: 14.0, frequency: 8.0, relative: 0.012 },
    Tolerance { time: 8.0, frequency: 7.0, relative: 0.004 },
    Tolerance { time: 5.0, frequency: 7.0, relative: 0.001 },
];
/// Tolerance of the further fits of a line that an earlier fit has found. The time tolerance is the final one. At twice
/// this value, chance hits move a correct line.
const REFIT: [Tolerance; 1] = [Tolerance { time: 4.0, frequency: 7.0, relative: 0.0 }];
const _: () = assert!(WIDE[0].time <= MAX_TIME_TOLERANCE_TICKS);

/// Maximum number of fits in [`Alignment::refined`]. The fits end earlier when the line no longer improves. The value
/// affects only a few lines at changed scales.
const MAX_EXTRA_FITS: usize = 8;
/// Minimum decrease of [`Alignment::quick_log_p`] by a fit, for which another fit follows. The value changes the number
/// of fits; the best line is kept in any case.
const MIN_FIT_GAIN: f64 = 2.0;

/// Statistics of a window that verification needs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WindowStatistics<'a> {
    /// Probabilities of finding peaks by chance.
    pub(crate) chance: &'a Chance,
    /// Grid of the window's peaks.
    pub(crate) peak_grid: &'a PeakGrid,
}

/// A line of a track with its evidence.
#[derive(Debug, Clone)]
pub(crate) struct Alignment {
    pub(crate) reference: Arc<Reference>,
    pub(crate) line: Line,
    /// Natural logarithm of the factor by which the probability of chance is corrected for the scales that were tried.
    pub(crate) tried: f64,
    pub(crate) evidence: PeakEvidence,
    /// Log-probability that chance gives as much evidence as this alignment has, at one place and scale.
    pub(crate) score: f64,
    /// Part of the window that `score` applies to, in ticks of the query.
    pub(crate) part: (f64, f64),
    /// A cheap approximation of `score` (Chernoff's bound), for selecting the alignments whose score is computed.
    pub(crate) quick_log_p: f64,
    /// Outcomes of the track's peaks that are expected within the window.
    pub(crate) outcomes: Vec<PeakOutcome>,
    /// Probability of finding each peak of `outcomes` by chance, in the same order.
    chances: Vec<f32>,
}

/// Significance of the line of an alignment.
#[derive(Debug)]
pub(crate) struct AlignmentScore {
    /// Natural logarithm of the probability that chance gives as much evidence as the line has, at one place and scale.
    pub(crate) log_p: f64,
    evidence: PeakEvidence,
    /// Range of outcomes to which the score applies, or `None` for all outcomes.
    part: Option<Range<usize>>,
}

/// The line of a track from which [`Alignment::near`] or [`Alignment::far`] starts to fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InitialAlignment {
    pub(crate) line: Line,
    /// Natural logarithm of the factor by which the probability of chance is corrected for the scales that were tried.
    pub(crate) tried: f64,
}

impl Alignment {
    /// Aligns a track with a window, starting from a line that may be off by a few ticks.
    pub(crate) fn near(
        reference: &Arc<Reference>,
        initial: InitialAlignment,
        window: &Window<'_>,
        statistics: WindowStatistics<'_>,
    ) -> Self {
        Self::along(reference, initial, &NARROW, false, window, statistics)
    }

    /// Aligns a track with a window, starting from a line whose speed and pitch may be off by one per cent. Speed and
    /// pitch are fitted twice, independently and tied to the same factor (as on a fast turntable); the better fit is
    /// returned. In the tied fit, the times determine the pitch, because the frequencies of high notes are too far off
    /// at first.
    pub(crate) fn far(
        reference: &Arc<Reference>,
        initial: InitialAlignment,
        window: &Window<'_>,
        statistics: WindowStatistics<'_>,
    ) -> Self {
        let along = |tied| Self::along(reference, initial, &WIDE, tied, window, statistics);
        let (free, tied) = (along(false), along(true));
        if tied.quick_log_p < free.quick_log_p { tied } else { free }
    }

    /// Returns this alignment after fitting its line until the fit no longer improves, with its significance. If speed
    /// or pitch are off, few peaks are found at first and more in each round.
    pub(crate) fn refined(&self, window: &Window<'_>, statistics: WindowStatistics<'_>) -> Self {
        let mut best = self.clone();
        for _ in 0..MAX_EXTRA_FITS {
            let initial = InitialAlignment { line: best.line, tried: best.tried };
            let again = Self::along(&self.reference, initial, &REFIT, false, window, statistics);
            let better = best.quick_log_p - again.quick_log_p;
            if better > 0.0 {
                best = again;
            }
            if better < MIN_FIT_GAIN {
                break;
            }
        }
        let score = best.compute_score(window.peaks, statistics.chance, |_| true, |_| 0.0);
        best.part = (window.from, window.to);
        if let Some(part) = score.part {
            let time = |i: usize| best.time(&best.outcomes[i]);
            best.part = (time(part.start), time(part.end - 1));
        }
        (best.score, best.evidence) = (score.log_p, score.evidence);
        best
    }

    /// Fits a line in several rounds and looks up the track's peaks. If `tied` is true, pitch and speed change by the
    /// same factor. The score is not computed.
    fn along(
        reference: &Arc<Reference>,
        initial: InitialAlignment,
        rounds: &[Tolerance],
        tied: bool,
        window: &Window<'_>,
        statistics: WindowStatistics<'_>,
    ) -> Self {
        let mut line = initial.line;
        let mut outcomes = Vec::new();
        let span = (window.from, window.to);
        for tolerance in rounds {
            statistics.peak_grid.compare(&reference.peaks, &line, span, *tolerance, &mut outcomes);
            line = fit(&reference.peaks, window.peaks, &outcomes, &line);
            if tied {
                line.pitch = initial.line.pitch * line.speed / initial.line.speed;
            }
        }
        statistics.peak_grid.compare(&reference.peaks, &line, span, FINE, &mut outcomes);
        let chances: Vec<f32> = outcomes
            .iter()
            .map(|o| statistics.chance.of(&reference.peaks[o.reference as usize], &line))
            .collect();
        let quick_log_p = bound(reference, &outcomes, &chances);
        Self {
            reference: Arc::clone(reference),
            line,
            tried: initial.tried,
            evidence: PeakEvidence::default(),
            score: 0.0,
            part: (window.from, window.to),
            quick_log_p,
            outcomes,
            chances,
        }
    }

    /// Returns the log-probability that chance gives as much evidence as this alignment has, at any of the scales that
    /// were tried; at most 0.
    pub(crate) fn log_p(&self) -> f64 {
        (self.score + self.tried).min(0.0)
    }

    /// Returns true if the alignment `other` has the same track, and its line differs from the line of this alignment
    /// by less than 4 ticks ([`FINE`]) in the middle of the window.
    pub(crate) fn is_same_line(&self, other: &Self, window: &Window<'_>) -> bool {
        let middle = (window.from + window.to) / 2.0;
        Arc::ptr_eq(&self.reference, &other.reference)
            && (self.line.reference(middle) - other.line.reference(middle)).abs() < FINE.time
    }

    /// Returns the time in the query at which a peak of the track is expected, in ticks.
    fn time(&self, outcome: &PeakOutcome) -> f64 {
        self.line.query(f64::from(self.reference.peaks[outcome.reference as usize].time))
    }

    /// Returns the significance of the whole window, or of its best part if the song begins or ends within the window.
    /// Only the query's peaks for which `counts` is true are used; `competitor` is the probability that a competing
    /// alignment explains a peak.
    pub(crate) fn compute_score(
        &self,
        peaks: &[Peak],
        chance: &Chance,
        counts: impl Fn(u32) -> bool,
        competitor: impl Fn(u32) -> f32,
    ) -> AlignmentScore {
        let evidence_of = |range: Range<usize>| self.evidence_of(range, peaks, chance, &counts, &competitor);
        // The best part is searched with the survival of the whole, because the part is not known yet.
        let whole = evidence_of(0..self.outcomes.len());
        let part = self.best_part(whole.survival(), peaks, chance, &counts);
        let log_p = whole.log_p() + LN_2;
        if part.len() == self.outcomes.len() || part.is_empty() {
            return AlignmentScore { log_p: log_p.min(0.0), evidence: whole, part: None };
        }
        let evidence = evidence_of(part.clone());
        // Any pair of peaks could have been the ends of the part. The factor 2 is for the choice between whole and
        // part.
        let pairs = 0.5 * (self.outcomes.len() as f64).powi(2);
        let part_log_p = evidence.log_p() + (2.0 * pairs).ln();
        if part_log_p < log_p {
            AlignmentScore { log_p: part_log_p.min(0.0), evidence, part: Some(part) }
        } else {
            AlignmentScore { log_p: log_p.min(0.0), evidence: whole, part: None }
        }
    }

    /// Returns the log-probability of chance for the part of the window between `from` and `to` (ticks of the query),
    /// which was not selected by its evidence.
    pub(crate) fn score_within(&self, (from, to): (f64, f64), peaks: &[Peak], chance: &Chance) -> f64 {
        let first = self.outcomes.partition_point(|outcome| self.time(outcome) < from);
        let end = self.outcomes.partition_point(|outcome| self.time(outcome) <= to).max(first);
        let evidence = self.evidence_of(first..end, peaks, chance, &|_| true, &|_| 0.0);
        (evidence.log_p() + LN_2).min(0.0)
    }

    /// Returns the range of outcomes with the highest evidence (Kadane's algorithm).
    fn best_part(
        &self,
        survival: Survival,
        peaks: &[Peak],
        chance: &Chance,
        counts: &impl Fn(u32) -> bool,
    ) -> Range<usize> {
        let (mut sum, mut start, mut best, mut part) = (0.0, 0, 0.0, 0..0);
        for (i, (outcome, hit_chance)) in self.outcomes.iter().zip(&self.chances).enumerate() {
            if sum <= 0.0 {
                (sum, start) = (0.0, i);
            }
            let peak = &self.reference.peaks[outcome.reference as usize];
            let found = outcome.query.filter(|q| counts(*q));
            let found = found.map(|q| self.line.deviation(peak, &peaks[q as usize]));
            sum += survival.gain(peak, found, chance, *hit_chance);
            if sum > best {
                (best, part) = (sum, start..i + 1);
            }
        }
        part
    }

    /// Returns the evidence of a range of outcomes.
    fn evidence_of(
        &self,
        range: Range<usize>,
        peaks: &[Peak],
        chance: &Chance,
        counts: &impl Fn(u32) -> bool,
        competitor: &impl Fn(u32) -> f32,
    ) -> PeakEvidence {
        let mut evidence = PeakEvidence::default();
        for (outcome, hit_chance) in self.outcomes[range.clone()].iter().zip(&self.chances[range]) {
            let peak = &self.reference.peaks[outcome.reference as usize];
            let found = outcome.query.filter(|q| counts(*q));
            let shared = found.map_or(0.0, competitor);
            let found = found.map(|q| self.line.deviation(peak, &peaks[q as usize]));
            evidence.add(peak, found, chance, *hit_chance, shared);
        }
        evidence
    }
}

/// Returns Chernoff's bound of the binomial tail, `-n · KL(found/n ‖ chance/n)`, summed over the bands: about the
/// log-probability that chance finds as many peaks. Bands in which chance finds more peaks do not count.
fn bound(reference: &Reference, outcomes: &[PeakOutcome], chances: &[f32]) -> f64 {
    let mut bands = [(0.0, 0.0, 0.0); BANDS];
    for (outcome, chance) in outcomes.iter().zip(chances) {
        let (n, found, by_chance) = &mut bands[band(reference.peaks[outcome.reference as usize].frequency)];
        *n += 1.0;
        *found += f64::from(u8::from(outcome.query.is_some()));
        *by_chance += f64::from(*chance);
    }
    let part = |p: f64, q: f64| if p > 0.0 { p * (p / q).ln() } else { 0.0 };
    let of_band = |&(n, found, by_chance): &(f64, f64, f64)| {
        let (rate, chance) = (found / n, (by_chance / n).clamp(1e-6, 1.0 - 1e-6));
        if n == 0.0 || rate <= chance {
            return 0.0;
        }
        -n * (part(rate, chance) + part(1.0 - rate, 1.0 - chance))
    };
    bands.iter().map(of_band).sum()
}
