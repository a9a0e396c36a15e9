//! User settings of live matching.

use crate::matching::{Effort, MatchSettings, Ranges};

/// Settings of a [`super::LiveMatcher`].
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// Accepted number of false events per hour of a stream that contains no recording of the catalog. It is divided
    /// among all searches of an hour. The default accepts one false event in a thousand hours of a stream.
    pub false_events_per_hour: f64,
    /// Effort of the searches in audio that no airing explains.
    pub effort: Effort,
    /// Ranges of the changes of speed, tempo and pitch that are searched.
    pub ranges: Ranges,
    /// Interval of update events of an airing, in seconds; `None` for no updates.
    pub update_seconds: Option<f64>,
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self {
            false_events_per_hour: 1e-3,
            effort: Effort::Normal,
            ranges: Ranges::default(),
            update_seconds: None,
        }
    }
}

/// Number of scales per second of audio that a search tries if it does not try all of them. With 44 scales, about
/// eleven seconds of audio try them all. At half this value, changed songs are found later; at twice this value, these
/// searches cost twice as much.
const SCALES_PER_SECOND: f64 = 4.0;

impl LiveSettings {
    /// Returns the settings of a search that tries all scales.
    pub(super) fn all_scales(&self) -> MatchSettings {
        MatchSettings {
            false_positive_rate: self.false_events_per_hour,
            effort: self.effort,
            ranges: self.ranges,
            steps_per_second: None,
        }
    }

    /// Returns the settings of a search that tries some scales; consecutive searches try different ones.
    pub(super) fn some_scales(&self) -> MatchSettings {
        MatchSettings { steps_per_second: Some(SCALES_PER_SECOND), ..self.all_scales() }
    }

    /// Returns the settings of a search that tries no other scales.
    pub(super) fn original_scale(&self) -> MatchSettings {
        MatchSettings { steps_per_second: Some(0.0), ..self.all_scales() }
    }
}
