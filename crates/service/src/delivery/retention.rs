//! Deletion of expired rows from the database.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError, PruneCounts, RetentionLimits};
use tokio_util::sync::CancellationToken;

use super::retry::milliseconds;
use crate::clock::{Clock, SystemClock};
use crate::settings::RetentionSettings;

/// Mean interval between two rounds. Retention times are days, so an hour is exact enough. At half this value, the idle
/// database has twice the queries; at twice this value, a round deletes twice the rows, still in batches.
const ROUND_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Minimum delay of the first round; the actual delay is up to twice as long. A process has more important work when it
/// starts: it opens the index and claims streams. At half this value, rounds run into that phase; at twice this value,
/// a process that restarts every two minutes never deletes anything.
const FIRST_ROUND_DELAY: Duration = Duration::from_secs(60);

/// Maximum number of rows of each kind that one transaction deletes. It takes some 50 ms, for which it holds locks.
/// With twice the rows, other writers wait twice as long (on SQLite all of them); with half, deleting a backlog takes
/// twice the number of pauses.
const MAX_BATCH_ROWS: u32 = 1_000;

/// Messages that have been due for this time without being claimed by any process are marked dead: their sink was
/// removed from the settings. Messages of sinks that are down are claimed, and expire according to the settings of the
/// outbox. Two weeks are longer than any rollback of the settings. At half this value, a sink that returns after ten
/// days has lost its messages; at twice this value, dead rows stay a month.
const UNCLAIMED_AFTER: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Attempts and ends of sessions are kept for this time. Queues keep messages for at most half of it (SQS: 14 days). At
/// half this value, a message of maximum age could start an ended session again; at twice this value, the tables only
/// have twice the rows.
const STATE_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Pause between two transactions, in which other transactions can run. With a batch of some 50 ms, the job uses a
/// third of the time. At half this value, a backlog is deleted by a third faster and delays writers more; at twice this
/// value, the reverse.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// Deletes expired rows about once per hour. Any number of these jobs may work on one database.
pub struct RetentionJob {
    catalog: Arc<dyn Catalog>,
    retention: RetentionSettings,
}

impl RetentionJob {
    /// Creates the job with the retention times `retention`.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, retention: RetentionSettings) -> Self {
        Self { catalog, retention }
    }

    /// Deletes expired rows until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        // Random, so that processes that start together do not run their rounds at the same time.
        let mut wait = FIRST_ROUND_DELAY.mul_f64(1.0 + fastrand::f64());
        while !is_over(&stop, wait).await {
            match self.clean(&stop).await {
                Ok(pruned) if pruned == PruneCounts::default() => {}
                Ok(PruneCounts { detections, deliveries, streams }) => {
                    tracing::info!(detections, deliveries, streams, "expired rows deleted");
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot delete expired rows, retrying in the next round");
                }
            }
            // The random part keeps several processes from drifting into the same moment: their deletions would lock
            // the same rows.
            wait = ROUND_INTERVAL.mul_f64(0.9 + 0.2 * fastrand::f64());
        }
    }

    /// Deletes all rows that have expired by now, batch by batch, until `stop` is cancelled. Returns the numbers of
    /// deleted detections, deliveries and streams.
    ///
    /// # Errors
    /// If the database fails. Rows that were deleted before stay deleted.
    pub async fn clean(&self, stop: &CancellationToken) -> Result<PruneCounts, CatalogError> {
        self.expire_unclaimed(stop).await?;
        let state_before = SystemClock.now().saturating_sub(milliseconds(STATE_RETENTION));
        self.catalog.journal().prune_state(state_before).await?;
        let before =
            |age: Option<Duration>| age.map(|age| SystemClock.now().saturating_sub(milliseconds(age)));
        let expired = RetentionLimits {
            detections: before(self.retention.detections),
            deliveries: before(self.retention.deliveries),
        };
        let mut all = PruneCounts::default();
        // Without retention times there is nothing to delete, and the transactions below would only take locks.
        if expired == RetentionLimits::default() {
            return Ok(all);
        }
        loop {
            let pruned = self.catalog.journal().prune(expired, MAX_BATCH_ROWS).await?;
            all.detections += pruned.detections;
            all.deliveries += pruned.deliveries;
            all.streams += pruned.streams;
            // A batch that is not full was the last one. Comparing with zero would need one more transaction.
            if pruned.max() < u64::from(MAX_BATCH_ROWS) || is_over(stop, BATCH_PAUSE).await {
                return Ok(all);
            }
        }
    }
}

impl RetentionJob {
    /// Marks messages as dead whose sink was removed from the settings.
    async fn expire_unclaimed(&self, stop: &CancellationToken) -> Result<(), CatalogError> {
        let mut expired = 0;
        loop {
            let now = self.catalog.journal().expire_unclaimed(UNCLAIMED_AFTER, MAX_BATCH_ROWS).await?;
            expired += now;
            if now < u64::from(MAX_BATCH_ROWS) || is_over(stop, BATCH_PAUSE).await {
                break;
            }
        }
        if expired > 0 {
            let days = UNCLAIMED_AFTER.as_secs() / 86_400;
            tracing::warn!(
                messages = expired,
                days,
                "unclaimed messages marked as dead, no process has their sinks in its settings"
            );
        }
        Ok(())
    }
}

/// Waits for the time `wait`. Returns true if `stop` was cancelled before.
async fn is_over(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}
