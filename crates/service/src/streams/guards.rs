//! Guards that end the work on a stream when its task ends, even if the task is aborted.

use std::sync::Arc;

use refrain_catalog::SessionKey;

use super::shared::StreamsContext;
use refrain_monitor::StreamHandle;

/// Makes the monitor leave the stream when this guard is dropped.
pub(super) struct LeaveOnDrop(pub(super) StreamHandle);

impl Drop for LeaveOnDrop {
    fn drop(&mut self) {
        // The stream is left, not stopped: a task that was aborted has lost its lease, and the airings belong to
        // another worker.
        self.0.leave();
    }
}

/// Removes the status of a stream when this guard is dropped.
pub(super) struct UnwatchOnDrop(pub(super) Arc<StreamsContext>, pub(super) SessionKey);

impl Drop for UnwatchOnDrop {
    fn drop(&mut self) {
        self.0.unwatch(&self.1);
    }
}
