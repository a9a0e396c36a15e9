//! Melodies: motifs, and phrases that repeat them with variations.

use super::harmony::Chord;
use super::style::Key;
use crate::rng::Rng;

/// A note of a melody: start and length in sixteenths of the bar, and a degree of the scale (0 is the
/// tonic of the melody's octave, 7 the tonic above).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Tone {
    pub(super) step: u32,
    pub(super) steps: u32,
    pub(super) degree: i32,
}

/// One bar of melody, from which phrases are built.
pub(super) type Motif = Vec<Tone>;

/// Rhythms of one beat in sixteenths, from sparse to busy. Negative lengths are rests.
const CELLS: [&[i32]; 12] = [
    &[4],
    &[-4],
    &[-2, 2],
    &[2, 2],
    &[3, 1],
    &[2, -2],
    &[1, 3],
    &[2, 1, 1],
    &[1, 1, 2],
    &[1, 2, 1],
    &[-1, 1, 2],
    &[1, 1, 1, 1],
];

/// Draws a random motif of `beats` beats. `density` is from 0 (long notes) to 1 (many short ones).
pub(super) fn draw(beats: u32, density: f64, rng: &mut Rng) -> Motif {
    let weights: Vec<f64> = (0..CELLS.len())
        .map(|i| {
            let distance = (i as f64 / (CELLS.len() - 1) as f64 - density) * 2.5;
            // Rhythms near the density are the most likely ones; the constant keeps all of them possible.
            1.0 / (1.0 + distance * distance * distance * distance) + 0.05
        })
        .collect();
    let mut motif = Motif::new();
    let mut degree = rng.int(-1, 5);
    for beat in 0..beats {
        if beat > 0
            && rng.chance(0.25 * (1.0 - density))
            && let Some(last) = motif.last_mut()
            && last.step + last.steps == beat * 4
        {
            last.steps += 4;
            continue;
        }
        let mut step = beat * 4;
        for &length in CELLS[rng.weighted(&weights)] {
            if length > 0 {
                motif.push(Tone { step, steps: length as u32, degree });
                degree = walk(degree, rng);
            }
            step += length.unsigned_abs();
        }
    }
    if motif.is_empty() {
        motif.push(Tone { step: 0, steps: 6, degree });
    }
    motif
}

/// Returns a random next degree: mostly a step, sometimes a leap. A move that would leave the range −3 to 9 is
/// reversed.
fn walk(degree: i32, rng: &mut Rng) -> i32 {
    let leap = [1, -1, 2, -2, 0, 4, -3][rng.weighted(&[4.0, 4.0, 2.0, 2.0, 1.2, 0.6, 0.6])];
    let next = degree + leap;
    if (-3..=9).contains(&next) { next } else { degree - leap }
}

/// Returns a variation of a motif. `amount` is from 0 (unchanged) to 1 (most variation).
pub(super) fn vary(motif: &Motif, amount: f64, rng: &mut Rng) -> Motif {
    let mut new = motif.clone();
    if rng.chance(amount) {
        let shift = rng.pick(&[-2, -1, 1, 2, 3]);
        new.iter_mut().for_each(|t| t.degree += shift);
    }
    if rng.chance(amount * 0.3) {
        // Inversion around the first note.
        let pivot = new[0].degree;
        new.iter_mut().for_each(|t| t.degree = 2 * pivot - t.degree);
    }
    for i in 0..new.len() {
        if rng.chance(amount * 0.25) {
            new[i].degree += rng.pick(&[-1, 1, 2]);
        }
        if new[i].steps >= 2 && rng.chance(amount * 0.2) {
            let half = new[i].steps / 2;
            let end =
                Tone { step: new[i].step + half, steps: new[i].steps - half, degree: new[i].degree + 1 };
            new[i].steps = half;
            new.push(end);
        }
    }
    new.sort_by_key(|t| t.step);
    if new.len() > 3 && rng.chance(amount * 0.4) {
        let index = 1 + rng.below(new.len() - 1);
        let removed = new.remove(index);
        // The note before it becomes longer, so that no rest appears.
        new[index - 1].steps += removed.steps;
    }
    for tone in &mut new {
        // Repeated variations must not leave the range of the instrument.
        while tone.degree > 10 {
            tone.degree -= 7;
        }
        while tone.degree < -4 {
            tone.degree += 7;
        }
    }
    new
}

/// Creates a phrase of four bars from two motifs: statement, answer, departure, close. `amount` is the variation of the
/// motifs, from 0 (unchanged) to 1.
pub(super) fn phrase(first: &Motif, second: &Motif, amount: f64, rng: &mut Rng) -> [Motif; 4] {
    let statement = vary(first, amount * 0.5, rng);
    let answer = vary(&statement, amount, rng);
    let departure = vary(second, amount, rng);
    let mut close = vary(&statement, amount * 0.7, rng);
    // The close has half of the notes and ends on a long one, so that it is separated from the next phrase.
    let keep = close.len().div_ceil(2);
    close.truncate(keep);
    if let Some(last) = close.last_mut() {
        last.steps = last.steps.max(5);
        last.degree = if rng.chance(0.6) { rng.pick(&[0, 7]) } else { rng.pick(&[2, 4]) };
    }
    [statement, answer, departure, close]
}

/// Returns the MIDI note of a scale degree above MIDI note `tonic`. If `strong` is true, the note is moved to a note of
/// `chord` that is at most two degrees away, if there is one.
pub(super) fn pitch(degree: i32, key: Key, tonic: i32, chord: &Chord, strong: bool) -> i32 {
    let scale = key.mode.scale();
    let semitones = |d: i32| scale[d.rem_euclid(7) as usize] + 12 * d.div_euclid(7);
    if strong {
        for nudge in [0, -1, 1, -2, 2] {
            let there = semitones(degree + nudge);
            if chord.contains(there) {
                return tonic + there;
            }
        }
    }
    tonic + semitones(degree)
}
