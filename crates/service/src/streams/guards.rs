//! Guards that end the work on a stream when its task ends, even if the task is aborted.

use std::sync::Arc;

use super::shared::Shared;
use refrain_monitor::StreamHandle;

/// Makes the monitor leave the stream when it is dropped.
pub(super) struct Followed(pub(super) StreamHandle);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Removes the status of a stream when it is dropped.
pub(super) struct Unwatch(pub(super) Arc<Shared>, pub(super) (String, i64));

impl Drop for Unwatch {
    fn drop(&mut self) {
        self.0.unwatch(&self.1);
    }
}
