//! Follows one session of a stream of segments, from its stored position to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Local;
use refrain_catalog::{Stream, StreamReport, StreamState};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Archive;
use super::ear::{Hearing, hear, leave_out};
use super::look::{Place, list};
use super::order::{Next, Progress, Seen, Session, next};
use super::record::Recorder;
use crate::files::attempt::{Attempt, Requester};
use crate::files::error::FilesError;
use crate::files::reader::ObjectSource;
use crate::files::shared::Shared;
use crate::outside::ObjectName;

/// Interval at which the bucket is listed without an event, because another process may have received the event.
const LOOK: Duration = Duration::from_secs(5);

/// Longest interval between two listings of all segments, not only of those after the last one: the counter may have
/// restarted.
const LOOK_AT_ALL: Duration = Duration::from_secs(60);

/// Follows a session.
pub(super) struct Follower {
    archive: Arc<Archive>,
    row: Stream,
    place: Place,
    news: Arc<Notify>,
    progress: Option<Progress>,
    /// Counters of missing segments that were skipped.
    given_up: Vec<u64>,
    recorder: Recorder,
    hearing: Option<Box<Hearing>>,
    /// Position in the session at which the decoder began, in seconds.
    base: f64,
    /// Key of the last segment that was processed here.
    last_key: Option<String>,
    looked_at_all: Option<Instant>,
    /// Start of the current wait, for any segment or for a missing one.
    waiting: Instant,
    missing: bool,
    /// Aborts the reading of this session.
    reading: (CancellationToken, DropGuard),
}

