//! Undelivered messages of the outbox, and the deletion of expired records.

use std::time::Duration;

use async_trait::async_trait;

use crate::CatalogError;

/// Counts of the undelivered messages in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of messages that are neither delivered nor dead.
    pub waiting: u64,
    /// Creation time of the oldest waiting message, in milliseconds since the Unix epoch; `None` if no message waits.
    pub oldest_at: Option<i64>,
    /// Number of dead messages.
    pub dead: u64,
}

/// The undelivered messages of one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkBacklog {
    /// Name of the sink.
    pub sink: String,
    /// Counts of the undelivered messages of the sink.
    pub backlog: Backlog,
}

/// Age limits for [`crate::OutboxUpkeep::prune`]. With `None`, nothing of that kind is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RetentionLimits {
    /// Time limit for detections and streams: deletes detections that were last seen, and streams that ended, before
    /// this time (milliseconds since the Unix epoch); `None` keeps all of them.
    pub detections: Option<i64>,
    /// Time limit for messages: deletes messages that were delivered or marked as dead before this time (milliseconds
    /// since the Unix epoch); `None` keeps all of them.
    pub deliveries: Option<i64>,
}

impl RetentionLimits {
    /// Returns limits that delete everything before one time (milliseconds since the Unix epoch).
    #[must_use]
    pub fn before(time: i64) -> Self {
        Self { detections: Some(time), deliveries: Some(time) }
    }
}

/// Numbers of records that [`crate::OutboxUpkeep::prune`] deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PruneCounts {
    /// Number of detections.
    pub detections: u64,
    /// Number of messages of the outbox.
    pub deliveries: u64,
    /// Number of ended streams.
    pub streams: u64,
}

impl PruneCounts {
    /// Returns the largest of the three numbers.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.detections.max(self.deliveries).max(self.streams)
    }
}

/// Returns the text for [`crate::OutboxMessage::last_error`] of a message that no process has claimed for the time
/// `after`.
pub(crate) fn unclaimed_reason(after: Duration) -> String {
    let days = after.as_secs_f64() / 86_400.0;
    format!("no process has claimed it for {days:.0} days: its sink is missing from all settings")
}

/// Counts, expires and deletes messages of the outbox, and deletes expired records. Part of
/// [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait OutboxUpkeep: Send + Sync {
    /// Returns the counts of the undelivered messages in the outbox.
    async fn backlog(&self) -> Result<Backlog, CatalogError>;

    /// Returns the counts of [`Self::backlog`] for each sink that has undelivered messages, ordered by the name of the
    /// sink.
    async fn sink_backlogs(&self) -> Result<Vec<SinkBacklog>, CatalogError>;

    /// Marks at most `limit` messages as dead that have been due for at least `after` without being claimed. This
    /// happens if no process has their sink in its settings. Returns the number of marked messages.
    async fn expire_unclaimed(&self, after: Duration, limit: u32) -> Result<u64, CatalogError>;

    /// Deletes at most `limit` undelivered messages of a sink, including dead ones, and returns their number.
    async fn drop_deliveries(&self, sink: &str, limit: u32) -> Result<u64, CatalogError>;

    /// Deletes one batch of expired records, at most `limit` of each kind. When no more are left, all counts are below
    /// `limit`. A later start of a deleted stream adds it as a new one.
    async fn prune(&self, expired: RetentionLimits, limit: u32) -> Result<PruneCounts, CatalogError>;
}
