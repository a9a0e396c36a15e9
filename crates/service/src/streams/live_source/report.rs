//! Reports about the state of a stream, which are written into its row.

use std::time::Instant;

use refrain_catalog::{Stream, StreamReport, StreamState as RowState};
use refrain_monitor::{StreamPhase, StreamStatus};

use super::LiveSource;
use crate::clock::milliseconds;
use crate::streams::anchor;
use crate::streams::row_report::LastReport;

impl LiveSource {
    /// Sets the time of the session's first sample once it is known. Returns true if it was set now. Later workers use
    /// the same time.
    pub(super) fn update_epoch(&mut self, status: &StreamStatus) -> bool {
        let Some((until, _)) = status.processed_until.filter(|_| self.stream.epoch.is_none()) else {
            return false;
        };
        let epoch = self.epoch.get_or_insert(until - status.position);
        self.stream.epoch = Some(milliseconds(*epoch));
        self.last_report = None;
        true
    }

    /// Stores the state of the stream's clock for the next worker. Returns true if the row must be written. The state
    /// does not change while the clock advances evenly.
    pub(super) fn update_clock_anchor(&mut self, status: &StreamStatus) -> bool {
        let Some(now) = status.clock_anchor else { return false };
        let known = self.stream.clock_anchor.as_deref().and_then(anchor::read);
        if known.is_some_and(|known| anchor::is_same_clock(&known, &now)) {
            return false;
        }
        self.stream.clock_anchor = Some(anchor::write(&now));
        self.last_report = None;
        true
    }

    /// Returns the report of a state, unless the row has it already.
    pub(super) fn changed_report(&mut self, state: RowState, reason: Option<String>) -> Option<StreamReport> {
        if self.last_report.as_ref().is_some_and(|known| known.covers(state, reason.as_deref())) {
            return None;
        }
        self.last_report = Some(LastReport { state, reason: reason.clone(), at: Instant::now() });
        (self.stream.state, self.stream.reason) = (state, reason.clone());
        Some(self.report_of(state, reason))
    }

    pub(super) fn report_of(&self, state: RowState, reason: Option<String>) -> StreamReport {
        let Stream { epoch, clock_anchor, .. } = &self.stream;
        let (epoch, clock_anchor) = (*epoch, clock_anchor.clone());
        StreamReport { state, reason, at: self.shared.now(), epoch, clock_anchor, progress: None }
    }
}

/// Returns the state of the row for a state of the monitor; `None` if the row is not written: at the start, and after the
/// end, whose state depends on what follows.
pub(super) fn row_state(phase: &StreamPhase) -> Option<RowState> {
    match phase.state() {
        RowState::Starting | RowState::Ended | RowState::Failed => None,
        state => Some(state),
    }
}