impl Follower {
    /// Continues a session that was claimed.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    pub(super) async fn new(
        archive: &Arc<Archive>,
        row: Stream,
        place: Place,
        news: Arc<Notify>,
    ) -> Result<Self, FilesError> {
        let progress: Option<Progress> =
            row.progress.as_deref().and_then(|progress| serde_json::from_str(progress).ok());
        let epoch = row.epoch.map(|epoch| epoch as f64 / 1000.0);
        let names = (row.id.as_str(), place.name.as_str());
        let (recorder, airings) =
            Recorder::new(archive, names, (row.started_at, epoch), progress.as_ref()).await?;
        let token = archive.shared.stop.child_token();
        let hearing = Hearing::new(&place.name, archive.live.clone(), airings);
        Ok(Self {
            archive: Arc::clone(archive),
            base: progress.map_or(0.0, |progress| progress.seconds),
            row,
            place,
            news,
            progress,
            given_up: Vec::new(),
            recorder,
            hearing: Some(Box::new(hearing)),
            last_key: None,
            looked_at_all: None,
            waiting: Instant::now(),
            missing: false,
            reading: (token.clone(), token.drop_guard()),
        })
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.archive.shared
    }

    /// Processes segments until the session has ended, or another process holds its lease.
    ///
    /// # Errors
    /// The error that stopped it. The next claim continues at the stored position.
    pub(super) async fn run(mut self) -> Result<(), FilesError> {
        loop {
            let segments = self.look().await?;
            let settings = &self.shared().settings;
            let patient = self.waiting.elapsed() < settings.segment_wait;
            let session = Session {
                counter: self.place.counter,
                at: self.row.started_at,
                spread: milliseconds(settings.segment_wait.min(settings.stream_end / 2)),
                apart: milliseconds(settings.stream_end),
            };
            let over = self.waiting.elapsed() >= settings.stream_end;
            let (progress, given_up) = (self.progress, std::mem::take(&mut self.given_up));
            let decided = next(&segments, progress.as_ref(), &session, &given_up, patient || !self.missing);
            self.given_up = given_up;
            match decided {
                Next::Hear(seen, missing) => {
                    let going = self.hear(seen, missing).await?;
                    if !going {
                        return Ok(());
                    }
                }
                Next::Missing => {
                    if !std::mem::replace(&mut self.missing, true) {
                        self.waiting = Instant::now();
                    }
                    self.wait().await;
                }
                Next::Again(seen) => {
                    let object = self.object(seen);
                    self.end("the segment counter has restarted").await?;
                    return self.archive.start(&object, &self.place.prefix, seen.at).await;
                }
                Next::Nothing if over => {
                    self.end("no new segment for a long time").await?;
                    return self.look_back().await;
                }
                Next::Nothing => self.wait().await,
            }
        }
    }

    /// Lists the segments after the last one, or all segments from time to time.
    async fn look(&mut self) -> Result<Vec<Seen>, FilesError> {
        let every = LOOK_AT_ALL.min(self.shared().settings.segment_wait);
        let all = self.last_key.is_none() || self.looked_at_all.is_none_or(|at| at.elapsed() >= every);
        let after = self.last_key.as_deref().filter(|_| !all);
        let segments = list(self.shared(), &self.place, after).await?;
        if all {
            self.looked_at_all = Some(Instant::now());
        }
        Ok(segments)
    }

    async fn wait(&self) {
        let settings = &self.shared().settings;
        let until = if self.missing { settings.segment_wait } else { settings.stream_end };
        let left = until.saturating_sub(self.waiting.elapsed()).max(Duration::from_millis(1));
        // After a timeout the bucket is listed without an event.
        let _ = timeout(left.min(LOOK), self.news.notified()).await;
    }

    fn object(&self, seen: &Seen) -> ObjectName {
        ObjectName { bucket: self.place.bucket.clone(), key: seen.key.clone() }
    }

    /// Processes a segment, and stores its detections and the new position. Returns false if another process holds the
    /// lease.
    async fn hear(&mut self, seen: &Seen, missing: u64) -> Result<bool, FilesError> {
        let object = self.object(seen);
        let Some(facts) = self.shared().facts(&object).await? else {
            // It was deleted after it was listed. The next listing does not contain it.
            self.last_key = None;
            self.wait().await;
            return Ok(true);
        };
        let stop = self.reading.0.clone();
        let source = ObjectSource::new(Arc::clone(&self.shared().objects), object.clone(), &facts, stop);
        let usual = self.progress.map_or(0.0, |progress| progress.mean());
        let gap = missing as f64 * usual;
        let hearing = self.hearing.take().ok_or_else(|| FilesError::Internal(object.clone()))?;
        if hearing.position() == 0.0 {
            // The decoder ignores a gap before the first audio, so the gap is added to its start.
            self.base += gap;
        }
        let (shared, reading) = (Arc::clone(self.shared()), source.clone());
        let (mut hearing, heard) =
            match Attempt::begin(self.shared(), &object, &facts, Requester::Queue).await {
                Ok(attempt) => {
                    let work = move || hear(hearing, gap, usual, &reading, &shared);
                    let heard = self.shared().on_thread(&object, work).await;
                    attempt.end().await;
                    heard?
                }
                Err(error @ FilesError::Quarantined(_)) => {
                    tracing::error!(%object, %error, "segment is left out of its stream");
                    let work = move || leave_out(hearing, gap + usual, &shared);
                    (self.shared().on_thread(&object, work).await?, Ok(()))
                }
                Err(error) => return Err(error),
            };
        if let Some(error) = source.failure() {
            return Err(error.into());
        }
        if let Err(error) = heard {
            tracing::warn!(%object, %error, "cannot decode segment, processing it as a gap");
        }
        let seconds = self.base + hearing.position();
        self.recorder.begins(seen.at as f64 / 1000.0 - seconds);
        let events = hearing.take_events();
        // If the lease expired while the segment was decoded, another process reports the events.
        if !events.is_empty()
            && !self.report(StreamState::Live, None, Local::now().timestamp_millis()).await?
        {
            return Ok(self.is_lost());
        }
        for event in events {
            self.recorder.record(event, self.base).await?;
        }
        self.recorder.heard(seconds).await?;
        self.hearing = Some(hearing);
        if let Some(progress) = self.progress.filter(|_| missing > 0) {
            tracing::warn!(stream = self.row.id, missing, "segments missing, continuing without them");
            self.given_up.extend(progress.last + 1..seen.counter);
        }
        self.progress = Some(Progress::after(self.progress, seen, seconds));
        self.last_key = Some(seen.key.clone());
        (self.waiting, self.missing) = (Instant::now(), false);
        let written = self.report(StreamState::Live, None, Local::now().timestamp_millis()).await?;
        Ok(written || self.is_lost())
    }

    /// Logs that another process holds the lease. Always returns false, so that the caller can return it as its result.
    fn is_lost(&self) -> bool {
        tracing::warn!(stream = self.row.id, "stream lease lost, another process follows the stream");
        false
    }

    /// Stores the position of the session. Returns false if another process holds its lease.
    async fn report(&self, state: StreamState, reason: Option<&str>, now: i64) -> Result<bool, FilesError> {
        let report = StreamReport {
            id: self.row.id.clone(),
            started_at: self.row.started_at,
            state,
            reason: reason.map(str::to_owned),
            epoch: self.recorder.epoch(),
            clock_anchor: None,
            progress: self.progress.and_then(|progress| serde_json::to_string(&progress).ok()),
        };
        Ok(self.shared().journal().report_stream(&self.archive.owner, &report, now).await?)
    }

    /// Ends the session: airings get their final events. The time when its newest segment was written is stored as its end,
    /// so that late events about its segments do not start a session.
    async fn end(&mut self, why: &str) -> Result<(), FilesError> {
        let name = ObjectName { bucket: self.place.bucket.clone(), key: self.place.prefix.clone() };
        let mut hearing = self.hearing.take().ok_or_else(|| FilesError::Internal(name.clone()))?;
        let shared = Arc::clone(self.shared());
        let work = move || {
            hearing.finish(&shared);
            hearing
        };
        let mut hearing = self.shared().on_thread(&name, work).await?;
        for event in hearing.take_events() {
            self.recorder.record(event, self.base).await?;
        }
        tracing::info!(stream = self.row.id, why, "stream ended");
        let ended = self.progress.map_or(self.row.started_at, |progress| progress.newest);
        self.report(StreamState::Ended, Some(why), ended.max(self.row.started_at)).await?;
        Ok(())
    }

    /// Starts the next session if a segment was written while this one ended. The event about it found the old session
    /// running.
    async fn look_back(mut self) -> Result<(), FilesError> {
        self.last_key = None;
        let newest = self.progress.map_or(self.row.started_at, |progress| progress.newest);
        let segments = self.look().await?;
        match segments.iter().filter(|seen| seen.at > newest).min_by_key(|seen| (seen.at, seen.counter)) {
            Some(seen) if !self.given_up.contains(&seen.counter) => {
                let object = self.object(seen);
                self.archive.start(&object, &self.place.prefix, seen.at).await
            }
            _ => Ok(()),
        }
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
