//! Counters of missing media.

use serde::{Deserialize, Serialize};

use crate::delivery::GapReason;

/// Number and total duration of gaps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    /// Number of gaps.
    pub count: u64,
    /// Total duration of the gaps in seconds.
    pub seconds: f64,
}

/// Number and total duration of the gaps of a stream, for each reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GapCounts([Gaps; GapReason::ALL.len()]);

impl GapCounts {
    /// Returns the number and total duration of the gaps with this reason.
    #[must_use]
    pub fn of(&self, reason: GapReason) -> Gaps {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// Returns the number and total duration of all gaps.
    #[must_use]
    pub fn total(&self) -> Gaps {
        self.0.iter().fold(Gaps::default(), |sum, gaps| Gaps {
            count: sum.count + gaps.count,
            seconds: sum.seconds + gaps.seconds,
        })
    }

    /// Adds `gaps` to the counters of `reason`.
    pub(crate) fn add(&mut self, reason: GapReason, gaps: Gaps) {
        if let Some(sum) = self.0.get_mut(reason as usize) {
            sum.count += gaps.count;
            sum.seconds += gaps.seconds;
        }
    }
}
