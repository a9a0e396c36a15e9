//! Ends a session.

use std::sync::Arc;

use super::ArchiveFollower;
use crate::cloud::ObjectName;
use crate::files::error::FilesError;
use crate::sessions::EndReason;

impl ArchiveFollower {
    /// Ends the session: airings get their final events. The end of the session is the time when its newest segment was
    /// written, so that late events about its segments do not start another session.
    pub(super) async fn end(&mut self, reason: EndReason) -> Result<(), FilesError> {
        if !self.end_airings().await? {
            self.is_lost();
            return Ok(());
        }
        let why = reason.text();
        tracing::info!(stream = self.row.id, %why, "stream ended");
        let ended = self.newest();
        self.report(reason.state(), Some(&why), ended.max(self.row.started_at)).await?;
        Ok(())
    }

    /// Stores the final events of all airings. Returns false if another process holds the lease; then that process
    /// reports the final events.
    pub(super) async fn end_airings(&mut self) -> Result<bool, FilesError> {
        let name = ObjectName { bucket: self.location.bucket.clone(), key: self.location.prefix.clone() };
        let mut decoder = self.decoder.take().ok_or_else(|| FilesError::Internal(name.clone()))?;
        let shared = Arc::clone(self.shared());
        let work = move || {
            decoder.finish(&shared);
            decoder
        };
        let mut decoder = self.shared().on_thread(&name, work).await?;
        self.record(decoder.take_detections()).await
    }

    /// Starts the next session if a segment was written while this session ended. The event about that segment started
    /// no session, because this one was still running.
    pub(super) async fn start_next_session(mut self) -> Result<(), FilesError> {
        self.last_key = None;
        let newest = self.newest();
        let segments = self.list_segments().await?;
        let was_skipped =
            |counter| self.progress.as_ref().is_some_and(|progress| progress.was_skipped(counter));
        match segments
            .iter()
            .filter(|segment| segment.at > newest)
            .min_by_key(|segment| (segment.at, segment.counter))
        {
            Some(segment) if !was_skipped(segment.counter) => {
                let object = self.object(segment);
                self.archive.start(&object, &self.location.prefix, segment.at).await
            }
            _ => Ok(()),
        }
    }
}
