//! What a user may set about following a stream.

use crate::matching::{Effort, MatchSettings, Ranges};

/// Settings of a [`super::LiveMatcher`].
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// Accepted number of false events per hour of one stream that holds nothing of the catalogue. It is shared
    /// by all searches of an hour. The default lets a stream give one in a thousand hours.
    pub false_events_per_hour: f64,
    /// How hard to look where nothing is found at once.
    pub effort: Effort,
    /// Changes of speed, tempo and pitch that are looked for.
    pub ranges: Ranges,
    /// Seconds between two updates of an airing; `None` for no updates.
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

/// Scales that are tried per second of sound where nothing was found for long.
const STEPS_PER_SECOND: f64 = 2.0;

impl LiveSettings {
    /// Settings of a search that tries all scales, …
    pub(super) fn thorough(&self) -> MatchSettings {
        MatchSettings {
            false_positive_rate: self.false_events_per_hour,
            effort: self.effort,
            ranges: self.ranges,
            steps_per_second: None,
        }
    }

    /// … of one that tries them in turn, …
    pub(super) fn in_turn(&self) -> MatchSettings {
        MatchSettings { steps_per_second: Some(STEPS_PER_SECOND), ..self.thorough() }
    }

    /// … and of one that tries none.
    pub(super) fn plain(&self) -> MatchSettings {
        MatchSettings { steps_per_second: Some(0.0), ..self.thorough() }
    }
}
