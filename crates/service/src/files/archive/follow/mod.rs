//! Follows one session of a stream of segments, from its stored position to its end.

mod end;

use std::sync::Arc;
use std::time::{Duration, Instant};

use refrain_catalog::{Detection, Stream, StreamReport, StreamState};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Archive;
use super::decoder::{SegmentDecoder, decode_segment, skip_segment};
use super::listing::{SegmentLocation, list};
use super::order::{ArchiveProgress, ArchiveSession, SegmentObject, SegmentStep, next};
use super::record::{in_session, new_recorder};
use crate::clock;
use crate::cloud::ObjectName;
use crate::files::attempt::{Attempt, Requester};
use crate::files::error::FilesError;
use crate::files::reader::ObjectSource;
use crate::files::shared::FilesContext;
use crate::sessions::{EndCode, EndReason, Recorder, TaskOrder, end_ordered};

/// Interval at which the bucket is listed even without an event, because another process may have received the event.
/// At half this value, each stream causes twice the list requests; at twice this value, segments are decoded up to 10 s
/// late.
const LIST_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum interval between two listings of all segments. The other listings contain only the segments after the last
/// processed one, and do not show that the counter has restarted. A full listing needs one request per 1,000 segments.
/// At half this value, long streams cause twice these requests; at twice this value, a restart of the encoder is
/// noticed up to two minutes late.
const FULL_LIST_INTERVAL: Duration = Duration::from_secs(60);

/// Follows one session of a stream of segments.
pub(super) struct ArchiveFollower {
    archive: Arc<Archive>,
    row: Stream,
    location: SegmentLocation,
    new_segment: Arc<Notify>,
    orders: watch::Receiver<TaskOrder>,
    progress: Option<ArchiveProgress>,
    recorder: Recorder,
    decoder: Option<Box<SegmentDecoder>>,
    /// Position in the session at which the decoder started, in seconds.
    base: f64,
    /// Key of the last segment that this process has processed. `None`: the next listing contains all segments.
    last_key: Option<String>,
    /// Time of the last listing of all segments.
    listed_all_at: Option<Instant>,
    /// Start of the current wait.
    waiting: Instant,
    /// True if the wait is for a missing segment, while later ones exist; false if it is for any new segment.
    missing: bool,
    /// Aborts the reading of segments when this follower is dropped.
    reading: (CancellationToken, DropGuard),
}

