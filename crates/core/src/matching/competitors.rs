//! Competing alignments: other alignments that explain the same audio about as well.
//!
//! Many pieces share beats, loops and samples. So an alignment can arise by chance in several ways: a piece that is not
//! indexed agrees with several tracks, and with several places of one track, where the beats coincide. A true match has
//! no competitors apart from its own repetitions. So a match must be significant by peaks that no other track explains.
//! Its evidence must also exceed that of the best other track in the same query, because chance can give as much
//! evidence as that track has.
//!
//! Other places of the same track need a different rule. Under noise only the loudest sounds of a song are found, such
//! as a repeated beat, so other places of the song explain nearly as many peaks as the right place. An unknown piece
//! with the same beat gives the same result. The two cases differ in the peaks that only one place explains: in an
//! unknown piece every place has such peaks, in the song only the right place has them. So the evidence that only a
//! competing place has distinguishes the two cases ([`SelfSimilarity`]).

use std::cell::LazyCell;
use std::collections::HashSet;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;

use super::copies::{Recordings, agreement, is_same_audio};
use super::line::Line;
use super::query::Window;
use super::significance::Chance;
use super::verify::Alignment;

/// Maximum number of competitors whose peaks are discounted. At half this value, repetitive unknown music matches more
/// often, because further places are not discounted; at twice this value, judging repetitive songs costs up to twice as
/// much.
const MAX_DISCOUNTED: usize = 16;
/// Alignments with a log-probability of chance (natural logarithm) above this do not compete. Nearer to 0, time is
/// spent on alignments that cannot take away evidence; at twice this value, weak competitors that together show a
/// coincidence are ignored, so wrong matches are accepted.
const MAX_COMPETING_LOG_P: f64 = -3.0;
/// Minimum evidence of a competitor, as a fraction of the match's evidence, for discounting the competitor's peaks. A
/// competitor can take away about as much evidence as it has. At half this value, more competitors are computed that
/// change little; at twice this value, competitors with up to a fifth of the evidence are ignored.
const MIN_DISCOUNT_FRACTION: f64 = 0.1;
/// Factor on the evidence of the best other track in the same query; the product is subtracted from the evidence of a
/// match. It is above 1, because chance can give as much evidence as the other track has, and a little more. Chosen
/// with the clips of `docs/accuracy.md`. At half this value, unknown music that coincides with several tracks matches;
/// at twice this value, songs that share material with another track are lost.
const OTHER_TRACK_WEIGHT: f64 = 1.3;
/// Two stretches that share less than this fraction of the shorter one are apart: one ends where the other begins. At
/// half this value, a song that overlaps the match by a third competes with all of its evidence; near 1, competitors in
/// the same stretch compete with only a part of their evidence.
const MIN_SHARED_FRACTION: f64 = 0.5;
/// Log-probability of chance below which a competitor in a separate stretch counts as a neighboring song: it ends where
/// the match begins, or the reverse. Few coincidences reach this value. At half this value, coincidences count as
/// neighboring songs and compete too little; at twice this value, the neighboring song takes evidence from the match.
const SONG_LOG_P: f64 = -50.0;
/// Log-probability of chance below which a competitor is another song that is audible at the same time. No coincidence
/// reaches this value. At half this value, strong coincidences count as a second song; at twice this value, two songs
/// played at once suppress each other.
const SECOND_SONG_LOG_P: f64 = -250.0;
/// Two places in one track that are nearer to each other than this, in ticks, count as the same: sustained notes also
/// match a little early and late. At half this value, a line that is a beat off competes with its own match; at twice
/// this value, real repetitions within 2 s are not discounted.
const SAME_PLACE_TICKS: f64 = TICKS_PER_SECOND;
/// Probability that a peak which a competitor explains is caused by the competitor. At 1, a match loses all peaks that
/// it shares with a competitor, even if the competitor is a coincidence; at half this value, unknown music with the
/// same beat keeps most of its evidence.
const EXPLAINED_PROBABILITY: f32 = 0.7;

