//! The poller: loads the playlist repeatedly and plans which segments are fetched.

mod planned;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::follow_state::FollowState;
use super::pace::{PlaylistEnd, PlaylistState, ReloadPacer};
use super::plan::{PlanItem, PlaylistUpdate, SegmentPlanner};
use super::rendition_failures::RenditionFailure;
use super::resolve::Loader;
use super::route::PlaylistRoute;
use crate::hls::entry::EntryUrl;
use crate::hls::playlist::MediaPlaylist;
use crate::hls::rendition::ChosenRendition;
use crate::hls::status::{EndReason, HlsError, SourceState};
use refrain_net::Backoff;

/// Number of consecutive failed loads after which a 404 of the media playlist makes the poller resolve the master
/// playlist again, because the media playlist may have moved. A single 404 occurs while a server replaces the file. At
/// half this value, a single 404 causes a resolution; at twice this value, a moved playlist is found only after six
/// failed loads.
const MAX_MISSING_LOADS: u32 = 3;

pub(super) struct Poller {
    route: PlaylistRoute,
    shared: Arc<FollowState>,
    plan: mpsc::Sender<PlanItem>,
    planner: SegmentPlanner,
    /// Same as [`Advance::shift`](super::timeline::Advance::shift).
    shift: i128,
    backoff: Backoff,
    pace: ReloadPacer,
    /// Number of bytes fetched before the last processed playlist; `None` before the first one.
    fetched: Option<u64>,
    /// The running test of a preferred rendition that has failed, if any. Dropping the set ends the test.
    test: JoinSet<(ChosenRendition, bool)>,
}

impl Poller {
    pub(super) fn new(
        loader: Loader,
        entry: EntryUrl,
        shared: Arc<FollowState>,
        plan: mpsc::Sender<PlanItem>,
    ) -> Self {
        let settings = loader.settings.clone();
        let (backoff, pace) = (Backoff::new(settings.retry), ReloadPacer::new(settings.clone()));
        let route = PlaylistRoute::new(loader, entry, shared.clone());
        let planner = SegmentPlanner::new(settings);
        Self { route, shared, plan, planner, shift: 0, backoff, pace, fetched: None, test: JoinSet::new() }
    }

    /// Runs until the stream ends, and returns the reason. The poller also ends when the receiver of the plan is
    /// dropped.
    pub(super) async fn run(mut self) -> Result<EndReason, HlsError> {
        let mut last: Option<PlaylistState> = None;
        loop {
            let started_at = Instant::now();
            let mut pause = match self.load(last.as_ref()).await {
                Ok(Some(list)) => match self.process_playlist(list).await {
                    Ok(playlist_state) => {
                        let pause = self.pace.pause(&playlist_state);
                        last = Some(playlist_state);
                        pause
                    }
                    Err(EndReason::EndList) => return Ok(self.finish().await),
                    Err(end) => return Ok(end),
                },
                // An unchanged playlist (304) contains no new media, but is not a failure: `load` has reset the
                // backoff.
                Ok(None) => {
                    let playlist_state = last.get_or_insert(PlaylistState::FIRST);
                    playlist_state.changed = false;
                    self.pace.unchanged();
                    self.pace.pause(playlist_state)
                }
                Err(error) => {
                    // A failed load returns no new media. `changed = false` also makes the next load a normal one,
                    // because the failed one may have been a blocking reload.
                    last.iter_mut().for_each(|playlist_state| playlist_state.changed = false);
                    self.failed(error)?
                }
            };
            // Checked before the state, because a stream that ends must not be reported as stalled first.
            if self.pace.has_timed_out() {
                return self.give_up();
            }
            if last.as_ref().is_some_and(|playlist_state| self.pace.is_stalled(playlist_state)) {
                self.shared.enter(SourceState::Stalled);
                if self.pace.is_idle() && self.route.replace(&RenditionFailure::stalled()) {
                    self.pace.restart_idle();
                    pause = Duration::ZERO;
                }
            }
            // Counted from the start of the load, as RFC 8216 (6.3.4) requires, so that a slow server does not slow
            // down the loads.
            self.wait(started_at + pause).await;
            if self.plan.is_closed() {
                return Ok(EndReason::Silent);
            }
        }
    }

    /// Waits until `until`, when the next load is due. Returns earlier if the master playlist has to be resolved again,
    /// the rendition changes, or the receiver of the plan is dropped.
    async fn wait(&mut self, until: Instant) {
        let shared = self.shared.clone();
        self.start_test();
        loop {
            tokio::select! {
                () = sleep_until(until) => return,
                () = self.plan.closed() => return,
                () = shared.expired.notified() => if self.route.expire() { return },
                () = shared.failures.failed.notified() => {
                    if shared.failures.take().is_some_and(|failure| self.route.replace(&failure)) {
                        return;
                    }
                }
                Some(tested) = self.test.join_next(), if !self.test.is_empty() => {
                    // A test that panicked has no result, and another one is started in the next wait.
                    if tested.is_ok_and(|(tested, has_succeeded)| self.route.tested(&tested, has_succeeded)) {
                        return;
                    }
                }
            }
        }
    }

