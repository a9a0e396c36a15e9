//! The players of a section: bass, chords, pad, arpeggio and lead.

use super::harmony::{Chord, Voicer};
use super::melody::{self, Motif};
use super::performance::Performance;
use super::score::{Note, Score, Voice};
use crate::rng::Rng;

/// Rhythm in which the chords of a section are played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comp {
    Held,
    Quarters,
    OffBeats,
    Charleston,
    Strum,
    Broken,
}

impl Comp {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        rng.pick(&[Self::Held, Self::Quarters, Self::OffBeats, Self::Charleston, Self::Strum, Self::Broken])
    }

    /// Returns the strokes of the chord in two beats (8 sixteenths), each as start and length in sixteenths.
    fn hits(self) -> &'static [(u32, u32)] {
        match self {
            Self::Held => &[(0, 8)],
            Self::Quarters => &[(0, 3), (4, 3)],
            Self::OffBeats => &[(2, 2), (6, 2)],
            Self::Charleston => &[(0, 5), (6, 2)],
            Self::Strum => &[(0, 2), (2, 2), (4, 2), (6, 2)],
            Self::Broken => &[(0, 8), (2, 6), (4, 4), (6, 2)],
        }
    }
}

/// Pattern of an arpeggio.
#[derive(Debug, Clone, Copy)]
pub(super) struct ArpShape {
    order: u8,
    step: u32,
    octaves: i32,
}

impl ArpShape {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        Self { order: rng.below(4) as u8, step: rng.pick(&[1, 2, 2, 3]), octaves: rng.int(1, 2) }
    }
}

/// Pattern of the bass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BassShape {
    Roots,
    Eighths,
    Octaves,
    RootFifth,
    Walking,
    Syncopated,
}

impl BassShape {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        rng.pick(&[
            Self::Roots,
            Self::Eighths,
            Self::Octaves,
            Self::RootFifth,
            Self::Walking,
            Self::Syncopated,
        ])
    }

    /// Returns the notes in two beats (8 sixteenths), each as start and length in sixteenths and role: 0 root, 1 fifth,
    /// 2 octave, 3 passing note.
    fn notes(self) -> &'static [(u32, u32, u8)] {
        match self {
            Self::Roots => &[(0, 7, 0)],
            Self::Eighths => &[(0, 2, 0), (2, 2, 0), (4, 2, 0), (6, 2, 3)],
            Self::Octaves => &[(0, 2, 0), (2, 2, 2), (4, 2, 0), (6, 2, 2)],
            Self::RootFifth => &[(0, 4, 0), (4, 4, 1)],
            Self::Walking => &[(0, 4, 0), (4, 4, 3)],
            Self::Syncopated => &[(0, 3, 0), (3, 3, 0), (6, 2, 1)],
        }
    }
}

/// Returns the chord that is played at sixteenth `step` of the bar with these `chords`.
fn chord_at(chords: &[(u32, Chord)], step: u32) -> &Chord {
    let i = chords.iter().rposition(|(from, _)| *from <= step).unwrap_or(0);
    &chords[i].1
}

/// Transposes a pitch by octaves into the octave that starts at `lowest`.
fn fold(pitch: i32, lowest: i32) -> i32 {
    lowest + (pitch - lowest).rem_euclid(12)
}

pub(super) fn bass(performance: &Performance<'_>, shape: BassShape, score: &mut Score, rng: &mut Rng) {
    let steps = performance.clock.steps_per_bar;
    for bar in 0..performance.bars {
        for half in (0..steps).step_by(8) {
            for &(step, length, role) in shape.notes() {
                let step = half + step;
                // A note is left out now and then, so that bars differ.
                if step >= steps || rng.chance(0.05) {
                    continue;
                }
                let chord = chord_at(&performance.chords[bar], step);
                let root = fold(chord.root() + performance.tonic, 31);
                let pitch = match role {
                    1 => fold(chord.fifth() + performance.tonic, 31),
                    2 => root + 12,
                    3 => approach(performance, bar, step + length, root, rng),
                    _ => root,
                };
                let start = performance.at(bar, f64::from(step), rng);
                let seconds = performance.seconds(bar, f64::from(length) * rng.range(0.75, 0.97));
                let velocity = performance.velocity(if step == 0 { 0.85 } else { 0.7 }, rng);
                score.notes.push(Note { part: Voice::Bass, start, seconds, pitch, velocity });
            }
        }
    }
}

/// Returns a passing note that leads to the root of the next chord.
fn approach(performance: &Performance<'_>, bar: usize, next_step: u32, root: i32, rng: &mut Rng) -> i32 {
    let (bar, step) =
        if next_step >= performance.clock.steps_per_bar { (bar + 1, 0) } else { (bar, next_step) };
    let Some(chords) = performance.chords.get(bar) else { return root };
    let target = fold(chord_at(chords, step).root() + performance.tonic, 31);
    // If the root does not change, the root or its fifth; otherwise a note one or two semitones from the target.
    if target == root { root + rng.pick(&[0, 7, -5]) } else { target + rng.pick(&[-1, 1, -2, 2]) }
}

