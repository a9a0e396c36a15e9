//! One session of a stream of segments, from where it was left to its end.

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

/// Without news the bucket is looked at so often: news may have come to another process.
const LOOK: Duration = Duration::from_secs(5);

/// All segments, not only those behind the last one, are listed at least so often: a counter may have begun again.
const LOOK_AT_ALL: Duration = Duration::from_secs(60);

/// A session.
pub(super) struct Follower {
    archive: Arc<Archive>,
    row: Stream,
    place: Place,
    news: Arc<Notify>,
    progress: Option<Progress>,
    /// Counters that were missed.
    given_up: Vec<u64>,
    recorder: Recorder,
    hearing: Option<Box<Hearing>>,
    /// Where in the session the hearing began, seconds.
    base: f64,
    /// The key of the last segment, where it was heard here.
    last_key: Option<String>,
    looked_at_all: Option<Instant>,
    /// Since when nothing came, or one is missing.
    waiting: Instant,
    missing: bool,
    /// Ends the reading of this session.
    reading: (CancellationToken, DropGuard),
}

impl Follower {
    /// Goes on with a session that was claimed.
    ///
    /// # Errors
    /// If the catalogue cannot be asked.
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

    /// Hears segments until the session is over, or somebody else has it.
    ///
    /// # Errors
    /// What keeps it from going on; whoever claims the session next goes on where it was written down.
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
                    self.end("its counter has begun again").await?;
                    return self.archive.start(&object, &self.place.prefix, seen.at).await;
                }
                Next::Nothing if over => {
                    self.end("no segment has come for a long time").await?;
                    return self.look_back().await;
                }
                Next::Nothing => self.wait().await,
            }
        }
    }

    /// The segments that are there: behind the last one, or now and then all.
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
        // Nothing was heard in time: then it is looked all the same.
        let _ = timeout(left.min(LOOK), self.news.notified()).await;
    }

    fn object(&self, seen: &Seen) -> ObjectName {
        ObjectName { bucket: self.place.bucket.clone(), key: seen.key.clone() }
    }

    /// Hears a segment, writes down what was in it, and how far that is. False if the session is another's now.
    async fn hear(&mut self, seen: &Seen, missing: u64) -> Result<bool, FilesError> {
        let object = self.object(seen);
        let Some(facts) = self.shared().facts(&object).await? else {
            // It vanished between the list and now; the next list does not have it.
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
            // A stream begins with its first sound: what is missing before it is not heard.
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
            tracing::warn!(%object, %error, "the segment cannot be heard; it is missing in its stream");
        }
        let seconds = self.base + hearing.position();
        self.recorder.begins(seen.at as f64 / 1000.0 - seconds);
        let events = hearing.take_events();
        // Whose lease has run out while the segment was heard must not tell of it: another does.
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
            tracing::warn!(
                stream = self.row.id,
                missing,
                "segments did not come; the stream goes on without them"
            );
            self.given_up.extend(progress.last + 1..seen.counter);
        }
        self.progress = Some(Progress::after(self.progress, seen, seconds));
        self.last_key = Some(seen.key.clone());
        (self.waiting, self.missing) = (Instant::now(), false);
        let written = self.report(StreamState::Live, None, Local::now().timestamp_millis()).await?;
        Ok(written || self.is_lost())
    }

    /// Says that the session is another's; never so to itself.
    fn is_lost(&self) -> bool {
        tracing::warn!(stream = self.row.id, "another process follows the stream now");
        false
    }

    /// Writes down how far the session is. False if it is another's now.
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

    /// Ends the session: airings get their final events. It counts as over when its newest segment was written, so that
    /// events of segments that were heard start nothing.
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
        tracing::info!(stream = self.row.id, why, "the stream is over");
        let ended = self.progress.map_or(self.row.started_at, |progress| progress.newest);
        self.report(StreamState::Ended, Some(why), ended.max(self.row.started_at)).await?;
        Ok(())
    }

    /// Starts the next session if a segment came while this one ended: who told of it was told that the stream is known.
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
