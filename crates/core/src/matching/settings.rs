//! What a user may set about matching.

/// Settings of a search.
#[derive(Debug, Clone, PartialEq)]
pub struct MatchSettings {
    /// Accepted probability that an unknown query gives a match, above 0 and below 1: the default lets about one in a
    /// thousand.
    pub false_positive_rate: f64,
    /// How hard to look where nothing is found at once.
    pub effort: Effort,
    /// Changes of speed, tempo and pitch that are looked for.
    pub ranges: Ranges,
    /// Scales of the ladder tried per second of sound; `None` tries them all on every window. A live stream
    /// on a budget tries them in turn, window after window.
    pub steps_per_second: Option<f64>,
}

impl Default for MatchSettings {
    fn default() -> Self {
        Self {
            false_positive_rate: 1e-3,
            effort: Effort::Normal,
            ranges: Ranges::default(),
            steps_per_second: None,
        }
    }
}

/// How hard to look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Effort {
    /// What is heard well, at its own speed (within two per cent).
    Fast,
    /// Under noise and speech too, and at every speed, tempo and pitch of the ranges.
    #[default]
    Normal,
    /// Smaller steps and more peaks at each: worn and changed at once. About five times the cost.
    Thorough,
}

/// Changes of a song that are looked for. A change is a factor: a range of 0.5 reaches from 1 / 1.5 of the original
/// (two thirds) to 1.5 times the original, 0 turns the search for that change off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranges {
    /// Speed, which changes tempo and pitch by the same factor; 0 to [`Ranges::MAX_CHANGE`].
    pub speed: f64,
    /// Tempo at the same pitch; 0 to [`Ranges::MAX_CHANGE`].
    pub tempo: f64,
    /// Pitch at the same tempo, cents to both sides; 0 to [`Ranges::MAX_PITCH_CENTS`].
    pub pitch_cents: f64,
}

impl Ranges {
    /// Largest range of speed and tempo.
    pub const MAX_CHANGE: f64 = 0.5;
    /// Largest range of the pitch, cents: the same factor of 1.5.
    pub const MAX_PITCH_CENTS: f64 = 700.0;

    /// The same ranges within their limits; what is no number is 0.
    pub(crate) fn bounded(self) -> Self {
        let within = |range: f64, most: f64| if range > 0.0 { range.min(most) } else { 0.0 };
        Self {
            speed: within(self.speed, Self::MAX_CHANGE),
            tempo: within(self.tempo, Self::MAX_CHANGE),
            pitch_cents: within(self.pitch_cents, Self::MAX_PITCH_CENTS),
        }
    }
}

impl Default for Ranges {
    /// Nightcore and slowed edits lie within 1 / 1.5 to 1.5 times the speed; stations and mixes change tempo or pitch
    /// alone by less.
    fn default() -> Self {
        Self { speed: 0.5, tempo: 0.14, pitch_cents: 200.0 }
    }
}
