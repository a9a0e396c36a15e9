//! The state of a stream as it was last written to its row.

use std::time::{Duration, Instant};

use refrain_catalog::StreamState as RowState;

/// Minimum interval between two writes of a reason that changes while the state stays the same.
const REASON_EVERY: Duration = Duration::from_secs(5);

/// The last report that was written to the row.
pub(super) struct Reported {
    pub(super) state: RowState,
    pub(super) reason: Option<String>,
    pub(super) at: Instant,
}

impl Reported {
    /// Returns true if this report need not be written: the row contains it, or only the reason differs and the row was written
    /// less than [`REASON_EVERY`] ago.
    pub(super) fn covers(&self, state: RowState, reason: Option<&str>) -> bool {
        self.state == state && (self.reason.as_deref() == reason || self.at.elapsed() < REASON_EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_reason_of_a_stalled_stream_is_reported_after_a_pause() {
        let reason = Some("the playlist answers 503".to_owned());
        let reported = Reported { state: RowState::Stalled, reason, at: Instant::now() };
        assert!(reported.covers(RowState::Stalled, Some("the playlist answers 503")));
        assert!(
            reported.covers(RowState::Stalled, Some("the key answers 403")),
            "the row was written just now"
        );
        assert!(!reported.covers(RowState::Live, None), "another state is reported at once");
        let at = Instant::now().checked_sub(REASON_EVERY).expect("the clock is older");
        let older = Reported { at, ..reported };
        assert!(older.covers(RowState::Stalled, Some("the playlist answers 503")));
        assert!(!older.covers(RowState::Stalled, Some("the key answers 403")));
    }
}
