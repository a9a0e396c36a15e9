//! What ends with the task of a stream, also where the task is aborted.

use std::sync::Arc;

use super::shared::Shared;
use crate::monitor::StreamHandle;

/// Ends the monitor's work when it is dropped, also where a task is aborted.
pub(super) struct Followed(pub(super) StreamHandle);

impl Drop for Followed {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Forgets a status when it is dropped.
pub(super) struct Unwatch(pub(super) Arc<Shared>, pub(super) (String, i64));

impl Drop for Unwatch {
    fn drop(&mut self) {
        self.0.unwatch(&self.1);
    }
}
