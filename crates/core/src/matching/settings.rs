//! User settings of matching.

/// Settings of a search.
///
/// # Examples
///
/// ```
/// use refrain_core::matching::{Effort, MatchSettings, Ranges};
///
/// // Only recordings at their original speed, and one false match in a million queries.
/// let settings = MatchSettings {
///     false_positive_rate: 1e-6,
///     effort: Effort::Fast,
///     ranges: Ranges { speed: 0.0, tempo: 0.0, pitch_cents: 0.0 },
///     ..MatchSettings::default()
/// };
/// assert!(settings.false_positive_rate < MatchSettings::default().false_positive_rate);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MatchSettings {
    /// Accepted probability that a query whose recordings are not in the catalog gives a match, above 0 and below 1.
    /// The default accepts about one false match in a thousand such queries.
    pub false_positive_rate: f64,
    /// Effort of the search after its first pass. If the first pass finds an obvious match, the search ends and the
    /// effort has no effect.
    pub effort: Effort,
    /// Ranges of the changes of speed, tempo and pitch that are searched.
    pub ranges: Ranges,
    /// Number of scales (changed speeds, tempi or pitches) of the scale ladder that a search tries per second of audio;
    /// 0 tries only the original scale, and `None` tries all scales in every window. With a limit, consecutive windows
    /// try different parts of the ladder, and together they try all of it. The limit bounds the cost of a live stream.
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

/// Effort of a search.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Effort {
    /// Finds clearly audible recordings at their original speed (within two per cent).
    Fast,
    /// Also finds recordings under noise and speech, and at every speed, tempo and pitch within
    /// [`MatchSettings::ranges`].
    #[default]
    Normal,
    /// Searches in smaller steps of speed, tempo and pitch, and with more peaks at each step, to find recordings that
    /// are both degraded and changed. Costs about five times as much as [`Effort::Normal`].
    Thorough,
}

/// Ranges of speed, tempo and pitch within which changed recordings are searched. Speed and tempo are factors: a range
/// of 0.5 covers 1 / 1.5 (two thirds) to 1.5 times the original. The pitch is in cents. A range of 0 turns the search
/// for that change off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ranges {
    /// Range of the speed, which changes tempo and pitch by the same factor; 0 to [`Ranges::MAX_CHANGE`].
    pub speed: f64,
    /// Range of the tempo at unchanged pitch; 0 to [`Ranges::MAX_CHANGE`].
    pub tempo: f64,
    /// Range of the pitch at unchanged tempo, in cents up and down; 0 to [`Ranges::MAX_PITCH_CENTS`].
    pub pitch_cents: f64,
}

impl Ranges {
    /// Largest range of speed and tempo.
    pub const MAX_CHANGE: f64 = 0.5;
    /// Largest range of the pitch, in cents. It is about a factor of 1.5 in frequency, the same as [`Self::MAX_CHANGE`]
    /// allows for speed.
    pub const MAX_PITCH_CENTS: f64 = 700.0;

    /// Returns the ranges limited to their maxima. Negative values and NaN become 0.
    pub(crate) fn bounded(self) -> Self {
        let limited = |range: f64, max: f64| if range > 0.0 { range.min(max) } else { 0.0 };
        Self {
            speed: limited(self.speed, Self::MAX_CHANGE),
            tempo: limited(self.tempo, Self::MAX_CHANGE),
            pitch_cents: limited(self.pitch_cents, Self::MAX_PITCH_CENTS),
        }
    }
}

impl Default for Ranges {
    /// Returns ranges for common edits: nightcore and slowed edits play at 1 / 1.5 to 1.5 times the original speed;
    /// radio stations and DJ mixes change only the tempo or only the pitch, by smaller amounts.
    fn default() -> Self {
        Self { speed: 0.5, tempo: 0.14, pitch_cents: 200.0 }
    }
}