/// Weights for discounting other places of the same track. Peaks that the other places do not explain always count in
/// full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SelfSimilarity {
    /// Weight, 0 to 1, of the match's evidence in peaks that other places of the recording explain, too. Such evidence
    /// counts, because under noise only the loudest sounds of a song are found, and a song repeats them.
    pub(crate) shared: f64,
    /// Factor on the evidence that the best other place has in peaks that the match does not explain; the product is
    /// subtracted from the shared evidence. The other places of a true match have no such evidence; unknown music with
    /// the same beat gives such evidence to every place.
    pub(crate) unshared: f64,
    /// Fraction of the evidence of the best other place that is subtracted from the evidence of the match.
    pub(crate) reached: f64,
}

impl SelfSimilarity {
    /// Weights for files, where the masking of missing peaks is checked as well ([`super::masking`]).
    pub(crate) const IN_FILES: Self = Self { shared: 0.8, unshared: 5.0, reached: 0.0 };
    /// Weights for streams, where the masking of missing peaks is not checked.
    pub(crate) const IN_STREAMS: Self = Self { shared: 0.5, unshared: 5.0, reached: 0.5 };

    /// Returns the weights for a line. At a changed scale only some of the other places are searched, so the other
    /// places that are found have more weight.
    fn at(self, line: &Line) -> Self {
        // At half this value, unknown music matches more often at changed scales; at twice this value, repetitive songs
        // at changed scales are not found.
        const CHANGED: f64 = 0.2;
        if line.is_changed() {
            Self { shared: 0.0, reached: self.reached.max(CHANGED), ..self }
        } else {
            self
        }
    }
}

/// Returns the log-probability of chance of the match `one` after discounting its competitors, which must be sorted
/// best first. Only the query's peaks for which `counts` is true are used. A place in a copy of the track, according to
/// `recordings`, is another place of the same recording. `place_in` returns the alignment of the match in a given copy
/// of its track, or `one` if the track is no such copy. A competitor that plays the same audio as the match is left
/// out; this is checked last, because comparing two tracks is expensive. Each competitor can only raise the result, so
/// no further competitors are discounted once the result exceeds `limit`. A result above `limit` may be too low.
pub(crate) fn discount_alternatives<'a>(
    (one, place_in): (&Alignment, &dyn Fn(TrackNumber) -> &'a Alignment),
    competitors: &[&Alignment],
    window: &Window<'_>,
    chance: &Chance,
    counts: &impl Fn(u32) -> bool,
    recordings: &Recordings,
    (self_similarity, limit): (SelfSimilarity, f64),
) -> f64 {
    let self_similarity = self_similarity.at(&one.line);
    let own = one.compute_score(window.peaks, chance, counts, |_| 0.0).log_p + one.tried;
    // This set is computed only if the track repeats itself.
    let own_peaks = LazyCell::new(|| explained(one));
    let mut residual = ResidualEvidence::new(own);
    let mut discounted = 0;
    for competitor in competitors.iter().filter(|competitor| competitor.score <= MAX_COMPETING_LOG_P) {
        let score = if competitor.score < SONG_LOG_P && is_separate(one.part, competitor.part) {
            // A song that is audible before or after the match competes only with its evidence within the match.
            competitor.score_within(one.part, window.peaks, chance)
        } else {
            competitor.score
        };
        let track = competitor.reference.number;
        let is_same_recording = recordings.are_same_recording(track, one.reference.number);
        let (without_repeats, best) = if is_same_recording {
            (&mut residual.without_repeats, &mut residual.best_repeat)
        } else {
            (&mut residual.without_other_tracks, &mut residual.other)
        };
        let discounts = discounted < MAX_DISCOUNTED && score <= MIN_DISCOUNT_FRACTION * own;
        let raises_best = score < *best && score > SECOND_SONG_LOG_P;
        if !(discounts || raises_best) || plays_the_same(place_in(track), competitor, window) {
            continue;
        }
        if raises_best {
            *best = score;
        }
        if discounts {
            discounted += 1;
            let by = |peaks: &HashSet<u32>, query: u32| {
                if peaks.contains(&query) { EXPLAINED_PROBABILITY } else { 0.0 }
            };
            let competitor_peaks = explained(competitor);
            *without_repeats = without_repeats.max(
                one.compute_score(window.peaks, chance, counts, |q| by(&competitor_peaks, q)).log_p
                    + one.tried,
            );
            if is_same_recording && self_similarity.shared > 0.0 {
                let unshared =
                    competitor.compute_score(window.peaks, chance, counts, |q| by(&own_peaks, q)).log_p;
                residual.unshared = residual.unshared.min(unshared.max(score));
            }
        }
        if residual.log_p(&self_similarity) > limit {
            break;
        }
    }
    residual.log_p(&self_similarity).min(0.0)
}

