//! Streams whose sound is in objects: the segments that MediaLive's archive outputs write.
//!
//! An event says that there is news of a stream, no more. A stream is a row of the journal, of the origin `archive`; who has
//! its lease lists its segments and hears them in the order of their counter, whatever order they came in and whoever was
//! told of them. How far that is stands in the row after each segment: whoever goes on does so from there, and what it hears
//! once more keeps its identity.

mod ear;
mod follow;
mod look;
mod order;
mod record;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::Local;
use refrain_catalog::{ARCHIVE, NewStream, Stream, StreamReport, StreamState};
use refrain_core::matching::live::LiveSettings;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::error::FilesError;
use super::segment::SegmentName;
use super::shared::Shared;
use crate::monitor::EventKind;
use crate::outside::ObjectName;
use follow::Follower;
use look::Place;

/// A session whose process has not been heard of for so long is another's.
const LEASE: Duration = Duration::from_secs(15);

/// Leases are renewed and streams claimed so often; news of a stream has them claimed at once.
const TICK: Duration = Duration::from_secs(4);

/// Sessions of one process: each has a spectrogram and what is known of its airings, and waits for most of the time.
const MOST: usize = 64;

/// A session that cannot go on is tried again after this time.
const AGAIN: Duration = Duration::from_secs(5);

/// All streams of segments, as far as this process goes.
pub(super) struct Archive {
    shared: Arc<Shared>,
    live: LiveSettings,
    events: Vec<EventKind>,
    /// Its name in leases: another one than that of live streams, which are renewed by whoever follows them.
    owner: String,
    /// Told when a stream may have started.
    started: Notify,
    /// Told when a stream has a new segment.
    news: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Archive {
    pub(super) fn new(shared: Arc<Shared>, owner: &str, live: LiveSettings, events: Vec<EventKind>) -> Self {
        let (started, news) = (Notify::new(), Mutex::default());
        Self { shared, live, events, owner: owner.to_owned(), started, news }
    }

    /// Takes in that there is news of a stream: this segment.
    pub(super) async fn news(&self, object: &ObjectName, segment: &SegmentName) -> Result<(), FilesError> {
        let Some(facts) = self.shared.facts(object).await? else { return Ok(()) };
        let at = facts.modified_at.unwrap_or_else(|| Local::now().timestamp_millis());
        self.start(object, &segment.prefix, at).await
    }

    /// Starts a session with that segment, unless there is one, or it belongs to one that is over.
    async fn start(&self, object: &ObjectName, prefix: &str, at: i64) -> Result<(), FilesError> {
        let id = format!("s3://{}/{}", object.bucket, prefix.trim_end_matches('.'));
        let new = NewStream {
            id: id.clone(),
            url: object.to_string(),
            origin: ARCHIVE.to_owned(),
            session: None,
            started_at: at,
        };
        self.shared.journal().start_stream(&new).await?;
        match self.told().get(&id) {
            Some(news) => news.notify_one(),
            None => self.started.notify_one(),
        }
        Ok(())
    }

    fn told(&self) -> MutexGuard<'_, HashMap<String, Arc<Notify>>> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows streams until `stop` is cancelled; then they are handed back. What was heard of a segment that is not
    /// written down yet is heard again.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut held = Held { archive: Arc::clone(&self), tasks: JoinSet::new(), streams: HashMap::new() };
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = held.ended() => self.started.notify_one(),
                _ = tick.tick() => {
                    held.renew().await;
                    held.claim().await;
                }
                () = self.started.notified() => held.claim().await,
            }
        }
        held.tasks.shutdown().await;
        if let Err(error) = self.shared.journal().release(&self.owner, None).await {
            tracing::warn!(%error, "streams of segments could not be handed back; their leases run out");
        }
    }
}

/// The sessions that are followed here.
struct Held {
    archive: Arc<Archive>,
    tasks: JoinSet<String>,
    streams: HashMap<String, AbortHandle>,
}

