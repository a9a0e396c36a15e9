//! The state of a stream as it was last written to its row.

use std::time::{Duration, Instant};

use refrain_catalog::StreamState as RowState;

/// Minimum interval between two writes of a reason that changes while the state stays the same. A stalled stream can
/// have a new error text with each request. At half this value, such streams write twice as often; at twice this value,
/// the API shows an error that is up to 10 s old.
const REASON_EVERY: Duration = Duration::from_secs(5);

/// The last report that was written to the row.
pub(super) struct LastReport {
    pub(super) state: RowState,
    pub(super) reason: Option<String>,
    pub(super) at: Instant,
}

impl LastReport {
    /// Returns true if this report need not be written: the row contains it, or only the reason differs and the row was
    /// written less than [`REASON_EVERY`] ago.
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
        let reported = LastReport { state: RowState::Stalled, reason, at: Instant::now() };
        assert!(reported.covers(RowState::Stalled, Some("the playlist answers 503")));
        assert!(
            reported.covers(RowState::Stalled, Some("the key answers 403")),
            "the row was written just now"
        );
        assert!(!reported.covers(RowState::Live, None), "another state is reported at once");
        let at = Instant::now().checked_sub(REASON_EVERY).expect("the clock is older");
        let older = LastReport { at, ..reported };
        assert!(older.covers(RowState::Stalled, Some("the playlist answers 503")));
        assert!(!older.covers(RowState::Stalled, Some("the key answers 403")));
    }
}
