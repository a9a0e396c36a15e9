//! How full the outbox is.

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
