//! The score: notes, drum strokes, and the clock that defines their time.

use crate::rng::Rng;

/// The part of the band that plays a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Voice {
    Bass,
    Chords,
    Pad,
    Arp,
    Lead,
    SecondLead,
}

/// A note for one part.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) part: Voice,
    /// Start in seconds after the start of the song.
    pub(super) start: f64,
    /// Duration until the key is released, in seconds.
    pub(super) seconds: f64,
    /// MIDI note number.
    pub(super) pitch: i32,
    /// Velocity from 0 to 1.
    pub(super) velocity: f64,
}

/// A drum of the kit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Drum {
    Kick,
    Snare,
    Rim,
    Clap,
    ClosedHat,
    OpenHat,
    Ride,
    Crash,
    HighTom,
    LowTom,
    Shaker,
}

/// A stroke on a drum.
#[derive(Debug, Clone)]
pub(super) struct Stroke {
    pub(super) drum: Drum,
    pub(super) start: f64,
    pub(super) velocity: f64,
}

/// All notes and drum strokes of a song.
#[derive(Debug, Default)]
pub(super) struct Score {
    pub(super) notes: Vec<Note>,
    pub(super) strokes: Vec<Stroke>,
}

/// Times of bars and sixteenths in seconds. The tempo drifts slightly, as with a real band, so that no
/// two bars have the same length.
#[derive(Debug)]
pub(super) struct SongClock {
    bar_starts: Vec<f64>,
    pub(super) steps_per_bar: u32,
    swing: f64,
}

impl SongClock {
    /// Creates a clock for a song of `seconds` seconds and 20 more bars.
    pub(super) fn new(tempo_bpm: f64, beats_per_bar: u32, swing: f64, seconds: f64, rng: &mut Rng) -> Self {
        let nominal = 60.0 / tempo_bpm * f64::from(beats_per_bar);
        let mut bar_starts = vec![0.08];
        let (mut at, mut drift) = (0.08, 0.0_f64);
        let mut beyond = 0;
        while beyond < 20 {
            // The drift decays, so that the song keeps its tempo on average.
            drift = (drift * 0.9 + rng.normal() * 0.002).clamp(-0.012, 0.012);
            at += nominal * (1.0 + drift);
            bar_starts.push(at);
            // The last section can end after the song, so the clock has more bars than the song.
            beyond += usize::from(at > seconds);
        }
        Self { bar_starts, steps_per_bar: beats_per_bar * 4, swing }
    }

    /// Returns the time of sixteenth `step` of bar `bar` in seconds. The step can be beyond the end of the bar.
    pub(super) fn time(&self, bar: usize, step: f64) -> f64 {
        let steps = f64::from(self.steps_per_bar);
        let over = (step / steps).floor().max(0.0);
        let bar = (bar + over as usize).min(self.bar_starts.len() - 2);
        let step = step - over * steps;
        let beat = (step / 4.0).floor();
        let in_beat = step - beat * 4.0;
        let swung = if in_beat < 2.0 {
            in_beat * 2.0 * self.swing
        } else {
            4.0 * self.swing + (in_beat - 2.0) * 2.0 * (1.0 - self.swing)
        };
        let (from, to) = (self.bar_starts[bar], self.bar_starts[bar + 1]);
        from + (to - from) * (beat * 4.0 + swung) / steps
    }

    /// Returns the start of bar `bar` in seconds.
    pub(super) fn bar(&self, bar: usize) -> f64 {
        self.time(bar, 0.0)
    }

    /// Returns the average length of a sixteenth of bar `bar` in seconds.
    pub(super) fn step_seconds(&self, bar: usize) -> f64 {
        (self.bar(bar + 1) - self.bar(bar)) / f64::from(self.steps_per_bar)
    }
}
