//! Several songs in a row or on top of each other, with the truth about who plays when.

use crate::RATE_F;
use crate::math::{db_to_gain, samples_in};

/// A stretch of a song to be played in a mix.
#[derive(Debug, Clone, Copy)]
pub struct Clip<'a> {
    /// The song.
    pub samples: &'a [f32],
    /// Where in the song the stretch starts, in seconds.
    pub from: f64,
    /// How long it is, in seconds; cut off at the song's end.
    pub seconds: f64,
    /// Seconds of cross-fade with the clip before; 0 joins them, a negative number leaves a gap of silence.
    pub fade: f64,
}

/// When a clip is heard: the ground truth of a mix. Times are exact to the sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Airing {
    /// Which clip, from 0.
    pub clip: usize,
    /// Start in the mix, in seconds, fade-in included.
    pub start: f64,
    /// Duration in seconds, fades included.
    pub seconds: f64,
    /// Start in the song, in seconds.
    pub song_start: f64,
    /// Seconds of fade at its start and at its end.
    pub fades: (f64, f64),
}

/// Songs in a row.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// 44.1 kHz mono, within ±1 (quieter as a whole where the sum would not be).
    pub samples: Vec<f32>,
    /// What is heard in it, in order.
    pub airings: Vec<Airing>,
}

/// Plays `clips` one after the other, cross-fading with equal power. A fade is never longer than half of
/// either clip.
#[must_use]
pub fn mix(clips: &[Clip<'_>]) -> Mix {
    let cuts: Vec<(usize, &[f32])> = clips.iter().map(cut).collect();
    let fades: Vec<usize> = (0..=clips.len())
        .map(|i| {
            if i == 0 || i == clips.len() {
                return 0;
            }
            samples_in(clips[i].fade).min(cuts[i].1.len() / 2).min(cuts[i - 1].1.len() / 2)
        })
        .collect();
    let (mut samples, mut airings) = (Vec::new(), Vec::new());
    for (i, (from, sound)) in cuts.iter().enumerate() {
        let (fade_in, fade_out) = (fades[i], fades[i + 1]);
        let gap = if i > 0 { samples_in(-clips[i].fade) } else { 0 };
        let start = samples.len() + gap - fade_in;
        samples.resize(start + sound.len(), 0.0);
        let faded = sound.iter().enumerate().map(|(j, s)| {
            let opening = power(j, fade_in);
            let closing = power(sound.len() - 1 - j, fade_out);
            s * opening * closing
        });
        samples[start..].iter_mut().zip(faded).for_each(|(sum, s)| *sum += s);
        airings.push(Airing {
            clip: i,
            start: start as f64 / RATE_F,
            seconds: sound.len() as f64 / RATE_F,
            song_start: *from as f64 / RATE_F,
            fades: (fade_in as f64 / RATE_F, fade_out as f64 / RATE_F),
        });
    }
    within_one(&mut samples);
    Mix { samples, airings }
}

/// Lays `top`, changed by `gain_db` decibels, over `base` from `at` seconds on. The result is as long as
/// `base`, and within ±1 (quieter as a whole where the sum would not be).
#[must_use]
pub fn overlay(base: &[f32], top: &[f32], at: f64, gain_db: f64) -> Vec<f32> {
    let gain = db_to_gain(gain_db) as f32;
    let mut out = base.to_vec();
    let start = samples_in(at).min(out.len());
    out[start..].iter_mut().zip(top).for_each(|(sum, s)| *sum += gain * s);
    within_one(&mut out);
    out
}

/// The samples of a clip and the sample it starts at.
fn cut<'a>(clip: &Clip<'a>) -> (usize, &'a [f32]) {
    let start = samples_in(clip.from).min(clip.samples.len());
    let end = (start + samples_in(clip.seconds)).min(clip.samples.len());
    (start, &clip.samples[start..end])
}

/// The gain `into` samples into a fade of `fade`: its square grows evenly.
fn power(into: usize, fade: usize) -> f32 {
    if into >= fade { 1.0 } else { ((into as f32 + 0.5) / fade as f32).sqrt() }
}

fn within_one(samples: &mut [f32]) {
    let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    if peak > 1.0 {
        samples.iter_mut().for_each(|s| *s /= peak);
    }
}
