//! Follows one session of a stream of segments, from its stored position to its end.

mod process;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use refrain_catalog::{Detection, Stream, StreamReport, StreamState};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Archive;
use super::decoder::SegmentDecoder;
use super::listing::{SegmentLocation, list};
use super::order::{ArchiveSession, SegmentStep, next};
use super::progress::{ArchiveProgress, SegmentObject};
use crate::clock;
use crate::cloud::ObjectName;
use crate::files::error::FilesError;
use crate::files::shared::FilesContext;
use crate::sessions::{EndCode, EndReason, SessionBatch, SessionSource, TaskOrder, end_ordered};

/// Interval at which the bucket is listed even without an event, because another process may have received the event.
/// At half this value, each stream causes twice the list requests; at twice this value, segments are decoded up to 10 s
/// late.
const LIST_INTERVAL: Duration = Duration::from_secs(5);

/// Maximum interval between two listings of all segments. The other listings contain only the segments after the last
/// processed one, and do not show that the counter has restarted. A full listing needs one request per 1,000 segments.
/// At half this value, long streams cause twice these requests; at twice this value, a restart of the encoder is
/// noticed up to two minutes late.
const FULL_LIST_INTERVAL: Duration = Duration::from_secs(60);

/// Pause before a failed step of a session is retried. The lease is held during the pause, so that no other process
/// claims the session at once and fails in the same way. At half this value, an unavailable bucket causes twice the log
/// lines; at twice this value, a session continues up to 10 s late.
const RETRY_PAUSE: Duration = Duration::from_secs(5);

/// The source of a session of a stream of segments.
pub(super) struct SegmentSource {
    archive: Arc<Archive>,
    row: Stream,
    location: SegmentLocation,
    new_segment: Arc<Notify>,
    orders: watch::Receiver<TaskOrder>,
    phase: Phase,
    /// Position after the last processed segment.
    progress: Option<ArchiveProgress>,
    /// Time of the session's first sample, seconds since 1970; `None` if it is not known yet.
    epoch: Option<f64>,
    /// `None` if the decoding of a segment has failed. Then the session has to continue at its stored position.
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
    /// Aborts the reading of segments when this source is dropped.
    reading: (CancellationToken, DropGuard),
}

/// Phase of a session.
#[derive(Debug, Clone)]
enum Phase {
    /// Segments are processed.
    Following,
    /// The end of the session is stored. Its next session begins with this segment, or with a segment that was written
    /// while the session ended.
    Ended(Option<SegmentObject>),
    /// The session was ended by an order, and its last events are stored.
    Left,
}

#[async_trait]
impl SessionSource for SegmentSource {
    async fn next(&mut self) -> Option<SessionBatch> {
        loop {
            // An outage of the database or the bucket does not count as a wait for a segment.
            (self.waiting, self.missing) = (Instant::now(), false);
            let error = match self.step().await {
                Ok(batch) => return batch,
                Err(error) => error,
            };
            tracing::warn!(stream = self.row.id, %error, "step of a stream of segments failed, retrying after a pause");
            let is_ordered = self.order() != TaskOrder::Follow;
            pause(&mut self.orders).await;
            let can_retry = match self.phase {
                // Without a decoder, the session is claimed again and continues at its stored position.
                Phase::Following => self.decoder.is_some(),
                Phase::Ended(_) | Phase::Left => !is_ordered,
            };
            if !can_retry {
                return None;
            }
        }
    }
}

impl SegmentSource {
    /// Creates the source of a claimed session, which continues at the stored position. `airings` are its open airings,
    /// with times relative to this position.
    pub(super) fn new(
        archive: &Arc<Archive>,
        row: Stream,
        (location, progress): (SegmentLocation, Option<ArchiveProgress>),
        airings: Vec<Detection>,
        new_segment: Arc<Notify>,
        orders: watch::Receiver<TaskOrder>,
    ) -> Self {
        let token = archive.shared.stop.child_token();
        let decoder = SegmentDecoder::new(&location.name, archive.live.clone(), airings);
        Self {
            archive: Arc::clone(archive),
            base: progress.as_ref().map_or(0.0, |progress| progress.seconds),
            epoch: row.epoch.map(|epoch| epoch as f64 / 1000.0),
            row,
            location,
            new_segment,
            orders,
            phase: Phase::Following,
            progress,
            decoder: Some(Box::new(decoder)),
            last_key: None,
            listed_all_at: None,
            waiting: Instant::now(),
            missing: false,
            reading: (token.clone(), token.drop_guard()),
        }
    }

