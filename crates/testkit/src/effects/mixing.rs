//! Mixes of several songs, in sequence or overlaid, with the exact times of each song.

use crate::RATE_F;
use crate::math::{db_to_gain, samples_in};

/// An excerpt of a song for a mix.
#[derive(Debug, Clone, Copy)]
pub struct MixClip<'a> {
    /// Samples of the song.
    pub samples: &'a [f32],
    /// Start of the excerpt in the song, in seconds.
    pub from: f64,
    /// Duration in seconds. The excerpt ends at the latest at the end of the song.
    pub seconds: f64,
    /// Duration of the cross-fade with the previous clip in seconds; 0 for none, negative for a gap of silence.
    pub fade: f64,
}

/// Times of a clip in a mix, exact to the sample. They are the ground truth for tests of recognition.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipTiming {
    /// Index of the clip, from 0.
    pub clip: usize,
    /// Start in the mix in seconds, including the fade-in.
    pub start: f64,
    /// Duration in seconds, including fades.
    pub seconds: f64,
    /// Start in the song in seconds.
    pub song_start: f64,
    /// Durations of the fade-in and of the fade-out in seconds.
    pub fades: (f64, f64),
}

/// A mix of several songs, with the times of each song.
#[derive(Debug, Clone, PartialEq)]
pub struct Mix {
    /// Samples: 44.1 kHz mono. The whole mix is scaled to ±1 if the sum of the clips exceeds ±1.
    pub samples: Vec<f32>,
    /// Times of the clips, in order of the clips.
    pub airings: Vec<ClipTiming>,
}

/// Mixes `clips` in sequence, with equal-power cross-fades. A fade is never longer than half of
/// either clip.
#[must_use]
pub fn mix(clips: &[MixClip<'_>]) -> Mix {
    let cuts: Vec<(usize, &[f32])> = clips.iter().map(cut).collect();
    let fades: Vec<usize> = (0..=clips.len())
        .map(|i| {
            if i == 0 || i == clips.len() {
                return 0;
            }
            // Limited to half of each clip, so that the two fades of a clip do not overlap.
            samples_in(clips[i].fade).min(cuts[i].1.len() / 2).min(cuts[i - 1].1.len() / 2)
        })
        .collect();
    let (mut samples, mut airings) = (Vec::new(), Vec::new());
    for (i, (from, sound)) in cuts.iter().enumerate() {
        let (fade_in, fade_out) = (fades[i], fades[i + 1]);
        // A negative fade is a gap. `samples_in` returns 0 for negative times, so either the gap or the fade is 0.
        let gap = if i > 0 { samples_in(-clips[i].fade) } else { 0 };
        let start = samples.len() + gap - fade_in;
        samples.resize(start + sound.len(), 0.0);
        let faded = sound.iter().enumerate().map(|(j, s)| {
            let opening = power(j, fade_in);
            let closing = power(sound.len() - 1 - j, fade_out);
            s * opening * closing
        });
        // Added, because a cross-fade overlaps the end of the previous clip.
        samples[start..].iter_mut().zip(faded).for_each(|(sum, s)| *sum += s);
        airings.push(ClipTiming {
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

/// Adds `top`, amplified by `gain_db` decibels, to `base` from `at` seconds on. The result is as long as `base`. The
/// whole result is scaled to ±1 if the sum exceeds ±1.
#[must_use]
pub fn overlay(base: &[f32], top: &[f32], at: f64, gain_db: f64) -> Vec<f32> {
    let gain = db_to_gain(gain_db) as f32;
    let mut out = base.to_vec();
    let start = samples_in(at).min(out.len());
    out[start..].iter_mut().zip(top).for_each(|(sum, s)| *sum += gain * s);
    within_one(&mut out);
    out
}

/// Returns the position of the clip's first sample in the song, and the samples of the clip.
fn cut<'a>(clip: &MixClip<'a>) -> (usize, &'a [f32]) {
    let start = samples_in(clip.from).min(clip.samples.len());
    let end = (start + samples_in(clip.seconds)).min(clip.samples.len());
    (start, &clip.samples[start..end])
}

/// Returns the gain after `into` samples of a fade of `fade` samples. The square of the gain increases linearly (equal
/// power).
fn power(into: usize, fade: usize) -> f32 {
    if into >= fade { 1.0 } else { ((into as f32 + 0.5) / fade as f32).sqrt() }
}

fn within_one(samples: &mut [f32]) {
    let peak = samples.iter().fold(0.0_f32, |peak, s| peak.max(s.abs()));
    if peak > 1.0 {
        samples.iter_mut().for_each(|s| *s /= peak);
    }
}
