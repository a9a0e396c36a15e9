//! What is deleted of the database in the end.

use std::sync::Arc;
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError, Expired, Pruned};
use tokio_util::sync::CancellationToken;

use super::lane::now;
use super::pace::milliseconds;
use crate::settings::KeepSettings;

/// How often is looked for what has expired.
const ROUND: Duration = Duration::from_secs(60 * 60);

/// The first round comes after this time: a process has better things to do when it starts.
const FIRST: Duration = Duration::from_secs(60);

/// Rows of each kind that one transaction deletes: some 50 ms.
const AT_ONCE: u32 = 1_000;

/// A message that was due for this time and that no process has claimed is given up: its sink is in no settings any more.
/// Messages of sinks that are down are claimed, and given up by the settings of the outbox.
const UNCLAIMED_AFTER: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// Attempts and ends of sessions are remembered for this time. Queues keep messages no longer than half of it.
const STATE_KEPT: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Pause between two transactions, in which others come to their turn.
const PAUSE: Duration = Duration::from_millis(100);

/// Deletes what has expired, each hour. Any number may work on one database.
pub struct Janitor {
    catalog: Arc<dyn Catalog>,
    keep: KeepSettings,
}

impl Janitor {
    /// A janitor who keeps things that long.
    #[must_use]
    pub fn new(catalog: Arc<dyn Catalog>, keep: KeepSettings) -> Self {
        Self { catalog, keep }
    }

    /// Works until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        // Processes that start together do not come together.
        let mut wait = FIRST.mul_f64(1.0 + fastrand::f64());
        while !is_over(&stop, wait).await {
            match self.clean(&stop).await {
                Ok(gone) if gone == Pruned::default() => {}
                Ok(Pruned { detections, deliveries, streams }) => {
                    tracing::info!(detections, deliveries, streams, "what has expired was deleted");
                }
                Err(error) => {
                    tracing::warn!(%error, "what has expired was not deleted; the next round does it");
                }
            }
            wait = ROUND.mul_f64(0.9 + 0.2 * fastrand::f64());
        }
    }

    /// Deletes all that has expired by now, batch by batch, until `stop`; what it was.
    ///
    /// # Errors
    /// If the database fails; what was deleted stays deleted.
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
    /// Gives up messages whose sink was removed from the settings.
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
                "messages that no process has claimed are dead, their sinks are in no settings"
            );
        }
        Ok(())
    }
}

/// Waits, unless it is over before.
async fn is_over(stop: &CancellationToken, wait: Duration) -> bool {
    tokio::time::timeout(wait, stop.cancelled()).await.is_ok()
}