impl Held {
    /// Waits until a session is over here.
    async fn ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((task, id))) => self.forget(task, Some(id)).await,
            Some(Err(error)) => {
                if error.is_panic() {
                    tracing::error!("internal error; a stream of segments is given back");
                }
                self.forget(error.id(), None).await;
            }
            None => std::future::pending().await,
        }
    }

    /// Forgets a session, and hands it back if it is not over.
    async fn forget(&mut self, task: tokio::task::Id, id: Option<String>) {
        let known = self.streams.iter().find(|(_, handle)| handle.id() == task).map(|(id, _)| id.clone());
        let Some(id) = known.or(id) else { return };
        if self.streams.get(&id).is_some_and(|handle| handle.id() == task) {
            self.streams.remove(&id);
            self.archive.told().remove(&id);
            let _ = self.archive.shared.journal().release(&self.archive.owner, Some(&id)).await;
        }
    }

    async fn renew(&mut self) {
        if self.streams.is_empty() {
            return;
        }
        let journal = self.archive.shared.journal();
        let ids = match journal.renew_leases(&self.archive.owner, LEASE).await {
            Ok(ids) => ids,
            // Each session finds out by itself whether it is still its own when it writes down how far it is.
            Err(error) => return tracing::warn!(%error, "leases of streams of segments were not renewed"),
        };
        let told = &self.archive;
        self.streams.retain(|id, task| {
            let ours = ids.binary_search(id).is_ok();
            if !ours && !task.is_finished() {
                tracing::debug!(stream = id, "the session is over or another's");
                task.abort();
                told.told().remove(id);
            }
            ours || task.is_finished()
        });
    }

    async fn claim(&mut self) {
        let most = u32::try_from(MOST.saturating_sub(self.streams.len())).unwrap_or_default();
        if most == 0 {
            return;
        }
        let archive = Arc::clone(&self.archive);
        match archive.shared.journal().claim_archives(&archive.owner, most, LEASE).await {
            Ok(rows) => rows.into_iter().for_each(|row| self.begin(row)),
            Err(error) => tracing::warn!(%error, "no streams of segments can be claimed now"),
        }
    }

    fn begin(&mut self, row: Stream) {
        let (id, news) = (row.id.clone(), Arc::new(Notify::new()));
        self.archive.told().insert(id.clone(), Arc::clone(&news));
        let (archive, own) = (Arc::clone(&self.archive), id.clone());
        let task = self.tasks.spawn(async move {
            follow(&archive, row, news).await;
            own
        });
        if let Some(old) = self.streams.insert(id, task) {
            old.abort();
        }
    }
}

/// Follows a session here; one that cannot go on is left for the next who claims it.
async fn follow(archive: &Arc<Archive>, row: Stream, news: Arc<Notify>) {
    let Some(place) = Place::of(&row.url, &archive.shared) else {
        return refuse(archive, &row).await;
    };
    tracing::info!(stream = row.id, name = place.name, "following a stream of segments");
    let id = row.id.clone();
    let followed = match Follower::new(archive, row, place, news).await {
        Ok(follower) => follower.run().await,
        Err(error) => Err(error),
    };
    if let Err(error) = followed {
        tracing::warn!(stream = id, %error, "the stream of segments cannot go on; it is tried again");
        sleep(AGAIN).await;
    }
}

/// Ends a session that no segment can belong to: the settings' folder or modifier is another than it was.
async fn refuse(archive: &Archive, row: &Stream) {
    let why = "its segments are not in the settings' folder of streams";
    tracing::error!(stream = row.id, why, "the stream of segments is given up");
    let report = StreamReport {
        id: row.id.clone(),
        started_at: row.started_at,
        state: StreamState::Failed,
        reason: Some(why.to_owned()),
        epoch: row.epoch,
        clock_anchor: None,
        progress: None,
    };
    let now = Local::now().timestamp_millis();
    if let Err(error) = archive.shared.journal().report_stream(&archive.owner, &report, now).await {
        tracing::warn!(stream = row.id, %error, "that could not be written down");
    }
}
