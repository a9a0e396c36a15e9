//! Deletion of expired rows from the database.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError, PruneCounts, RetentionLimits};
use tokio_util::sync::CancellationToken;

use super::retry::milliseconds;
use crate::clock::{Clock, SystemClock};
use crate::settings::RetentionSettings;

/// Mean interval between two rounds of deletion. Retention times are days, so an hour is exact enough. At half this
/// value, an idle database gets twice the queries; at twice this value, expired rows stay up to two hours longer.
const ROUND_INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Minimum delay of the first round after the start of a process; the actual delay is random, up to twice as long. A
/// process that starts opens the index and claims streams first. At half this value, rounds slow down that start; at
/// twice this value, a process that restarts every two minutes never deletes anything.
const FIRST_ROUND_DELAY: Duration = Duration::from_secs(60);

/// Maximum number of rows of each kind that one transaction deletes. Such a transaction holds its locks for some 50 ms.
/// With twice the rows, other writers wait twice as long (on SQLite all of them). With half the rows, the deletion of a
/// backlog has twice the number of pauses.
const MAX_BATCH_ROWS: u32 = 1_000;

/// Messages that no process has claimed for this time since they were due are marked as dead: their sink was removed
/// from the settings. Messages to sinks that are down are claimed, and expire according to the settings of the outbox.
/// Two weeks are longer than any rollback of the settings. At half this value, a sink that returns after ten days has
/// lost its messages; at twice this value, such messages are listed as waiting for a month.
const UNCLAIMED_AFTER: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Retention time of attempts to process objects, and of the ends of sessions. Queues keep messages for at most half of
/// it (SQS: 14 days). At half this value, a message of that age could start an ended session again; at twice this
/// value, the tables have twice the rows.
const STATE_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Pause between two transactions, in which other transactions can run. With transactions of some 50 ms, the deletion
/// uses a third of the time. At half this value, a backlog is deleted in two thirds of the time, but other writers wait
/// more often; at twice this value, the deletion takes two thirds longer.
const BATCH_PAUSE: Duration = Duration::from_millis(100);

/// Deletes expired rows about once per hour. Any number of processes may run this job on one database.
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
        // The delay is random, so that processes that start together do not run their rounds at the same time.
        let mut wait = FIRST_ROUND_DELAY.mul_f64(1.0 + fastrand::f64());
        while !is_over(&stop, wait).await {
            match self.clean(&stop).await {
                Ok(pruned) if pruned == PruneCounts::default() => {}
                Ok(PruneCounts { detections, deliveries, streams }) => {
                    tracing::info!(
                        detections,
                        deliveries,
                        streams,
                        "rows older than their retention time deleted from the database"
                    );
                }
                Err(error) => {
                    tracing::warn!(
                        %error,
                        round_seconds = ROUND_INTERVAL.as_secs(),
                        "cannot delete expired rows from the database, retrying in the next round"
                    );
                }
            }
            // The interval is random, so that several processes do not run their rounds at the same time: their
            // deletions would lock the same rows.
            wait = ROUND_INTERVAL.mul_f64(0.9 + 0.2 * fastrand::f64());
        }
    }

    /// Deletes all rows that have expired by now, in batches. Stops early if `stop` is cancelled. Returns the numbers
    /// of deleted detections, deliveries and streams.
    ///
    /// # Errors
    /// [`CatalogError`] if the database fails. The rows of earlier batches stay deleted.
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
            // A batch that is not full was the last one. A loop until a batch is empty would need one more transaction.
            if pruned.max() < u64::from(MAX_BATCH_ROWS) || is_over(stop, BATCH_PAUSE).await {
                return Ok(all);
            }
        }
    }
}

impl RetentionJob {
    /// Marks messages as dead whose sink was removed from the settings. See [`UNCLAIMED_AFTER`].
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
                "no process claimed these messages for this number of days, probably because their sinks are in no \
                 settings; they are marked as dead; when their sinks are configured, `refrain outbox retry` makes them \
                 due"
            );
        }
        Ok(())
    }
}

/// Waits for the time `wait`. Returns true if `stop` was cancelled before.
async fn is_over(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}
