//! Competing alignments: other alignments that explain the same audio about as well.
//!
//! Many pieces share beats, loops and samples. So an alignment can arise by chance in several ways: a piece that is not
//! indexed agrees with several tracks, and with several places of one track, where the beats coincide. A true match has no
//! competitors apart from its own repetitions. So a match must be significant by peaks that no other track explains, and by
//! more than the best other track reaches in the same query, because chance can reach as much there.
//!
//! Other places of the same track need a different rule. Under noise only the loudest sounds of a song are found, such as a
//! beat that it repeats, so its other places explain nearly as much. The same holds if an unknown piece has that beat. But
//! the unknown piece agrees a little with each place in peaks that the other places do not explain, while a song does so only
//! with its own place. The evidence of a competitor alone distinguishes the two cases ([`Repeats`]).

use std::cell::LazyCell;
use std::collections::HashSet;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;

use super::copies::{Recordings, agreement, is_same_sound};
use super::line::Line;
use super::significance::Chance;
use super::verify::{Verified, Window};

/// Maximum number of competitors whose peaks are discounted. At half of it, repetitive unknown music keeps evidence
/// that further places explain; at twice, judging repetitive songs costs up to twice as much.
const MOST_RIVALS: usize = 16;
/// Alignments with a log-probability of chance (natural logarithm) above this do not compete. Nearer to 0, alignments
/// are compared that cannot take away evidence; at twice of it, weak competitors are ignored, which together show a
/// coincidence.
const WORTH_COMPARING: f64 = -3.0;
/// Minimum evidence of a competitor, as a fraction of the match's evidence, for discounting its peaks. It can take away
/// about as much evidence as it has. At half of it, more competitors are computed that change little; at twice,
/// competitors that explain a sixth of the match are ignored.
const LEAST_TAKEN: f64 = 0.1;
/// Weight of the evidence that another track reaches in the same query. Chance can reach as much as the other track,
/// and a little more. Chosen with the clips of `docs/accuracy.md`. At half of it, coincidences with several tracks
/// match; at twice, songs that share material with another track are lost.
const ELSEWHERE: f64 = 1.3;
/// Two stretches that share less than this fraction of the shorter one are apart: one ends where the other begins. At
/// half of it, a song that overlaps by a third competes with all of its evidence; near 1, competitors in the same
/// stretch would only count in part.
const APART: f64 = 0.5;
/// Log-probability of chance below which a competitor is a song that ends where the match begins, or the reverse. Few
/// coincidences reach it. At half of it, coincidences count as neighboring songs and compete too little; at twice, the
/// neighboring song takes evidence from the match.
const SURELY_A_SONG: f64 = -50.0;
/// Log-probability of chance that no coincidence reaches: below it, another song is audible at the same time. At half
/// of it, strong coincidences are excused as a second song; at twice, two songs played at once suppress each other.
const BEYOND_CHANCE: f64 = -250.0;
/// Places in one track nearer than this, in ticks, count as the same: sustained notes also match a little early and
/// late. At half of it, a line that is a beat off competes with its own match; at twice, real repetitions within 2 s
/// are not discounted.
const SAME_PLACE: f64 = TICKS_PER_SECOND;
/// Probability that a peak which a competitor explains is caused by the competitor. At 1, all shared peaks would be
/// lost, also to a competitor that is there by chance; at half of it, unknown music with the same beat keeps most of
/// its evidence.
const EXPLAINED: f32 = 0.7;

/// Weights for discounting other places of the same track. Peaks that the other places do not explain always count in full.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeats {
    /// Weight of the evidence that other places explain, too. It counts because under noise only the loudest sounds of a
    /// song, which it repeats, are found.
    pub(crate) shared: f64,
    /// Factor on the evidence that the best other place has in peaks that the match does not explain; the product is
    /// subtracted from the shared evidence. It is zero for a true match, but positive for unknown music with the same beat.
    pub(crate) alone: f64,
    /// Fraction of the evidence of the best other place that is subtracted.
    pub(crate) reached: f64,
}

impl Repeats {
    /// Weights for files, where the masking of missing peaks is checked as well ([`super::cover`]).
    pub(crate) const IN_FILES: Self = Self { shared: 0.8, alone: 5.0, reached: 0.0 };
    /// Weights for streams.
    pub(crate) const IN_STREAMS: Self = Self { shared: 0.5, alone: 5.0, reached: 0.5 };

    /// Returns the weights for a line. At a changed scale only some of the other places are searched, so the evidence of
    /// those that are found has more weight.
    fn at(self, line: &Line) -> Self {
        // At half of it, unknown music matches more often at changed scales; at twice, repetitive songs are lost there.
        const CHANGED: f64 = 0.2;
        if line.is_changed() {
            Self { shared: 0.0, reached: self.reached.max(CHANGED), ..self }
        } else {
            self
        }
    }
}

