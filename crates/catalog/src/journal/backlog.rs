//! How full the outbox is.

use std::time::Duration;

/// What is in the outbox and not delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Messages that are neither delivered nor given up.
    pub waiting: u64,
    /// When the oldest of these was put in.
    pub oldest_at: Option<i64>,
    /// Messages that were given up.
    pub dead: u64,
}

/// The undelivered messages of one sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkBacklog {
    /// Name of the sink.
    pub sink: String,
    /// Its messages.
    pub backlog: Backlog,
}

/// The last error of a message that no process has claimed.
pub(crate) fn unclaimed(after: Duration) -> String {
    let days = after.as_secs_f64() / 86_400.0;
    format!("no process has claimed it for {days:.0} days: its sink is not in the settings of any")
}
