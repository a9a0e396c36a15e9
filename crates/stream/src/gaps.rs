//! Missing media, counted.

use serde::{Deserialize, Serialize};

use crate::delivery::GapReason;

/// Gaps, all together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Gaps {
    /// How many.
    pub count: u64,
    /// Seconds of the stream that they take.
    pub seconds: f64,
}

/// Gaps by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct GapCounts([Gaps; GapReason::ALL.len()]);

impl GapCounts {
    /// Gaps of this reason.
    #[must_use]
    pub fn of(&self, reason: GapReason) -> Gaps {
        self.0.get(reason as usize).copied().unwrap_or_default()
    }

    /// Gaps of all reasons.
    #[must_use]
    pub fn total(&self) -> Gaps {
        self.0.iter().fold(Gaps::default(), |sum, gaps| Gaps {
            count: sum.count + gaps.count,
            seconds: sum.seconds + gaps.seconds,
        })
    }

    /// Counts more of one reason.
    pub(crate) fn add(&mut self, reason: GapReason, gaps: Gaps) {
        if let Some(sum) = self.0.get_mut(reason as usize) {
            sum.count += gaps.count;
            sum.seconds += gaps.seconds;
        }
    }
}
