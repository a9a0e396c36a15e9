//! What is played when: notes, strokes and the clock they follow.

use crate::rng::Rng;

/// Who plays a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
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
    pub(super) part: Part,
    /// Seconds from the start of the song.
    pub(super) start: f64,
    /// Seconds until the key is let go.
    pub(super) seconds: f64,
    /// MIDI note number.
    pub(super) pitch: i32,
    /// 0 to 1.
    pub(super) velocity: f64,
}

/// One of the drums.
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

/// All that is played.
#[derive(Debug, Default)]
pub(super) struct Score {
    pub(super) notes: Vec<Note>,
    pub(super) strokes: Vec<Stroke>,
}

/// Where bars and sixteenths fall in seconds. The tempo wanders a little, as a band's does, so that no
/// two bars are equally long.
#[derive(Debug)]
pub(super) struct Clock {
    bar_starts: Vec<f64>,
    pub(super) steps_per_bar: u32,
    swing: f64,
}

impl Clock {
    /// A clock for at least `seconds` and some bars more.
    pub(super) fn new(tempo_bpm: f64, beats_per_bar: u32, swing: f64, seconds: f64, rng: &mut Rng) -> Self {
        let nominal = 60.0 / tempo_bpm * f64::from(beats_per_bar);
        let mut bar_starts = vec![0.08];
        let (mut at, mut drift) = (0.08, 0.0_f64);
        let mut beyond = 0;
        while beyond < 20 {
            drift = (drift * 0.9 + rng.normal() * 0.002).clamp(-0.012, 0.012);
            at += nominal * (1.0 + drift);
            bar_starts.push(at);
            beyond += usize::from(at > seconds);
        }
        Self { bar_starts, steps_per_bar: beats_per_bar * 4, swing }
    }

    /// The time of sixteenth `step` of bar `bar`; steps may run over the end of the bar.
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

    /// The start of bar `bar` in seconds.
    pub(super) fn bar(&self, bar: usize) -> f64 {
        self.time(bar, 0.0)
    }

    /// The length of one sixteenth in seconds, around bar `bar`.
    pub(super) fn step_seconds(&self, bar: usize) -> f64 {
        (self.bar(bar + 1) - self.bar(bar)) / f64::from(self.steps_per_bar)
    }
}
