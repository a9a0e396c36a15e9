//! Rivals: other alignments that explain the same sound about as well.
//!
//! Beats, loops and samples are shared by many pieces, and chance has more than one way: a piece that nobody
//! indexed agrees with several tracks, and with several places of one, where their beats coincide. A true
//! match stands alone, beside its own repetitions. So a match must prove itself by what no rival explains,
//! and by more than what the best other track reaches in the same query, which is what chance can do there.

use std::collections::HashSet;

use crate::fingerprint::TICKS_PER_SECOND;

use super::line::{Line, compare};
use super::significance::Chance;
use super::verify::{FINE, Verified, Window};

/// Rivals that a match is compared with, at most.
const MOST_RIVALS: usize = 16;
/// What chance explains (natural logarithm of the probability) is no rival.
const WORTH_COMPARING: f64 = -3.0;
/// A rival can take about its own evidence away: one with less than this part of the match's takes nothing.
const LEAST_TAKEN: f64 = 0.1;
/// What another track reaches in the same query, chance reaches too, and a little more …
const ELSEWHERE: f64 = 1.3;
/// … and a part of what the same track reaches at places that sound different: its beat alone.
pub(crate) const BESIDE: f64 = 0.2;
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
/// Part of the peaks of two tracks that agree where one is a copy or a variation of the other: they are one
/// explanation, not two. Tracks that share no more than a beat agree in less.
const SAME_SOUND: f64 = 0.35;

/// The logarithm of the probability of chance that is left to a match beside its rivals, best first; above
/// `enough` it need not be exact; `beside_part` of what other places of the same track reach is taken off. Of the query's peaks those count that `counts` lets count.
pub(crate) fn scrutinize(
    one: &Verified,
    rivals: &[&Verified],
    window: &Window<'_>,
    chance: &Chance,
    counts: &impl Fn(u32) -> bool,
    (enough, beside_part): (f64, f64),
) -> f64 {
    let own = one.prove(window.peaks, chance, counts, |_| 0.0).log_p + one.tried;
    let (mut left, mut elsewhere, mut beside, mut taken) = (own, 0.0_f64, 0.0_f64, 0);
    let rest = |left: f64, elsewhere: f64, beside: f64| left - ELSEWHERE * elsewhere - beside_part * beside;
    for rival in rivals.iter().filter(|rival| rival.proof <= WORTH_COMPARING) {
        let proof = if rival.proof < SURELY_A_SONG && is_apart(one.part, rival.part) {
            // Another song that is heard before or behind is none, but for what it has in common.
            rival.prove_within(one.part, window.peaks, chance)
        } else {
            rival.proof
        };
        let mark = if rival.reference.number == one.reference.number { &mut beside } else { &mut elsewhere };
        let takes = taken < MOST_RIVALS && proof <= LEAST_TAKEN * own;
        let higher = proof < *mark && proof > BEYOND_CHANCE;
        if !(takes || higher) || is_same_sound(one, rival, window) {
            continue;
        }
        if higher {
            *mark = proof;
        }
        if takes {
            taken += 1;
            let explained: HashSet<u32> = rival.outcomes.iter().filter_map(|o| o.query).collect();
            let by_rival = |query: u32| if explained.contains(&query) { EXPLAINED } else { 0.0 };
            left = left.max(one.prove(window.peaks, chance, counts, by_rival).log_p + one.tried);
        }
        if rest(left, elsewhere, beside) > enough {
            break;
        }
    }
    rest(left, elsewhere, beside).min(0.0)
}

/// Whether two stretches share next to nothing.
fn is_apart(one: (f64, f64), other: (f64, f64)) -> bool {
    let shared = one.1.min(other.1) - one.0.max(other.0);
    shared < (one.1 - one.0).min(other.1 - other.0) * APART
}

/// Whether another alignment puts the same sound in this place: the same line, a copy of the track, an
/// exact repeat.
fn is_same_sound(one: &Verified, other: &Verified, window: &Window<'_>) -> bool {
    let middle = (window.from + window.to) / 2.0;
    let apart = (one.line.reference(middle) - other.line.reference(middle)).abs();
    if one.reference.number == other.reference.number && apart < SAME_PLACE {
        return true;
    }
    let mut outcomes = Vec::new();
    // From this track's times to the other's, through the query's.
    let speed = one.line.speed / other.line.speed;
    let through = Line {
        offset: one.line.offset - speed * other.line.offset,
        speed,
        pitch: other.line.pitch / one.line.pitch,
    };
    let span = (other.line.reference(window.from), other.line.reference(window.to));
    compare(&one.reference.peaks, &other.reference.peaks, &through, span, FINE, &mut outcomes);
    let found = outcomes.iter().filter(|o| o.query.is_some()).count();
    found as f64 >= SAME_SOUND * outcomes.len() as f64
}
