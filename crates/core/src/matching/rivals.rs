//! Rivals: other alignments that explain the same sound about as well.
//!
//! Beats, loops and samples are shared by many pieces, and chance has more than one way: a piece that nobody
//! indexed agrees with several tracks, and with several places of one, where their beats coincide. A true
//! match stands alone, beside its own repetitions. So a match must prove itself by what no other track explains,
//! and by more than what the best other track reaches in the same query, which is what chance can do there.
//!
//! Other places of the same track need care. Under noise a song is known by its loudest sounds, a beat that it
//! repeats, and they explain nearly as much; so they do where an unknown piece has that beat. But that piece agrees
//! with each of them a little in what the others do not explain, and a song in none but its own place. What a rival
//! proves alone tells the two apart ([`Repeats`]).

use std::cell::LazyCell;
use std::collections::HashSet;

use crate::fingerprint::TICKS_PER_SECOND;
use crate::index::TrackNumber;

use super::copies::{Recordings, agreement, is_same_sound};
use super::line::Line;
use super::significance::Chance;
use super::verify::{Verified, Window};

/// Rivals that a match is compared with, at most.
const MOST_RIVALS: usize = 16;
/// What chance explains (natural logarithm of the probability) is no rival.
const WORTH_COMPARING: f64 = -3.0;
/// A rival can take about its own evidence away: one with less than this part of the match's takes nothing.
const LEAST_TAKEN: f64 = 0.1;
/// What another track reaches in the same query, chance reaches too, and a little more.
const ELSEWHERE: f64 = 1.3;
/// Part of the shorter one of two stretches that they may share where one ends and the other begins.
const APART: f64 = 0.5;
/// Few coincidences reach this: it is a song that ends where the other begins.
const SURELY_A_SONG: f64 = -50.0;
/// No coincidence reaches this: the other song is heard at the same time.
const BEYOND_CHANCE: f64 = -250.0;
/// Places in one track nearer than this, ticks, are the same one: held notes fit a little early and late.
const SAME_PLACE: f64 = TICKS_PER_SECOND;
/// Probability that a peak which a rival explains was put there by it.
const EXPLAINED: f32 = 0.7;

/// How a match is weighed beside other places of its own track. What they do not explain always counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repeats {
    /// Part of what they explain too that counts nevertheless: a song under noise is known by its loudest
    /// sounds, which it repeats …
    pub(crate) shared: f64,
    /// … less so many times what the best of them proves by what the match does not explain. A true match leaves
    /// them nothing; unknown music with the same beat has something for each of them.
    pub(crate) alone: f64,
    /// Part of what they reach that is taken off.
    pub(crate) reached: f64,
}

impl Repeats {
    /// In files, where it is known what lies open ([`super::cover`]).
    pub(crate) const IN_FILES: Self = Self { shared: 0.8, alone: 5.0, reached: 0.0 };
    /// In streams.
    pub(crate) const IN_STREAMS: Self = Self { shared: 0.5, alone: 5.0, reached: 0.5 };

    /// At a changed scale only some of the other places are looked at: what is seen of them counts more.
    fn at(self, line: &Line) -> Self {
        const CHANGED: f64 = 0.2;
        if line.is_changed() {
            Self { shared: 0.0, reached: self.reached.max(CHANGED), ..self }
        } else {
            self
        }
    }
}

/// The logarithm of the probability of chance that is left to a match beside its rivals, best first; above
/// `enough` it need not be exact. Of the query's peaks those count that `counts` lets count. A place in a copy of the
/// track, as `recordings` has them, is another place of the same recording; `place_in` gives this place in a track.
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
    // Asked for only where the track repeats itself.
    let mine = LazyCell::new(|| explained(one));
    let mut left = Left::new(own);
    let mut taken = 0;
    for rival in rivals.iter().filter(|rival| rival.proof <= WORTH_COMPARING) {
        let proof = if rival.proof < SURELY_A_SONG && is_apart(one.part, rival.part) {
            // Another song that is heard before or behind is none, but for what it has in common.
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
        let takes = taken < MOST_RIVALS && proof <= LEAST_TAKEN * own;
        let higher = proof < *mark && proof > BEYOND_CHANCE;
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
        if left.log_p(&repeats) > enough {
            break;
        }
    }
    left.log_p(&repeats).min(0.0)
}

/// What is left of a match, logarithms of probabilities of chance.
struct Left {
    own: f64,
    /// Without what another track explains, and what another place of the same one does.
    elsewhere: f64,
    beside: f64,
    /// What another track reaches, what another place of the same one does, and what that does alone.
    other: f64,
    repeated: f64,
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

/// The query's peaks that an alignment explains.
fn explained(one: &Verified) -> HashSet<u32> {
    one.outcomes.iter().filter_map(|o| o.query).collect()
}

/// Whether two stretches share next to nothing.
fn is_apart(one: (f64, f64), other: (f64, f64)) -> bool {
    let shared = one.1.min(other.1) - one.0.max(other.0);
    shared < (one.1 - one.0).min(other.1 - other.0) * APART
}

/// Returns true if another alignment puts the same sound in this place: the same line, a copy of the track, an exact
/// repeat.
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
    fn what_is_shared_counts_unless_another_place_proves_something_alone() {
        let left = |alone| Left { beside: -10.0, alone, ..Left::new(-110.0) }.log_p(&Repeats::IN_FILES);
        assert!((left(0.0) + 90.0).abs() < 1e-9, "four fifths of what is shared: {}", left(0.0));
        assert!(left(-8.0) > left(-4.0) && left(-4.0) > left(0.0));
        assert!(
            (left(-50.0) + 10.0).abs() < 1e-9,
            "what no other place explains is never taken: {}",
            left(-50.0)
        );
    }

    #[test]
    fn what_is_shared_counts_for_nothing_at_a_changed_scale() {
        let line = |speed| Line { offset: 0.0, speed, pitch: 1.0 };
        let left = Left { beside: -10.0, ..Left::new(-110.0) };
        assert!(left.log_p(&Repeats::IN_FILES.at(&line(1.001))) < -80.0);
        assert!((left.log_p(&Repeats::IN_FILES.at(&line(1.05))) + 10.0).abs() < 1e-9);
    }
}
