//! Number of undelivered messages in the outbox.

use std::time::Duration;

/// Counts of the undelivered messages in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of messages that are neither delivered nor dead.
    pub waiting: u64,
    /// Creation time of the oldest of these, in milliseconds since the Unix epoch.
    pub oldest_at: Option<i64>,
    /// Number of dead messages.
    pub dead: u64,
}

/// The undelivered messages of one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkBacklog {
    /// Name of the sink.
    pub sink: String,
    /// Counts of its undelivered messages.
    pub backlog: Backlog,
}

/// Returns the text for [`crate::OutboxMessage::last_error`] of a message that no process has claimed.
pub(crate) fn unclaimed_reason(after: Duration) -> String {
    let days = after.as_secs_f64() / 86_400.0;
    format!("no process has claimed it for {days:.0} days: its sink is missing from all settings")
}
