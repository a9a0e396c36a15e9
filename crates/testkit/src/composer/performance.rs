//! One performance of a section: the times, lengths and velocities of its notes.

use super::harmony::BarChords;
use super::score::SongClock;
use super::style::Style;
use crate::rng::Rng;

/// One performance of a section: its bars, its chords, and the style and clock of the song.
pub(super) struct Performance<'a> {
    pub(super) style: &'a Style,
    pub(super) clock: &'a SongClock,
    pub(super) first_bar: usize,
    pub(super) bars: usize,
    pub(super) chords: &'a [BarChords],
    /// Pitch class of the tonic, including modulations.
    pub(super) tonic: i32,
    /// Energy from 0 (quiet) to 1 (full).
    pub(super) energy: f64,
}

impl Performance<'_> {
    /// Returns the time in seconds of sixteenth `step` in the section's bar `bar`, with a random deviation.
    pub(super) fn at(&self, bar: usize, step: f64, rng: &mut Rng) -> f64 {
        (self.clock.time(self.first_bar + bar, step) + rng.normal() * self.style.looseness).max(0.0)
    }

    /// Returns the length of `steps` sixteenths in the section's bar `bar` in seconds.
    pub(super) fn seconds(&self, bar: usize, steps: f64) -> f64 {
        self.clock.step_seconds(self.first_bar + bar) * steps
    }

    /// Returns a random velocity around `mean`, from 0.08 to 1. Sections with less energy have lower velocities.
    pub(super) fn velocity(&self, mean: f64, rng: &mut Rng) -> f64 {
        ((mean + rng.normal() * 0.08) * (0.75 + 0.25 * self.energy)).clamp(0.08, 1.0)
    }
}
