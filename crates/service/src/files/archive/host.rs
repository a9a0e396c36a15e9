//! The tasks of the sessions whose leases this process holds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use refrain_catalog::{Stream, StreamReport};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;

use super::Archive;
use super::follow::ArchiveFollower;
use super::listing::SegmentLocation;
use crate::files::error::FilesError;
use crate::sessions::{EndCode, EndReason, SessionHost, TaskOrder, end_ordered, hand_over_ordered};

/// Pause before a session that failed is retried. The lease is held during the pause, so that no other process claims
/// the session at once and fails in the same way. At half this value, an unavailable bucket causes twice the log lines;
/// at twice this value, a session continues up to 10 s late.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

#[async_trait]
impl SessionHost for Archive {
    /// Follows a session. After an error, waits for [`RETRY_PAUSE`]; then the keeper releases the lease, so that the
    /// session can be claimed again. If another process has to continue the session, the decoding of the current
    /// segment is aborted.
    async fn follow(self: Arc<Self>, stream: Stream, mut orders: watch::Receiver<TaskOrder>) {
        let (id, mut hand_over) = (stream.id.clone(), orders.clone());
        let followed = tokio::select! {
            biased;
            () = hand_over_ordered(&mut hand_over) => return,
            followed = follow(&self, stream, orders.clone()) => followed,
        };
        if let Err(error) = followed {
            tracing::warn!(stream = id, %error, "stream of segments failed, retrying");
            tokio::select! {
                biased;
                () = end_ordered(&mut orders) => {}
                () = sleep(RETRY_PAUSE) => {}
            }
        }
    }

    fn order_after_end(&self, _: &Stream) -> TaskOrder {
        TaskOrder::Finish
    }

    async fn started(&self) {
        self.started.notified().await;
    }
}

async fn follow(
    archive: &Arc<Archive>,
    row: Stream,
    orders: watch::Receiver<TaskOrder>,
) -> Result<(), FilesError> {
    let Some(location) = SegmentLocation::of(&row.url, &archive.shared) else {
        refuse(archive, &row).await;
        return Ok(());
    };
    tracing::info!(stream = row.id, name = location.name, "following a stream of segments");
    let registration = SegmentRegistration::new(archive, &row.id);
    let new_segment = Arc::clone(&registration.new_segment);
    ArchiveFollower::new(archive, row, location, new_segment, orders).await?.run().await
}

/// Passes the events about new segments to a session, until this value is dropped.
struct SegmentRegistration {
    archive: Arc<Archive>,
    id: String,
    new_segment: Arc<Notify>,
}

impl SegmentRegistration {
    fn new(archive: &Arc<Archive>, id: &str) -> Self {
        let (id, new_segment) = (id.to_owned(), Arc::<Notify>::default());
        archive.segment_notifies().insert(id.clone(), Arc::clone(&new_segment));
        Self { archive: Arc::clone(archive), id, new_segment }
    }
}

impl Drop for SegmentRegistration {
    fn drop(&mut self) {
        let mut notifies = self.archive.segment_notifies();
        // A later session of the stream may have replaced this registration.
        if notifies.get(&self.id).is_some_and(|current| Arc::ptr_eq(current, &self.new_segment)) {
            notifies.remove(&self.id);
        }
    }
}

/// Ends a session whose segments are no longer below the folder of the settings, or no longer have the name modifier.
async fn refuse(archive: &Archive, row: &Stream) {
    let reason = EndReason::of(EndCode::OutsideFolder);
    tracing::error!(stream = row.id, why = %reason.text(), "stream of segments failed permanently, ending it");
    let report = StreamReport {
        id: row.id.clone(),
        started_at: row.started_at,
        state: reason.state(),
        reason: Some(reason.text().into_owned()),
        epoch: row.epoch,
        clock_anchor: None,
        progress: None,
    };
    let now = archive.shared.clock.now();
    if let Err(error) = archive.shared.journal().report_stream(archive.owner(), &report, now).await {
        tracing::warn!(stream = row.id, %error, "cannot store the end of the stream, retrying after the next claim");
    }
}
