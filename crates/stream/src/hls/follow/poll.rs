//! The poller: loads the playlist repeatedly and plans which segments are fetched.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::pace::{Pace, Reached, Seen};
use super::plan::{News, Planned, Planner};
use super::resolve::Loader;
use super::route::Route;
use super::window::Shared;
use crate::hls::entry::Entry;
use crate::hls::playlist::MediaPlaylist;
use crate::hls::status::{EndReason, HlsError, SourceState};
use refrain_net::Backoff;

/// Number of consecutive failed loads after which a 404 of the media playlist makes the poller resolve the master playlist
/// again, because the media playlist may have moved.
const MISSING_LOADS: u32 = 3;

pub(super) struct Poller {
    route: Route,
    shared: Arc<Shared>,
    plan: mpsc::Sender<Planned>,
    planner: Planner,
    /// Offset from the playlist's media sequence numbers to the numbers of the timeline.
    shift: i128,
    backoff: Backoff,
    pace: Pace,
}

impl Poller {
    pub(super) fn new(
        loader: Loader,
        entry: Entry,
        shared: Arc<Shared>,
        plan: mpsc::Sender<Planned>,
    ) -> Self {
        let settings = loader.settings.clone();
        let (backoff, pace) = (Backoff::new(settings.retry), Pace::new(settings.clone()));
        let route = Route::new(loader, entry, shared.clone());
        let planner = Planner::new(settings);
        Self { route, shared, plan, planner, shift: 0, backoff, pace }
    }

    /// Runs until the stream ends and returns the reason. Also ends when the receiver of the plan is dropped.
    pub(super) async fn run(mut self) -> Result<EndReason, HlsError> {
        let mut last: Option<Seen> = None;
        loop {
            let began = Instant::now();
            let pause = match self.load(last.as_ref()).await {
                Ok(Some(list)) => match self.digest(list).await {
                    Ok(seen) => {
                        let pause = self.pace.pause(&seen);
                        last = Some(seen);
                        pause
                    }
                    Err(EndReason::EndList) => return Ok(self.finish().await),
                    Err(end) => return Ok(end),
                },
                Ok(None) => {
                    let seen = last.get_or_insert(Seen::FIRST);
                    seen.changed = false;
                    self.pace.no_news();
                    self.pace.pause(seen)
                }
                Err(error) => {
                    // A failed load brings no news. `changed = false` also makes the next load a normal one, because the failed
                    // one may have been a blocking reload.
                    last.iter_mut().for_each(|seen| seen.changed = false);
                    self.failed(error)?
                }
            };
            if self.pace.is_over() {
                return self.give_up();
            }
            if last.as_ref().is_some_and(|seen| self.pace.is_stalled(seen)) {
                self.shared.enter(SourceState::Stalled);
            }
            self.wait(began + pause).await;
            if self.plan.is_closed() {
                return Ok(EndReason::Silent);
            }
        }
    }

    /// Ends the plan and waits until everything is fetched. URLs of long recordings can expire in this time; they are
    /// refreshed.
    async fn finish(&mut self) -> EndReason {
        if self.send(Planned::End).await.is_ok() {
            let shared = self.shared.clone();
            loop {
                tokio::select! {
                    () = self.plan.closed() => break,
                    () = shared.expired.notified() => self.refresh().await,
                }
            }
        }
        EndReason::EndList
    }

    /// Adds an item to the plan as soon as the queue has capacity. Refreshes expired URLs while it waits.
    async fn send(&mut self, planned: Planned) -> Result<(), EndReason> {
        let (shared, plan) = (self.shared.clone(), self.plan.clone());
        loop {
            tokio::select! {
                permit = plan.reserve() => {
                    return permit.map(|permit| permit.send(planned)).map_err(|_| EndReason::Silent);
                }
                () = shared.expired.notified() => self.refresh().await,
            }
        }
    }

