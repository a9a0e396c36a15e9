//! Deletion of expired rows from the database.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError, Expired, Pruned};
use tokio_util::sync::CancellationToken;

use super::lane::now;
use super::pace::milliseconds;
use crate::settings::KeepSettings;

/// Mean interval between two rounds.
const ROUND: Duration = Duration::from_secs(60 * 60);

/// Minimum delay of the first round. A process has more important work when it starts.
const FIRST: Duration = Duration::from_secs(60);

/// Maximum number of rows of each kind that one transaction deletes. It takes some 50 ms.
const AT_ONCE: u32 = 1_000;

/// Messages that have been due for this time without being claimed by any process are marked dead: their sink was removed
/// from the settings. Messages of sinks that are down are claimed, and expire according to the settings of the outbox.
const UNCLAIMED_AFTER: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Attempts and ends of sessions are kept for this time. Queues keep messages for at most half of it.
const STATE_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Pause between two transactions, in which other transactions can run.
const PAUSE: Duration = Duration::from_millis(100);

/// Deletes expired rows about once per hour. Any number of janitors may work on one database.
pub struct Janitor {
    catalog: Arc<dyn Catalog>,
    keep: KeepSettings,
}

impl Janitor {
    /// Creates a janitor with the retention times `keep`.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, keep: KeepSettings) -> Self {
        Self { catalog, keep }
    }

    /// Deletes expired rows until `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        // Random, so that processes that start together do not run their rounds at the same time.
        let mut wait = FIRST.mul_f64(1.0 + fastrand::f64());
        while !is_over(&stop, wait).await {
            match self.clean(&stop).await {
                Ok(gone) if gone == Pruned::default() => {}
                Ok(Pruned { detections, deliveries, streams }) => {
                    tracing::info!(detections, deliveries, streams, "expired rows deleted");
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot delete expired rows, retrying in the next round");
                }
            }
            wait = ROUND.mul_f64(0.9 + 0.2 * fastrand::f64());
        }
    }

    /// Deletes all rows that have expired by now, batch by batch, until `stop` is cancelled. Returns the numbers of deleted
    /// detections, deliveries and streams.
    ///
    /// # Errors
    /// If the database fails. Rows that were deleted before stay deleted.
    pub async fn clean(&self, stop: &CancellationToken) -> Result<Pruned, CatalogError> {
        self.expire_unclaimed(stop).await?;
        let state_before = now().saturating_sub(milliseconds(STATE_KEPT));
        self.catalog.journal().prune_state(state_before).await?;
        let before = |kept: Option<Duration>| kept.map(|kept| now().saturating_sub(milliseconds(kept)));
        let expired =
            Expired { detections: before(self.keep.detections), deliveries: before(self.keep.deliveries) };
        let mut all = Pruned::default();
        if expired == Expired::default() {
            return Ok(all);
        }
        loop {
            let gone = self.catalog.journal().prune(expired, AT_ONCE).await?;
            all.detections += gone.detections;
            all.deliveries += gone.deliveries;
            all.streams += gone.streams;
            if gone.most() < u64::from(AT_ONCE) || is_over(stop, PAUSE).await {
                return Ok(all);
            }
        }
    }
}

impl Janitor {
    /// Marks messages as dead whose sink was removed from the settings.
    async fn expire_unclaimed(&self, stop: &CancellationToken) -> Result<(), CatalogError> {
        let mut expired = 0;
        loop {
            let now = self.catalog.journal().expire_unclaimed(UNCLAIMED_AFTER, AT_ONCE).await?;
            expired += now;
            if now < u64::from(AT_ONCE) || is_over(stop, PAUSE).await {
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