pub(super) fn comp(performance: &Performance<'_>, comp: Comp, score: &mut Score, rng: &mut Rng) {
    let steps = performance.clock.steps_per_bar;
    // 58 is B flat 3, between the bass and the melody.
    let mut voicer = Voicer::new(58);
    for bar in 0..performance.bars {
        let mut voiced: Option<(u32, Vec<i32>)> = None;
        for half in (0..steps).step_by(8) {
            for (i, &(step, length)) in comp.hits().iter().enumerate() {
                let step = half + step;
                if step >= steps || (step % 4 != 0 && rng.chance(0.08)) {
                    continue;
                }
                let from =
                    performance.chords[bar].iter().rposition(|(at, _)| *at <= step).unwrap_or(0) as u32;
                // The voicing is kept while the chord lasts, or each stroke would change its notes.
                if voiced.as_ref().is_none_or(|(at, _)| *at != from) {
                    let notes = voicer.voice(chord_at(&performance.chords[bar], step), performance.tonic);
                    voiced = Some((from, notes));
                }
                let notes = voiced.as_ref().map_or(&[][..], |(_, notes)| notes);
                let chosen = if comp == Comp::Broken { &notes[i % notes.len()..][..1] } else { notes };
                strike(performance, (bar, step, length), chosen, comp == Comp::Strum, score, rng);
            }
        }
    }
}

/// Adds a chord of `notes` to `score`, at sixteenth `step` of the section's bar `bar`, for `length` sixteenths. The
/// notes start almost at the same time, or one after the other as on a guitar if `strum` is true.
fn strike(
    performance: &Performance<'_>,
    (bar, step, length): (usize, u32, u32),
    notes: &[i32],
    strum: bool,
    score: &mut Score,
    rng: &mut Rng,
) {
    let start = performance.at(bar, f64::from(step), rng);
    let seconds = performance.seconds(bar, f64::from(length) * rng.range(0.8, 0.98));
    let down = step % 4 == 0;
    let spread = if strum { rng.range(0.008, 0.016) } else { rng.range(0.0, 0.004) };
    let mean = if down { 0.7 } else { 0.55 };
    for (i, &pitch) in notes.iter().enumerate() {
        // A down stroke starts with the lowest string, an up stroke with the highest.
        let order = if down { i } else { notes.len() - 1 - i };
        let velocity = performance.velocity(mean, rng);
        score.notes.push(Note {
            part: Voice::Chords,
            start: start + order as f64 * spread,
            seconds,
            pitch,
            velocity,
        });
    }
}

pub(super) fn pad(performance: &Performance<'_>, score: &mut Score, rng: &mut Rng) {
    let mut voicer = Voicer::new(rng.int(60, 66));
    for bar in 0..performance.bars {
        let chords = &performance.chords[bar];
        for (i, (step, chord)) in chords.iter().enumerate() {
            let end = chords.get(i + 1).map_or(performance.clock.steps_per_bar, |next| next.0);
            let seconds = performance.seconds(bar, f64::from(end - step)) * rng.range(0.95, 1.05);
            for pitch in voicer.voice(chord, performance.tonic) {
                let start = performance.at(bar, f64::from(*step), rng);
                let velocity = performance.velocity(0.6, rng);
                score.notes.push(Note { part: Voice::Pad, start, seconds, pitch, velocity });
            }
        }
    }
}

pub(super) fn arp(performance: &Performance<'_>, shape: ArpShape, score: &mut Score, rng: &mut Rng) {
    let mut voicer = Voicer::new(67);
    let mut count = 0_usize;
    for bar in 0..performance.bars {
        for step in (0..performance.clock.steps_per_bar).step_by(shape.step as usize) {
            let chord = chord_at(&performance.chords[bar], step);
            let close = voicer.voice(chord, performance.tonic);
            let ladder: Vec<i32> =
                (0..shape.octaves).flat_map(|octave| close.iter().map(move |p| p + 12 * octave)).collect();
            let n = ladder.len();
            let i = match shape.order {
                0 => count % n,
                1 => n - 1 - count % n,
                2 => {
                    // Up and down without repeating the notes at both ends.
                    let at = count % (2 * n - 2).max(1);
                    if at < n { at } else { 2 * n - 2 - at }
                }
                _ => rng.below(n),
            };
            // A rest also advances the pattern, so that rests do not shift it against the bar.
            count += 1;
            if rng.chance(0.1) {
                continue;
            }
            let start = performance.at(bar, f64::from(step), rng);
            let seconds = performance.seconds(bar, f64::from(shape.step) * rng.range(0.7, 1.1));
            let velocity = performance.velocity(if step % 4 == 0 { 0.65 } else { 0.5 }, rng);
            score.notes.push(Note { part: Voice::Arp, start, seconds, pitch: ladder[i], velocity });
        }
    }
}

pub(super) fn lead(
    performance: &Performance<'_>,
    part: Voice,
    (first, second): (&Motif, &Motif),
    score: &mut Score,
    rng: &mut Rng,
) {
    // 62 is D4, so melodies are above the chords.
    let tonic =
        fold(performance.tonic, 62) + if part == Voice::SecondLead { rng.pick(&[-12, 0, 12]) } else { 0 };
    for four in (0..performance.bars).step_by(4) {
        let phrase = melody::phrase(first, second, rng.range(0.35, 0.9), rng);
        for (i, motif) in phrase.iter().enumerate().take(performance.bars - four) {
            let bar = four + i;
            for tone in motif {
                let strong = tone.step % 4 == 0 || tone.steps >= 4;
                let chord = chord_at(&performance.chords[bar], tone.step);
                let pitch = melody::pitch(tone.degree, performance.style.key, tonic, chord, strong);
                let start = performance.at(bar, f64::from(tone.step), rng);
                let seconds = performance.seconds(bar, f64::from(tone.steps) * rng.range(0.78, 1.0));
                let velocity = performance.velocity(if strong { 0.8 } else { 0.65 }, rng);
                score.notes.push(Note { part, start, seconds, pitch, velocity });
            }
        }
    }
}
