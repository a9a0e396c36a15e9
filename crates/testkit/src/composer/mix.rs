//! The mixer: each part has its own bus with level, stereo position, echo and reverberation.

use super::score::{Score, Voice};
use super::style::Style;
use super::synth::{Kit, Patch};
use crate::effects::room::Room;
use crate::math::{cos_turns, db_to_gain, rms, samples_in, sin_turns, soft_clip};
use crate::rng::Rng;
use crate::{RATE, RATE_F};

/// Duration of the fade at the end of every song in seconds. Songs are cut at their duration. Without a fade, they
/// would end with a click in the middle of notes.
const FADE_SECONDS: f64 = 2.5;
/// Root mean square of a finished song, in dB relative to full scale. It is similar to that of popular music. At a much
/// higher value, the limiter would distort audibly.
const LOUDNESS_DB: f64 = -17.0;

/// Audio with two channels.
#[derive(Debug, Default)]
pub(super) struct Stereo {
    pub(super) left: Vec<f32>,
    pub(super) right: Vec<f32>,
}

impl Stereo {
    fn silent(samples: usize) -> Self {
        Self { left: vec![0.0; samples], right: vec![0.0; samples] }
    }

    fn add(&mut self, at: usize, sound: &[f32], (left, right): (f32, f32)) {
        let at = at.min(self.left.len());
        let channels = self.left[at..].iter_mut().zip(&mut self.right[at..]);
        for ((l, r), sample) in channels.zip(sound) {
            *l += left * sample;
            *r += right * sample;
        }
    }

    fn clear(&mut self) {
        self.left.fill(0.0);
        self.right.fill(0.0);
    }
}

/// Settings of a part's channel strip: level in dB, share sent to the reverberation, echo level.
struct Strip {
    level_db: f64,
    room: f64,
    echo: f64,
}

/// Renders `score` to `samples` samples for each channel.
pub(super) fn render(style: &Style, score: &Score, samples: usize, rng: &mut Rng) -> Stereo {
    let mut out = Stereo::silent(samples);
    let mut room = vec![0.0; samples];
    let mut bus = Stereo::silent(samples);
    let kit = Kit::draw(rng);
    play_drums(&kit, score, &mut bus, &mut rng.fork());
    let strip = Strip { level_db: rng.range(-3.0, 1.0), room: 0.25, echo: 0.0 };
    mix_down(&bus, &strip, &mut out, &mut room);
    // Level in decibels, share of the reverberation, and level of the echo. The bass has little of both, because long
    // low sounds blur.
    let mut parts: [(Voice, &Patch, f64, f64, f64); 6] = [
        (Voice::Bass, &style.bass, -2.0, 0.05, 0.0),
        (Voice::Chords, &style.chords, -4.0, 0.5, 0.0),
        (Voice::Pad, &style.pad, -8.0, 0.8, 0.0),
        (Voice::Arp, &style.arp, -8.0, 0.7, 0.3),
        (Voice::Lead, &style.lead, -2.0, 0.6, 0.25),
        (Voice::SecondLead, &style.second_lead, -5.0, 0.8, 0.35),
    ];
    for (part, patch, level_db, room_share, echo) in &mut parts {
        bus.clear();
        let strip = Strip {
            level_db: *level_db + rng.range(-2.0, 2.0),
            room: *room_share * style.reverb,
            echo: if rng.chance(0.7) { *echo } else { 0.0 },
        };
        play_part(*part, patch, style, score, &mut bus, &mut rng.fork());
        tremolo(patch, &mut bus);
        // An echo delay of three sixteenths falls between the beats.
        echo_bus(&mut bus, strip.echo, samples_in(45.0 / style.tempo_bpm));
        mix_down(&bus, &strip, &mut out, &mut room);
    }
    let mut hall = Room::new(style.reverb_seconds, rng);
    for (i, &sample) in room.iter().enumerate() {
        let (left, right) = hall.next(sample);
        out.left[i] += left;
        out.right[i] += right;
    }
    master(&mut out);
    out
}

/// Returns the equal-power gains for a position from −1 (left) to 1 (right).
fn pan(position: f64) -> (f32, f32) {
    // A quarter turn from left to right: the squares of the gains add up to 1, so the loudness does not depend on the
    // position.
    let turns = (position.clamp(-1.0, 1.0) + 1.0) / 8.0;
    (cos_turns(turns) as f32, sin_turns(turns) as f32)
}

fn play_drums(kit: &Kit, score: &Score, bus: &mut Stereo, rng: &mut Rng) {
    use super::score::Drum;
    let mut sound = Vec::new();
    for stroke in &score.strokes {
        let place = match stroke.drum {
            Drum::ClosedHat | Drum::OpenHat => 0.3,
            Drum::Ride | Drum::HighTom => -0.35,
            Drum::Crash | Drum::LowTom => 0.45,
            Drum::Shaker => -0.5,
            Drum::Kick | Drum::Snare | Drum::Rim | Drum::Clap => 0.0,
        };
        kit.render(stroke.drum, stroke.velocity, rng, &mut sound);
        bus.add(samples_in(stroke.start), &sound, pan(place));
    }
}