    /// Resolves the master playlist again to get the current URLs of segments that are already planned.
    async fn refresh(&mut self) {
        if !self.route.expire() {
            return;
        }
        match self.route.load(None).await {
            Ok(Some(list)) => self.shared.show(Arc::new(list), self.shift),
            Ok(None) => {}
            Err(error) => self.shared.complain(&error),
        }
        // The new segments of this playlist were not planned, so the next load must return it even if it is unchanged.
        self.route.forget();
    }

    /// Waits until the next load is due, the master playlist has to be resolved again, or the receiver of the plan is dropped.
    async fn wait(&mut self, until: Instant) {
        let shared = self.shared.clone();
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.plan.closed() => return,
                () = shared.expired.notified() => if self.route.expire() { return },
            }
        }
    }

    /// Loads the media playlist. Returns `None` if it is unchanged.
    async fn load(&mut self, last: Option<&Seen>) -> Result<Option<MediaPlaylist>, HlsError> {
        let block = last.and_then(|seen| self.pace.block(seen));
        let began = Instant::now();
        let list = self.route.load(block).await?;
        self.backoff.reset();
        if let (Some(asked), Some(list)) = (block, &list) {
            self.pace.blocked(asked, began.elapsed(), reached(list));
        }
        Ok(list)
    }

    /// Plans the new segments of a playlist. Returns `Err` with the reason if the stream ends.
    async fn digest(&mut self, list: MediaPlaylist) -> Result<Seen, EndReason> {
        self.shared.count(|status| {
            status.playlist_loads += 1;
            status.recorded |= list.end;
        });
        let list = Arc::new(list);
        let news = self.planner.take(&list, self.route.has_moved(), self.route.has_changed());
        if !news.stale {
            self.route.arrived();
            self.shift = news.shift;
            self.shared.show(list.clone(), news.shift);
        }
        let seen = Seen {
            target: Duration::from_secs_f64(list.target),
            reached: reached(&list),
            part: self.planner.part_target(&list),
            can_block: list.low_latency.can_block_reload,
            changed: !news.planned.is_empty(),
        };
        self.plan(news).await?;
        if list.end {
            return Err(EndReason::EndList);
        }
        Ok(seen)
    }

    async fn plan(&mut self, news: News) -> Result<(), EndReason> {
        if news.reset {
            tracing::debug!("playlist restarted");
            self.shared.count(|status| status.resets += 1);
        }
        if news.planned.is_empty() {
            self.pace.no_news();
            return Ok(());
        }
        self.pace.news();
        self.shared.enter(SourceState::Live);
        for mut planned in news.planned {
            if let Planned::Segment(due) | Planned::Part(due) = &mut planned
                && due.begins
            {
                due.segment.discontinuity |= self.route.take_change();
            }
            self.send(planned).await?;
        }
        // Sending waits for the consumer. That time must not count as time without news of the stream.
        self.pace.news();
        Ok(())
    }

    /// Processes a failed load. Returns the pause before the next load, or the error if the playlist never was usable and a
    /// retry cannot help.
    fn failed(&mut self, error: HlsError) -> Result<Duration, HlsError> {
        self.shared.complain(&error);
        self.shared.count(|status| status.playlist_errors += 1);
        let pause = self.backoff.next();
        let missing = error.status() == Some(404) && self.backoff.tries() >= MISSING_LOADS;
        if matches!(error.status(), Some(403 | 410)) || missing {
            self.route.expire();
        }
        // After a first playlist was taken, no error is permanent: the server may recover.
        if !error.is_transient() && self.planner.is_at_start() {
            return Err(error);
        }
        self.shared.count(|status| status.retries += 1);
        Ok(pause.max(self.route.pause()))
    }

    fn give_up(&self) -> Result<EndReason, HlsError> {
        let error = self.shared.status.borrow().last_error.clone();
        match error {
            Some(error) if self.backoff.tries() > 0 => Err(error),
            _ => Ok(EndReason::Silent),
        }
    }
}

/// Returns the end of a playlist.
fn reached(list: &MediaPlaylist) -> Reached {
    Reached { sequence: list.next_sequence(), parts: list.parts_ahead() }
}
