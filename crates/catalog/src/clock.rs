//! The clock of this machine, and the longest duration that the databases support.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Upper limit of timeouts, 24 days: the largest number of milliseconds that a PostgreSQL setting can hold. Callers
/// pass `Duration::MAX` for "no limit"; this limit keeps the sum of an `Instant` and such a timeout from overflowing.
pub(crate) const MAX_DURATION: Duration = Duration::from_millis(i32::MAX as u64);

/// Returns the milliseconds since the Unix epoch, or 0 if the clock of the machine is before the epoch.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