impl ArchiveFollower {
    /// Creates the follower of a claimed session, which continues at the stored position.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    pub(super) async fn new(
        archive: &Arc<Archive>,
        row: Stream,
        location: SegmentLocation,
        new_segment: Arc<Notify>,
        orders: watch::Receiver<TaskOrder>,
    ) -> Result<Self, FilesError> {
        let progress: Option<ArchiveProgress> =
            row.progress.as_deref().and_then(|progress| serde_json::from_str(progress).ok());
        let (recorder, airings) = new_recorder(archive, &row, &location.name, progress.as_ref()).await?;
        let token = archive.shared.stop.child_token();
        let decoder = SegmentDecoder::new(&location.name, archive.live.clone(), airings);
        Ok(Self {
            archive: Arc::clone(archive),
            base: progress.as_ref().map_or(0.0, |progress| progress.seconds),
            row,
            location,
            new_segment,
            orders,
            progress,
            recorder,
            decoder: Some(Box::new(decoder)),
            last_key: None,
            listed_all_at: None,
            waiting: Instant::now(),
            missing: false,
            reading: (token.clone(), token.drop_guard()),
        })
    }

    fn shared(&self) -> &Arc<FilesContext> {
        &self.archive.shared
    }

    /// Processes segments until the session has ended or an order ends it. If another process has claimed the session,
    /// waits until the keeper of the leases aborts this task.
    ///
    /// The error that stopped the processing. The next claim of the session continues at the stored position.
    pub(super) async fn run(mut self) -> Result<(), FilesError> {
        loop {
            if *self.orders.borrow() != TaskOrder::Follow {
                return self.end_airings().await.map(drop);
            }
            let segments = self.list_segments().await?;
            let settings = &self.shared().settings;
            let is_waiting = self.waiting.elapsed() < settings.segment_wait;
            let session = ArchiveSession {
                counter: self.location.counter,
                at: self.row.started_at,
                spread_ms: milliseconds(settings.segment_wait.min(settings.stream_end / 2)),
                max_apart_ms: milliseconds(settings.stream_end),
            };
            let over = self.waiting.elapsed() >= settings.stream_end;
            match next(&segments, self.progress.as_ref(), &session, is_waiting || !self.missing) {
                SegmentStep::Process(segment, missing) => {
                    let is_leased = self.process_segment(segment, missing).await?;
                    if !is_leased {
                        end_ordered(&mut self.orders).await;
                    }
                }
                SegmentStep::Missing => {
                    if !std::mem::replace(&mut self.missing, true) {
                        self.waiting = Instant::now();
                    }
                    self.wait().await;
                }
                SegmentStep::Restarted(segment) => {
                    let object = self.object(segment);
                    self.end(EndReason::of(EndCode::CounterRestarted)).await?;
                    return self.archive.start(&object, &self.location.prefix, segment.at).await;
                }
                SegmentStep::Nothing if over => {
                    self.end(EndReason::of(EndCode::NoSegments)).await?;
                    return self.start_next_session().await;
                }
                SegmentStep::Nothing => self.wait().await,
            }
        }
    }

    /// Lists the segments after the last processed one, or all segments if the last full listing is too old.
    async fn list_segments(&mut self) -> Result<Vec<SegmentObject>, FilesError> {
        let every = FULL_LIST_INTERVAL.min(self.shared().settings.segment_wait);
        let all = self.last_key.is_none() || self.listed_all_at.is_none_or(|at| at.elapsed() >= every);
        let after = self.last_key.as_deref().filter(|_| !all);
        let segments = list(self.shared(), &self.location, after).await?;
        if all {
            self.listed_all_at = Some(Instant::now());
        }
        Ok(segments)
    }

    async fn wait(&self) {
        let settings = &self.shared().settings;
        let until = if self.missing { settings.segment_wait } else { settings.stream_end };
        let left = until.saturating_sub(self.waiting.elapsed()).max(Duration::from_millis(1));
        let mut orders = self.orders.clone();
        tokio::select! {
            () = end_ordered(&mut orders) => {}
            () = self.new_segment.notified() => {}
            // Without an event, the bucket is listed after this time.
            () = sleep(left.min(LIST_INTERVAL)) => {}
        }
    }

    /// Returns the time when the newest processed segment was written, in milliseconds since 1970. If no segment was
    /// processed, returns the start of the session.
    fn newest(&self) -> i64 {
        self.progress.as_ref().map_or(self.row.started_at, |progress| progress.newest)
    }

    fn object(&self, segment: &SegmentObject) -> ObjectName {
        ObjectName { bucket: self.location.bucket.clone(), key: segment.key.clone() }
    }

    /// Processes a segment, and stores its detections and the new position. Returns false if another process holds the
    /// lease.
    async fn process_segment(&mut self, segment: &SegmentObject, missing: u64) -> Result<bool, FilesError> {
        let object = self.object(segment);
        let Some(facts) = self.shared().facts(&object).await? else {
            // The segment was deleted after it was listed. The next listing does not contain it.
            self.last_key = None;
            self.wait().await;
            return Ok(true);
        };
        let stop = self.reading.0.clone();
        let source = ObjectSource::new(Arc::clone(&self.shared().objects), object.clone(), &facts, stop);
        let mean_seconds = self.progress.as_ref().map_or(0.0, ArchiveProgress::mean);
        let gap = missing as f64 * mean_seconds;
        let decoder = self.decoder.take().ok_or_else(|| FilesError::Internal(object.clone()))?;
        if decoder.position() == 0.0 {
            // The decoder ignores a gap before the first audio, so the gap is added to the position at which the
            // decoder started.
            self.base += gap;
        }
        let (shared, reading) = (Arc::clone(self.shared()), source.clone());
        let (mut decoder, decoded) = match Attempt::begin(self.shared(), &object, &facts, Requester::Queue)
            .await
        {
            Ok(attempt) => {
                let work = move || decode_segment(decoder, gap, mean_seconds, &reading, &shared);
                let decoded = self.shared().on_thread(&object, work).await;
                attempt.end().await;
                decoded?
            }
            Err(error @ FilesError::Quarantined(_)) => {
                tracing::error!(stream = self.row.id, %object, %error, "segment is quarantined, processing it as a gap");
                let work = move || skip_segment(decoder, gap + mean_seconds, &shared);
                (self.shared().on_thread(&object, work).await?, Ok(()))
            }
            Err(error) => return Err(error),
        };
        if let Some(error) = source.failure() {
            return Err(error.into());
        }
        if let Err(error) = decoded {
            tracing::warn!(stream = self.row.id, %object, %error, "cannot decode segment, processing it as a gap");
        }
        let seconds = self.base + decoder.position();
        self.recorder.epoch_or(segment.at as f64 / 1000.0 - seconds);
        // If another process claimed the session while the segment was decoded, that process reports the events.
        let events = decoder.take_detections();
        self.decoder = Some(decoder);
        if !self.record(events).await? {
            return Ok(self.is_lost());
        }
        self.recorder.record_progress(seconds).await?;
        if missing > 0 {
            tracing::warn!(stream = self.row.id, missing, "segments missing, continuing without them");
        }
        self.progress = Some(ArchiveProgress::after(self.progress.take(), segment, seconds));
        self.last_key = Some(segment.key.clone());
        (self.waiting, self.missing) = (Instant::now(), false);
        let written = self.report(StreamState::Live, None, self.shared().clock.now()).await?;
        Ok(written || self.is_lost())
    }

    /// Stores events in order. Returns false at the first event that is not stored, because another process holds the
    /// lease.
    async fn record(&mut self, events: Vec<Detection>) -> Result<bool, FilesError> {
        let epoch = self.recorder.epoch().unwrap_or_default();
        for event in events {
            let (event, at) = (in_session(event, self.base, epoch), self.shared().clock.local());
            if !self.recorder.record(event, at).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Logs that this process does not hold the lease any more. Always returns false, which the caller returns too.
    fn is_lost(&self) -> bool {
        tracing::warn!(stream = self.row.id, "stream lease lost, processing no more segments");
        false
    }

    /// Stores the state and the position of the session. Returns false if another process holds its lease.
    async fn report(&self, state: StreamState, reason: Option<&str>, now: i64) -> Result<bool, FilesError> {
        let report = StreamReport {
            id: self.row.id.clone(),
            started_at: self.row.started_at,
            state,
            reason: reason.map(str::to_owned),
            epoch: self.recorder.epoch().map(clock::milliseconds),
            clock_anchor: None,
            progress: self.progress.as_ref().and_then(|progress| serde_json::to_string(progress).ok()),
        };
        Ok(self.shared().journal().report_stream(self.archive.owner(), &report, now).await?)
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