/// Evidence that remains for a match. All values are log-probabilities of chance: lower values are more evidence.
struct ResidualEvidence {
    /// Value of the match with all of its peaks, before any competitor is discounted.
    own: f64,
    /// Value of the match without the peaks of the other track that takes away the most evidence.
    without_other_tracks: f64,
    /// Value of the match without the peaks of the repetition (another place of the same recording) that takes away the
    /// most evidence.
    without_repeats: f64,
    /// Best value of another track; 0 if none exists.
    other: f64,
    /// Best value of another place of the same recording; 0 if none exists.
    best_repeat: f64,
    /// Best value of another place of the same recording, without the peaks that the match explains; 0 if there is
    /// none.
    unshared: f64,
}

impl ResidualEvidence {
    fn new(own: f64) -> Self {
        Self {
            own,
            without_other_tracks: own,
            without_repeats: own,
            other: 0.0,
            best_repeat: 0.0,
            unshared: 0.0,
        }
    }

    fn log_p(&self, self_similarity: &SelfSimilarity) -> f64 {
        let shared = self_similarity.shared * (self.own - self.without_repeats)
            - self_similarity.unshared * self.unshared;
        let without_repeats = self.without_repeats + shared.min(0.0);
        self.without_other_tracks.max(without_repeats)
            - OTHER_TRACK_WEIGHT * self.other
            - self_similarity.reached * self.best_repeat
    }
}

/// Returns the indices of the query's peaks that an alignment explains: the peaks that were found at the expected place
/// of a peak of the track.
fn explained(one: &Alignment) -> HashSet<u32> {
    one.outcomes.iter().filter_map(|o| o.query).collect()
}

/// Returns true if two stretches overlap by less than [`MIN_SHARED_FRACTION`] of the shorter one.
fn is_separate(one: (f64, f64), other: (f64, f64)) -> bool {
    let shared = one.1.min(other.1) - one.0.max(other.0);
    shared < (one.1 - one.0).min(other.1 - other.0) * MIN_SHARED_FRACTION
}

/// Returns true if two alignments play the same audio in `window`: at places of one track that differ by less than
/// [`SAME_PLACE_TICKS`] in the middle of the window, in a copy of the track, or at an exact repetition.
fn plays_the_same(one: &Alignment, other: &Alignment, window: &Window<'_>) -> bool {
    let middle = (window.from + window.to) / 2.0;
    let apart = (one.line.reference(middle) - other.line.reference(middle)).abs();
    if one.reference.number == other.reference.number && apart < SAME_PLACE_TICKS {
        return true;
    }
    let (one, other) = ((&*one.reference, &one.line), (&*other.reference, &other.line));
    is_same_audio(agreement(one, other, (window.from, window.to), &mut Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_evidence_counts_unless_another_place_has_evidence_of_its_own() {
        let residual = |unshared| {
            ResidualEvidence { without_repeats: -10.0, unshared, ..ResidualEvidence::new(-110.0) }
                .log_p(&SelfSimilarity::IN_FILES)
        };
        assert!((residual(0.0) + 90.0).abs() < 1e-9, "four fifths of the shared evidence: {}", residual(0.0));
        assert!(residual(-8.0) > residual(-4.0) && residual(-4.0) > residual(0.0));
        assert!(
            (residual(-50.0) + 10.0).abs() < 1e-9,
            "evidence that no other place explains always counts: {}",
            residual(-50.0)
        );
    }

    #[test]
    fn shared_evidence_is_ignored_at_a_changed_scale() {
        let line = |speed| Line { offset: 0.0, speed, pitch: 1.0 };
        let residual = ResidualEvidence { without_repeats: -10.0, ..ResidualEvidence::new(-110.0) };
        assert!(residual.log_p(&SelfSimilarity::IN_FILES.at(&line(1.001))) < -80.0);
        assert!((residual.log_p(&SelfSimilarity::IN_FILES.at(&line(1.05))) + 10.0).abs() < 1e-9);
    }
}