    fn shared(&self) -> &Arc<FilesContext> {
        &self.archive.shared
    }

    fn order(&self) -> TaskOrder {
        *self.orders.borrow()
    }

    /// Makes the next step. Returns `None` if the task has to end. After an error, the step can be repeated.
    async fn step(&mut self) -> Result<Option<SessionBatch>, FilesError> {
        match self.phase.clone() {
            Phase::Following => self.follow().await,
            Phase::Ended(restarted) => self.start_next_session(restarted).await.map(|()| None),
            Phase::Left => Ok(None),
        }
    }

    /// Waits for the next segment and processes it, or ends the session.
    async fn follow(&mut self) -> Result<Option<SessionBatch>, FilesError> {
        loop {
            match self.order() {
                TaskOrder::Follow => {}
                TaskOrder::HandOver => return Ok(None),
                TaskOrder::Drain | TaskOrder::Finish => return self.end(Phase::Left, None).await.map(Some),
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
                    if let Some(batch) = self.process_segment(segment, missing).await? {
                        return Ok(Some(batch));
                    }
                }
                SegmentStep::Missing => {
                    if !std::mem::replace(&mut self.missing, true) {
                        self.waiting = Instant::now();
                    }
                    self.wait().await;
                }
                SegmentStep::Restarted(segment) => {
                    let reason = EndReason::of(EndCode::CounterRestarted);
                    return self.end(Phase::Ended(Some(segment.clone())), Some(reason)).await.map(Some);
                }
                SegmentStep::Nothing if over => {
                    let reason = EndReason::of(EndCode::NoSegments);
                    return self.end(Phase::Ended(None), Some(reason)).await.map(Some);
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

    /// Ends the session: airings get their final events. Without a reason, the row contains the end already. The end of
    /// the session is the time when its newest segment was written, so that late events about its segments do not start
    /// another session.
    async fn end(&mut self, phase: Phase, reason: Option<EndReason>) -> Result<SessionBatch, FilesError> {
        let detections = self.finish_decoder().await?;
        self.phase = phase;
        let at = self.newest().max(self.row.started_at);
        let report = reason.map(|reason| self.report(reason.state(), Some(reason.text().into_owned()), at));
        Ok(SessionBatch { detections, report, ..SessionBatch::default() })
    }

    /// Starts the next session with the segment `restarted`, or with a segment that was written while this session
    /// ended. The event about such a segment started no session, because this one was still running.
    async fn start_next_session(&mut self, restarted: Option<SegmentObject>) -> Result<(), FilesError> {
        self.last_key = None;
        let first = match restarted {
            Some(segment) => Some(segment),
            None => {
                let (newest, progress) = (self.newest(), self.progress.clone());
                let segments = self.list_segments().await?.into_iter();
                let later = segments.filter(|segment| segment.at > newest);
                let first = later.min_by_key(|segment| (segment.at, segment.counter));
                first.filter(|first| !progress.is_some_and(|progress| progress.was_skipped(first.counter)))
            }
        };
        match first {
            Some(segment) => {
                let object = self.object(&segment);
                self.archive.start(&object, &self.location.prefix, segment.at).await
            }
            None => Ok(()),
        }
    }

    fn report(&self, state: StreamState, reason: Option<String>, at: i64) -> StreamReport {
        StreamReport {
            state,
            reason,
            at,
            epoch: self.epoch.map(clock::milliseconds),
            clock_anchor: None,
            progress: self.progress.as_ref().map(ArchiveProgress::text),
        }
    }
}

/// Waits before a failed step is retried, or until an order ends the task.
pub(super) async fn pause(orders: &mut watch::Receiver<TaskOrder>) {
    tokio::select! {
        biased;
        () = end_ordered(orders) => {}
        () = sleep(RETRY_PAUSE) => {}
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
