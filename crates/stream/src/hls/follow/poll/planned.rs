//! Segments that are planned and not fetched yet.

use std::sync::Arc;

use super::Poller;
use crate::hls::follow::plan::PlanItem;
use crate::hls::status::EndReason;

impl Poller {
    /// Ends the plan and waits until every planned item is fetched. In this time, the URLs of long recordings can
    /// expire; expired URLs are refreshed.
    pub(super) async fn finish(&mut self) -> EndReason {
        if self.send(PlanItem::End).await.is_ok() {
            let shared = self.shared.clone();
            loop {
                tokio::select! {
                    () = self.plan.closed() => break,
                    () = shared.expired.notified() => self.refresh().await,
                    () = shared.failures.failed.notified() => self.replace_planned().await,
                }
            }
        }
        EndReason::EndList
    }

    /// Adds an item to the plan as soon as the queue has capacity, and refreshes expired URLs until then. Returns an
    /// error if the receiver of the plan was dropped.
    pub(super) async fn send(&mut self, planned: PlanItem) -> Result<(), EndReason> {
        let (shared, plan) = (self.shared.clone(), self.plan.clone());
        loop {
            tokio::select! {
                permit = plan.reserve() => {
                    return permit.map(|permit| permit.send(planned)).map_err(|_| EndReason::Silent);
                }
                // The fetcher may wait for new URLs, so the poller must not wait for the fetcher without refreshing
                // them.
                () = shared.expired.notified() => self.refresh().await,
                () = shared.failures.failed.notified() => self.replace_planned().await,
            }
        }
    }

    /// Resolves the master playlist again to get the current URLs of segments that are already planned.
    async fn refresh(&mut self) {
        // `expire` returns false within `resolve_pause`: hundreds of waiting segments report the expiry of the same
        // token.
        if self.route.expire() {
            self.publish_current().await;
        }
    }

    /// Replaces a failed rendition, so that segments that are already planned are fetched from another one.
    async fn replace_planned(&mut self) {
        if self.shared.failures.take().is_some_and(|failure| self.route.replace(&failure)) {
            self.publish_current().await;
        }
    }

    /// Loads the playlist for segments that are already planned.
    async fn publish_current(&mut self) {
        match self.route.load(None).await {
            Ok(Some(list)) => self.shared.publish_playlist(Arc::new(list), self.shift),
            Ok(None) => {}
            Err(error) => self.shared.record_error(&error),
        }
        // The new segments of this playlist were not planned, so the next load must return it even if it is unchanged.
        self.route.forget();
    }
}