fn play_part(part: Voice, patch: &Patch, style: &Style, score: &Score, bus: &mut Stereo, rng: &mut Rng) {
    let width = if part == Voice::Bass { 0.0 } else { 0.3 };
    let centre = if matches!(part, Voice::Bass | Voice::Lead) { 0.0 } else { patch.pan };
    let mut sound = Vec::new();
    let end = bus.left.len();
    for note in score.notes.iter().filter(|note| note.part == part) {
        let at = samples_in(note.start);
        // The score ends with a whole section, but the song at the requested duration.
        if at >= end {
            continue;
        }
        patch.render(note, style.tuning_cents, rng, &mut sound);
        bus.add(at, &sound, pan(centre + width * (rng.unit() - 0.5)));
    }
}

fn tremolo(patch: &Patch, bus: &mut Stereo) {
    let (hz, depth) = patch.tremolo;
    if depth <= 0.0 {
        return;
    }
    // The gain changes every 64 samples (1.5 ms), which is inaudible and saves most of the calculations.
    let (left, right) = (bus.left.chunks_mut(64), bus.right.chunks_mut(64));
    for (i, (left, right)) in left.zip(right).enumerate() {
        let swing = 0.5 * depth * sin_turns(i as f64 * 64.0 * hz / RATE_F);
        left.iter_mut().for_each(|s| *s *= (1.0 - 0.5 * depth + swing) as f32);
        right.iter_mut().for_each(|s| *s *= (1.0 - 0.5 * depth - swing) as f32);
    }
}

/// Adds echoes that alternate between left and right. `delay` is the time between two echoes in samples.
fn echo_bus(bus: &mut Stereo, level: f64, delay: usize) {
    if level <= 0.0 {
        return;
    }
    let level = level as f32;
    for i in delay..bus.left.len() {
        // The channels are exchanged, so that echoes alternate between the sides. Each echo is added to the bus, so
        // that it also causes an echo.
        let (left, right) = (bus.left[i - delay], bus.right[i - delay]);
        bus.left[i] += level * right;
        bus.right[i] += level * left;
    }
}

/// Scales a bus to the level of `strip`, and adds it to the mix `out` and to the input of the reverberation, `room`.
/// The level of the bus is measured only in blocks with sound.
fn mix_down(bus: &Stereo, strip: &Strip, out: &mut Stereo, room: &mut [f32]) {
    let blocks = bus.left.chunks(4096).zip(bus.right.chunks(4096));
    // Silent blocks are ignored, or a part that seldom plays would become louder than the others.
    let levels: Vec<f64> = blocks.map(|(l, r)| rms(l) + rms(r)).filter(|level| *level > 1e-3).collect();
    if levels.is_empty() {
        return;
    }
    let power = levels.iter().map(|level| level * level).sum::<f64>() / levels.len() as f64;
    let gain = (0.1 * db_to_gain(strip.level_db) / power.sqrt()) as f32;
    let send = strip.room as f32;
    for (i, room) in room.iter_mut().enumerate() {
        let (left, right) = (gain * bus.left[i], gain * bus.right[i]);
        out.left[i] += left;
        out.right[i] += right;
        *room += send * (left + right);
    }
}

/// Removes inaudible low frequencies: modulation and narrow pulses produce a DC offset.
fn block_dc(samples: &mut [f32]) {
    // This frequency is below the range of hearing and below all notes.
    const CORNER_HZ: f64 = 18.0;
    let keep = (1.0 - std::f64::consts::TAU * CORNER_HZ / RATE_F) as f32;
    let (mut before, mut after) = (0.0, 0.0);
    for sample in samples {
        after = *sample - before + keep * after;
        before = *sample;
        *sample = after;
    }
}

/// Sets the loudness, and applies a soft limiter and the fade.
fn master(out: &mut Stereo) {
    block_dc(&mut out.left);
    block_dc(&mut out.right);
    // The minimum avoids a division by zero for songs of a few samples.
    let level = ((rms(&out.left).max(1e-6) + rms(&out.right).max(1e-6)) / 2.0).max(1e-6);
    let gain = (db_to_gain(LOUDNESS_DB) / level) as f32;
    let total = out.left.len();
    // At most half of the song, so that very short songs are not only a fade.
    let fade = ((FADE_SECONDS * f64::from(RATE)) as usize).min(total / 2);
    for i in 0..total {
        let left = total - i;
        let end = if left < fade { left as f32 / fade as f32 } else { 1.0 };
        // The limiter is almost linear up to half scale and limits to 0.95 of full scale.
        out.left[i] = 0.95 * end * soft_clip(gain * out.left[i] / 0.95);
        out.right[i] = 0.95 * end * soft_clip(gain * out.right[i] / 0.95);
    }
}