/// Returns the log-probability of chance of a match after discounting its competitors, which must be sorted best first. A
/// result above `enough` may be inexact. Only the query's peaks for which `counts` is true are used. A place in a copy of the
/// track, according to `recordings`, is another place of the same recording; `place_in` returns the place of the match in a
/// track.
pub(crate) fn scrutinize<'a>(
    (one, place_in): (&Verified, &dyn Fn(TrackNumber) -> &'a Verified),
    rivals: &[&Verified],
    window: &Window<'_>,
    chance: &Chance,
    counts: &impl Fn(u32) -> bool,
    recordings: &Recordings,
    (repeats, enough): (Repeats, f64),
) -> f64 {
    let repeats = repeats.at(&one.line);
    let own = one.prove(window.peaks, chance, counts, |_| 0.0).log_p + one.tried;
    // Computed only if the track repeats itself.
    let mine = LazyCell::new(|| explained(one));
    let mut left = Left::new(own);
    let mut taken = 0;
    for rival in rivals.iter().filter(|rival| rival.proof <= WORTH_COMPARING) {
        let proof = if rival.proof < SURELY_A_SONG && is_apart(one.part, rival.part) {
            // A song that is audible before or after the match competes only with the evidence it has within the match.
            rival.prove_within(one.part, window.peaks, chance)
        } else {
            rival.proof
        };
        let is_same_recording = recordings.are_one(rival.reference.number, one.reference.number);
        let (beside, mark) = if is_same_recording {
            (&mut left.beside, &mut left.repeated)
        } else {
            (&mut left.elsewhere, &mut left.other)
        };
        // Log-probabilities are negative, so "at most a tenth of `own`" means at least a tenth of its evidence.
        let takes = taken < MOST_RIVALS && proof <= LEAST_TAKEN * own;
        let higher = proof < *mark && proof > BEYOND_CHANCE;
        // The comparison of the tracks is last, because it is the most expensive condition.
        if !(takes || higher) || plays_the_same(place_in(rival.reference.number), rival, window) {
            continue;
        }
        if higher {
            *mark = proof;
        }
        if takes {
            taken += 1;
            let by = |peaks: &HashSet<u32>, query: u32| if peaks.contains(&query) { EXPLAINED } else { 0.0 };
            let theirs = explained(rival);
            *beside =
                beside.max(one.prove(window.peaks, chance, counts, |q| by(&theirs, q)).log_p + one.tried);
            if is_same_recording && repeats.shared > 0.0 {
                let alone = rival.prove(window.peaks, chance, counts, |q| by(&mine, q)).log_p;
                left.alone = left.alone.min(alone.max(proof));
            }
        }
        // Further competitors only raise the value, so the match is rejected in any case.
        if left.log_p(&repeats) > enough {
            break;
        }
    }
    left.log_p(&repeats).min(0.0)
}

/// Evidence that remains for a match, as logarithms of probabilities of chance.
struct Left {
    /// Without competitors.
    own: f64,
    /// Without the peaks that another track explains.
    elsewhere: f64,
    /// Without the peaks that another place of the same recording explains.
    beside: f64,
    /// Best value that another track reaches.
    other: f64,
    /// Best value that another place of the same recording reaches.
    repeated: f64,
    /// Best value of another place of the same recording, without the peaks that the match explains.
    alone: f64,
}

impl Left {
    fn new(own: f64) -> Self {
        Self { own, elsewhere: own, beside: own, other: 0.0, repeated: 0.0, alone: 0.0 }
    }

    fn log_p(&self, repeats: &Repeats) -> f64 {
        let shared = repeats.shared * (self.own - self.beside) - repeats.alone * self.alone;
        let beside = self.beside + shared.min(0.0);
        self.elsewhere.max(beside) - ELSEWHERE * self.other - repeats.reached * self.repeated
    }
}

/// Returns the query's peaks that an alignment explains.
fn explained(one: &Verified) -> HashSet<u32> {
    one.outcomes.iter().filter_map(|o| o.query).collect()
}

/// Returns true if two stretches overlap by less than [`APART`] of the shorter one.
fn is_apart(one: (f64, f64), other: (f64, f64)) -> bool {
    let shared = one.1.min(other.1) - one.0.max(other.0);
    shared < (one.1 - one.0).min(other.1 - other.0) * APART
}

/// Returns true if another alignment plays the same audio at this place: the same line, a copy of the track, or an exact
/// repetition.
fn plays_the_same(one: &Verified, other: &Verified, window: &Window<'_>) -> bool {
    let middle = (window.from + window.to) / 2.0;
    let apart = (one.line.reference(middle) - other.line.reference(middle)).abs();
    if one.reference.number == other.reference.number && apart < SAME_PLACE {
        return true;
    }
    let (one, other) = ((&*one.reference, &one.line), (&*other.reference, &other.line));
    is_same_sound(agreement(one, other, (window.from, window.to), &mut Vec::new()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_evidence_counts_unless_another_place_has_evidence_of_its_own() {
        let left = |alone| Left { beside: -10.0, alone, ..Left::new(-110.0) }.log_p(&Repeats::IN_FILES);
        assert!((left(0.0) + 90.0).abs() < 1e-9, "four fifths of the shared evidence: {}", left(0.0));
        assert!(left(-8.0) > left(-4.0) && left(-4.0) > left(0.0));
        assert!(
            (left(-50.0) + 10.0).abs() < 1e-9,
            "evidence that no other place explains always counts: {}",
            left(-50.0)
        );
    }

    #[test]
    fn shared_evidence_is_ignored_at_a_changed_scale() {
        let line = |speed| Line { offset: 0.0, speed, pitch: 1.0 };
        let left = Left { beside: -10.0, ..Left::new(-110.0) };
        assert!(left.log_p(&Repeats::IN_FILES.at(&line(1.001))) < -80.0);
        assert!((left.log_p(&Repeats::IN_FILES.at(&line(1.05))) + 10.0).abs() < 1e-9);
    }
}
