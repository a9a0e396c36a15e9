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

/// Changes of a song that are looked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranges {
    /// Speed, which changes the pitch too: 0.16 is from 16 % slower to 16 % faster.
    pub speed: f64,
    /// Tempo at the same pitch, as a part.
    pub tempo: f64,
    /// Pitch at the same tempo, cents to both sides.
    pub pitch_cents: f64,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { speed: 0.16, tempo: 0.12, pitch_cents: 200.0 }
    }
}
