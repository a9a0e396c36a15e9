//! The source of a session, which follows its media, and the changes that it reports.

use async_trait::async_trait;
use chrono::{DateTime, Local};
use refrain_catalog::{Detection, StreamReport};
use refrain_monitor::HealthAlert;

/// Changes of a session. They are stored together, or not at all.
#[derive(Debug, Default)]
pub(crate) struct SessionBatch {
    /// Detections in the order of their events, each with the local time at which its event was decided. Their times
    /// are those of the session.
    pub(crate) detections: Vec<(Detection, DateTime<Local>)>,
    /// Duration of the media that was processed so far, in seconds.
    pub(crate) seconds: f64,
    /// New state of the session; `None` if it has not changed.
    pub(crate) report: Option<StreamReport>,
    /// Starts and ends of alerts about the audio, in their order.
    pub(crate) alerts: Vec<HealthAlert>,
}

/// Follows the media of a session. A source obeys the orders to its task: it ends with its last batch.
#[async_trait]
pub(crate) trait SessionSource: Send {
    /// Waits for the next changes of the session. Returns `None` when the task has to end. The caller stores each batch
    /// before the next call, with retries until the database has stored it, so the source never repeats a batch.
    async fn next(&mut self) -> Option<SessionBatch>;
}
