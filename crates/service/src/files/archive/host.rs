//! The tasks of the sessions whose leases this process holds.

use std::sync::Arc;

use async_trait::async_trait;
use refrain_catalog::{SessionUpdate, Stream, StreamReport};
use tokio::sync::{Notify, watch};

use super::Archive;
use super::listing::SegmentLocation;
use super::progress::ArchiveProgress;
use super::record::new_recorder;
use super::segment_source::{SegmentSource, pause};
use crate::files::error::FilesError;
use crate::sessions::{self, EndCode, EndReason, SessionHost, TaskOrder};

#[async_trait]
impl SessionHost for Archive {
    /// Follows a session. After an error, pauses; then the keeper releases the lease, so that the session can be claimed
    /// again and continues at its stored position.
    async fn follow(self: Arc<Self>, stream: Stream, mut orders: watch::Receiver<TaskOrder>) {
        let id = stream.id.clone();
        if let Err(error) = follow(&self, stream, orders.clone()).await {
            tracing::warn!(stream = id, %error, "stream of segments failed, continuing at its stored position after a pause");
            pause(&mut orders).await;
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
        return refuse(archive, &row).await;
    };
    tracing::info!(stream = row.id, name = location.name, "following a stream of segments");
    let progress = ArchiveProgress::read(row.progress.as_deref())
        .map_err(|error| FilesError::Unusable(format!("invalid position of the stream: {error}")))?;
    let registration = SegmentRegistration::new(archive, &row.id);
    let (recorder, airings) = new_recorder(archive, &row, &location.name, progress.as_ref()).await?;
    let new_segment = Arc::clone(&registration.new_segment);
    let source = SegmentSource::new(archive, row, (location, progress), airings, new_segment, orders.clone());
    sessions::run(source, recorder, orders).await;
    Ok(())
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
async fn refuse(archive: &Archive, row: &Stream) -> Result<(), FilesError> {
    let reason = EndReason::of(EndCode::OutsideFolder);
    tracing::error!(stream = row.id, why = %reason.text(), "stream of segments failed permanently, ending it");
    let now = archive.shared.clock.now();
    let report = StreamReport {
        state: reason.state(),
        reason: Some(reason.text().into_owned()),
        at: now,
        epoch: None,
        clock_anchor: None,
        progress: None,
    };
    let update = SessionUpdate { report: Some(&report), ..SessionUpdate::default() };
    if archive.shared.journal().record_session(archive.owner(), &row.key(), &update, now).await? {
        archive.shared.counters.streams_failed.add(1);
    }
    Ok(())
}