    /// Starts the test of a preferred rendition that has failed, if it is due and no test is running.
    fn start_test(&mut self) {
        if !self.test.is_empty() {
            return;
        }
        if let Some(test) = self.route.due_test() {
            self.test.spawn(async move {
                let has_succeeded = test.run().await;
                (test.candidate, has_succeeded)
            });
        }
    }

    /// Loads the media playlist. Returns `None` if it is unchanged. `last` is the state after the last load; `None`
    /// before the first one.
    async fn load(&mut self, last: Option<&PlaylistState>) -> Result<Option<MediaPlaylist>, HlsError> {
        let block = last.and_then(|playlist_state| self.pace.block(playlist_state));
        let started_at = Instant::now();
        let list = self.route.load(block).await?;
        self.backoff.reset();
        self.shared.set_playlist_failure(None);
        if let (Some(requested), Some(list)) = (block, &list) {
            self.pace.blocked(requested, started_at.elapsed(), playlist_end(list));
        }
        Ok(list)
    }

    /// Plans the new segments of a playlist. Returns `Err` with the reason if the stream ends.
    async fn process_playlist(&mut self, list: MediaPlaylist) -> Result<PlaylistState, EndReason> {
        self.shared.count(|status| {
            status.playlist_loads += 1;
            status.recorded |= list.end;
        });
        let list = Arc::new(list);
        let updated = self.planner.take(&list, self.route.has_moved(), self.route.has_changed());
        // An older copy must not replace the newer playlist: its segments would look removed or renamed.
        if !updated.stale {
            self.route.arrived();
            self.shift = updated.shift;
            self.shared.publish_playlist(list.clone(), updated.shift);
        }
        let playlist_state = PlaylistState {
            target: Duration::from_secs_f64(list.target),
            playlist_end: playlist_end(&list),
            part: self.planner.part_target(&list),
            can_block: list.low_latency.can_block_reload,
            changed: !updated.planned.is_empty(),
            next_load: list.next_load.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()),
        };
        let is_progress = updated.planned.is_empty() || self.is_progress(&list);
        self.plan(updated, is_progress).await?;
        if list.end {
            return Err(EndReason::EndList);
        }
        Ok(playlist_state)
    }

    /// Returns true if new segments of `list` show that the stream continues. Segments that the clock determines are
    /// listed also if the encoder has stopped, so in this case earlier segments must have been fetched.
    fn is_progress(&mut self, list: &MediaPlaylist) -> bool {
        let fetched = self.shared.status.borrow().bytes;
        let has_fetched = self.fetched.replace(fetched) != Some(fetched);
        list.next_load.is_none() || has_fetched
    }

    /// Sends the new items to the fetcher. `is_progress` is true if they show that the stream continues.
    async fn plan(&mut self, updated: PlaylistUpdate, is_progress: bool) -> Result<(), EndReason> {
        if updated.reset {
            tracing::debug!(
                url = %self.shared.url,
                "sequence numbers of the playlist restarted, continuing the stream after a splice"
            );
            self.shared.count(|status| status.resets += 1);
        }
        if updated.planned.is_empty() {
            self.pace.unchanged();
            return Ok(());
        }
        if is_progress {
            self.pace.updated();
            self.shared.enter(SourceState::Live);
        }
        let rendition = self.shared.failures.rendition();
        for mut planned in updated.planned {
            if let PlanItem::HlsSegment(due) | PlanItem::Part(due) = &mut planned
                && due.begins
            {
                // Without dates, only the time stamps show whether another rendition repeats or lacks audio, and they
                // are not compared across a discontinuity.
                due.segment.discontinuity |=
                    self.route.take_change() && due.segment.program_date_time.is_some();
            }
            if let PlanItem::HlsSegment(due) | PlanItem::Part(due) | PlanItem::Complete { due, .. } =
                &mut planned
            {
                due.rendition = rendition;
            }
            self.send(planned).await?;
        }
        // Sending waits for the consumer. That time must not count as time without new media.
        if is_progress {
            self.pace.updated();
        }
        Ok(())
    }

    /// Processes a failed load. Returns the pause before the next load, or the error if the playlist was never usable
    /// and a retry cannot help.
    fn failed(&mut self, error: HlsError) -> Result<Duration, HlsError> {
        self.shared.record_error(&error);
        self.shared.set_playlist_failure(Some(&error));
        self.shared.count(|status| status.playlist_errors += 1);
        let pause = self.backoff.next();
        let missing = error.status() == Some(404) && self.backoff.tries() >= MAX_MISSING_LOADS;
        // These statuses mean an expired token, which no further request with the same URL can repair.
        if matches!(error.status(), Some(403 | 410)) || missing {
            self.route.expire();
        }
        if self.route.replace_unloadable(&error) {
            self.backoff.reset();
            return Ok(Duration::ZERO);
        }
        // After a first playlist was processed, no error is permanent: the server may recover.
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

/// Returns the end of a playlist, in its own numbering.
fn playlist_end(list: &MediaPlaylist) -> PlaylistEnd {
    PlaylistEnd { sequence: list.next_sequence(), parts: list.parts_ahead() }
}
