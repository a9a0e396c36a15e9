//! Decodes the segments of a session.

use std::sync::Arc;

use chrono::{DateTime, Local};
use refrain_catalog::{Detection, StreamState};

use super::SegmentSource;
use crate::cloud::{ObjectFacts, ObjectName};
use crate::files::archive::decoder::{SegmentDecoder, decode_segment, skip_segment};
use crate::files::archive::progress::{ArchiveProgress, SegmentObject};
use crate::files::archive::record::in_session;
use crate::files::attempt::{Attempt, Requester};
use crate::files::error::FilesError;
use crate::files::reader::ObjectSource;
use crate::sessions::SessionBatch;

impl SegmentSource {
    /// Processes a segment after a gap of `missing` segments. Returns its events with the new position, or `None` if the
    /// segment does not exist any more.
    pub(super) async fn process_segment(
        &mut self,
        segment: &SegmentObject,
        missing: u64,
    ) -> Result<Option<SessionBatch>, FilesError> {
        let object = self.object(segment);
        let Some(facts) = self.shared().facts(&object).await? else {
            // The segment was deleted after it was listed. The next listing does not contain it.
            self.last_key = None;
            self.wait().await;
            return Ok(None);
        };
        let mean_seconds = self.progress.as_ref().map_or(0.0, ArchiveProgress::mean);
        let mut decoder = self.decode(&object, &facts, missing as f64 * mean_seconds, mean_seconds).await?;
        let seconds = self.base + decoder.position();
        let epoch = *self.epoch.get_or_insert(segment.at as f64 / 1000.0 - seconds);
        let detections = self.in_session(decoder.take_detections(), epoch);
        self.decoder = Some(decoder);
        if missing > 0 {
            tracing::warn!(
                stream = self.row.id,
                missing_segments = missing,
                "segments missing, processing them as a gap"
            );
        }
        self.progress = Some(ArchiveProgress::after(self.progress.take(), segment, seconds));
        self.last_key = Some(segment.key.clone());
        let report = self.report(StreamState::Live, None, self.shared().clock.now());
        Ok(Some(SessionBatch { detections, seconds, report: Some(report), ..SessionBatch::default() }))
    }

    /// Decodes a segment after a gap of `gap` seconds. A segment that cannot be decoded or is in quarantine becomes a gap
    /// of `mean_seconds` seconds.
    ///
    /// If the bucket fails while the segment is decoded, or the decoder panics, the decoder is lost. After every other
    /// error, the call can be repeated.
    async fn decode(
        &mut self,
        object: &ObjectName,
        facts: &ObjectFacts,
        gap: f64,
        mean_seconds: f64,
    ) -> Result<Box<SegmentDecoder>, FilesError> {
        let attempt = match Attempt::begin(self.shared(), object, facts, Requester::Queue).await {
            Ok(attempt) => Some(attempt),
            Err(error @ FilesError::Quarantined(_)) => {
                tracing::error!(stream = self.row.id, %object, %error, "segment is quarantined, processing it as a gap");
                None
            }
            Err(error) => return Err(error),
        };
        let decoder = self.decoder.take().ok_or_else(|| FilesError::Internal(object.clone()))?;
        if decoder.position() == 0.0 {
            // The decoder ignores a gap before the first audio, so the gap is added to the position at which the
            // decoder started.
            self.base += gap;
        }
        let shared = Arc::clone(self.shared());
        let Some(attempt) = attempt else {
            let work = move || skip_segment(decoder, gap + mean_seconds, &shared);
            return self.shared().on_thread(object, work).await;
        };
        let stop = self.reading.0.clone();
        let source = ObjectSource::new(Arc::clone(&self.shared().objects), object.clone(), facts, stop);
        let reading = source.clone();
        let work = move || decode_segment(decoder, gap, mean_seconds, &reading, &shared);
        let decoded = self.shared().on_thread(object, work).await;
        attempt.end().await;
        let (decoder, result) = decoded?;
        if let Some(error) = source.failure() {
            return Err(error.into());
        }
        if let Err(error) = result {
            tracing::warn!(stream = self.row.id, %object, %error, "cannot decode segment, processing it as a gap");
        }
        Ok(decoder)
    }

    /// Ends the decoder, and returns the final events of all airings.
    pub(super) async fn finish_decoder(&mut self) -> Result<Vec<(Detection, DateTime<Local>)>, FilesError> {
        let name = ObjectName { bucket: self.location.bucket.clone(), key: self.location.prefix.clone() };
        let mut decoder = self.decoder.take().ok_or_else(|| FilesError::Internal(name.clone()))?;
        let shared = Arc::clone(self.shared());
        let work = move || {
            decoder.finish(&shared);
            decoder
        };
        let mut decoder = self.shared().on_thread(&name, work).await?;
        Ok(self.in_session(decoder.take_detections(), self.epoch.unwrap_or_default()))
    }

    /// Returns detections of the decoder with times of the session, and the current time.
    fn in_session(&self, detections: Vec<Detection>, epoch: f64) -> Vec<(Detection, DateTime<Local>)> {
        let at = self.shared().clock.local();
        detections.into_iter().map(|one| (in_session(one, self.base, epoch), at)).collect()
    }
}
