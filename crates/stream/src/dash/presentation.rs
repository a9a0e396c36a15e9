//! The presentation of a stream: its newest manifest, and the state that lasts across loads.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;
use url::Url;

use super::clock::{ServerClock, TimeSource};
use super::mpd::{Mpd, MpdError};
use super::numbering::Numbering;
use super::playlist::{Indexes, list, missing_index, playlist, window};
use super::select::{Selection, candidates};
use super::sidx::SegmentIndex;
use crate::hls::RenditionChoice;
use crate::hls::playlist::{ByteRange, MediaPlaylist};

/// Longest time between two loads of a live manifest, also if it announces a longer one. Some encoders announce minutes
/// and add a period when they restart. At half this value, servers get twice the requests; at twice this value, a
/// restart of such an encoder costs up to a minute of audio.
const MAX_UPDATE_SECONDS: f64 = 30.0;

/// Pause after a failed load of a manifest whose segments the clock determines: they are still listed in this time. At
/// half this value, a server that is down gets twice the requests; at twice this value, a change of the manifest is
/// noticed 5 s later.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Number of consecutive manifests with an older `publishTime` that are ignored, because a cache returned an older copy.
/// At half this value, a second copy replaces the newer manifest; at twice this value, a server whose clock was set back
/// is followed after three more loads.
const MAX_OLDER_COPIES: u32 = 3;

/// Maximum number of segment indexes that are loaded. A recording with advertisements has one per period. At half this
/// value, recordings with more than 32 periods of this kind have gaps; at twice this value, a hostile manifest uses twice
/// the memory (up to 2.5 MB for each).
const MAX_INDEXES: usize = 64;

/// A loaded manifest.
#[derive(Debug)]
pub(crate) struct LoadedMpd {
    pub(crate) mpd: Mpd,
    /// URL of the response.
    pub(crate) url: Url,
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
    /// Date of the response, seconds since 1970; `None` if it is missing.
    pub(crate) date: Option<f64>,
    /// Time of the response by this machine's clock, seconds since 1970.
    pub(crate) loaded: f64,
}

/// A request for the manifest.
#[derive(Debug)]
pub(crate) struct MpdRequest {
    pub(crate) url: Url,
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<String>,
}

/// The presentation of a stream.
#[derive(Debug, Default)]
pub(crate) struct Presentation(Mutex<PresentationState>);

#[derive(Debug, Default)]
struct PresentationState {
    newest: Option<Arc<LoadedMpd>>,
    candidates: Vec<Selection>,
    clock: ServerClock,
    numbering: Numbering,
    indexes: Indexes,
    /// Time of the next load; `None` if the manifest does not change.
    due_at: Option<Instant>,
    /// Number of failed loads, which selects the next `Location`.
    failures: usize,
    older_copies: u32,
    /// True if the manifest was live, so that the times of its segments are dates.
    was_dynamic: bool,
    /// True if the clock determines which segments exist.
    is_by_clock: bool,
}

impl Presentation {
    /// Begins with a manifest that was loaded from the entry URL. Returns the names of its representations in order of
    /// preference, at least one.
    pub(crate) fn begin(
        &self,
        loaded: LoadedMpd,
        choice: &RenditionChoice,
        language: Option<&str>,
    ) -> Result<Vec<String>, MpdError> {
        let candidates = candidates(&loaded.mpd, choice, language)?;
        let mut state = self.state();
        let labels = candidates.iter().map(|candidate| candidate.label.clone()).collect();
        state.candidates = candidates;
        state.accept(loaded);
        Ok(labels)
    }

    /// Returns the request for the manifest if a load is due. `entry` is the URL from which the presentation began.
    pub(crate) fn due(&self, entry: &Url) -> Option<MpdRequest> {
        let state = self.state();
        let newest = state.newest.as_ref()?;
        if state.due_at.is_none_or(|due_at| Instant::now() < due_at) {
            return None;
        }
        let locations = &newest.mpd.locations;
        let location = state.failures.checked_rem(locations.len()).and_then(|index| locations.get(index));
        let LoadedMpd { etag, modified, .. } = &**newest;
        Some(MpdRequest {
            url: location.unwrap_or(entry).clone(),
            etag: etag.clone(),
            modified: modified.clone(),
        })
    }

    /// Records that the load of the manifest failed.
    pub(crate) fn failed(&self) {
        let mut state = self.state();
        state.failures = state.failures.wrapping_add(1);
        // Without the clock, only a newer manifest lists new segments: the back-off of the follower limits the loads.
        let pause = if state.is_by_clock { RETRY_AFTER } else { Duration::ZERO };
        state.due_at = Some(Instant::now() + pause);
    }

    /// Records that the manifest is unchanged.
    pub(crate) fn not_modified(&self) {
        let mut state = self.state();
        state.failures = 0;
        state.schedule();
    }

    /// Replaces the manifest by a newer one.
    pub(crate) fn update(&self, loaded: LoadedMpd) {
        let mut state = self.state();
        state.failures = 0;
        state.accept(loaded);
    }

    /// Returns the time sources of the manifest, in order, if the clock of the server has to be read.
    pub(crate) fn time_sources(&self) -> Vec<TimeSource> {
        let mut state = self.state();
        let Some(newest) = state.newest.clone().filter(|newest| newest.mpd.is_dynamic) else {
            return Vec::new();
        };
        state.clock.due(&newest.mpd.clocks, &newest.url, newest.loaded)
    }

    /// Records that the clock of the server is ahead by `offset` seconds.
    pub(crate) fn measured(&self, offset: f64) {
        self.state().clock.measured(offset);
    }

    /// Returns URL and range of the next segment index that the representation `label` needs.
    pub(crate) fn missing_index(&self, label: &str) -> Option<(Url, ByteRange)> {
        let state = self.state();
        // The periods without an index become gaps.
        let is_full = state.indexes.len() >= MAX_INDEXES;
        let newest = state.newest.as_ref().filter(|_| !is_full)?;
        missing_index(&newest.mpd, state.selection(label)?, &state.indexes)
    }

    /// Stores a segment index.
    pub(crate) fn store_index(&self, key: (Url, ByteRange), index: SegmentIndex) {
        self.state().indexes.insert(key, index);
    }

    /// Returns true if the manifest is that of a recording, which can have many segments.
    pub(crate) fn is_recorded(&self) -> bool {
        self.state().newest.as_ref().is_some_and(|newest| !newest.mpd.is_dynamic)
    }

    /// Returns the playlist of the representation `label` at the current time. Returns `None` if the manifest is an
    /// older copy that lists nothing of the last ones, or if none was loaded.
    pub(crate) fn playlist(&self, label: &str) -> Result<Option<MediaPlaylist>, MpdError> {
        self.playlist_at(label, unix_now())
    }

    /// Does the same as [`playlist`](Self::playlist) at the local time `local`, seconds since 1970.
    pub(super) fn playlist_at(&self, label: &str, local: f64) -> Result<Option<MediaPlaylist>, MpdError> {
        let mut state = self.state();
        let state = &mut *state;
        let Some(newest) = state.newest.clone() else { return Ok(None) };
        let mpd = &newest.mpd;
        let known = state.candidates.iter().find(|one| one.label == label).or(state.candidates.first());
        let Some(selection) = known else { return Ok(None) };
        let window = window(mpd, state.clock.at(local), state.clock.is_synchronized);
        let listed = list(mpd, selection, &window, &state.indexes)?;
        state.is_by_clock = listed.next_load.is_some();
        Ok(playlist(mpd, listed, &mut state.numbering, (&newest.url, state.was_dynamic)))
    }

    /// Returns URL and range of the newest segment of the representation `label`, to test it.
    pub(crate) fn newest_segment(&self, label: &str) -> Option<(Url, Option<ByteRange>)> {
        let state = self.state();
        let newest = state.newest.as_ref()?;
        let window = window(&newest.mpd, state.clock.at(unix_now()), state.clock.is_synchronized);
        let listed = list(&newest.mpd, state.selection(label)?, &window, &state.indexes).ok()?;
        // The last segment may not be complete yet if the clocks differ.
        let complete = listed.segments.iter().rev().skip(1).chain(listed.segments.last());
        complete.filter_map(|segment| Some((segment.url.clone()?, segment.range))).next()
    }

    fn state(&self) -> MutexGuard<'_, PresentationState> {
        // No code that holds the lock leaves the state incomplete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PresentationState {
    fn selection(&self, label: &str) -> Option<&Selection> {
        self.candidates.iter().find(|one| one.label == label)
    }

    fn accept(&mut self, loaded: LoadedMpd) {
        if let Some(date) = loaded.date {
            self.clock.dated(date, loaded.loaded);
        }
        let is_older = self.newest.as_ref().is_some_and(|newest| is_older(&loaded.mpd, &newest.mpd));
        if is_older && self.older_copies < MAX_OLDER_COPIES {
            self.older_copies += 1;
        } else {
            self.older_copies = 0;
            self.was_dynamic |= loaded.mpd.is_dynamic;
            self.newest = Some(Arc::new(loaded));
        }
        self.schedule();
    }

    /// Sets the time of the next load.
    fn schedule(&mut self) {
        let Some(newest) = self.newest.as_ref().filter(|newest| newest.mpd.is_dynamic) else {
            self.due_at = None;
            return;
        };
        // Without an update period, a manifest does not change. If it lists its segments, it must change to be live.
        let unchanging = if self.is_by_clock { MAX_UPDATE_SECONDS } else { 0.0 };
        let seconds = newest.mpd.update_period.unwrap_or(unchanging).min(MAX_UPDATE_SECONDS);
        self.due_at = Some(Instant::now() + Duration::from_secs_f64(seconds));
    }
}

/// Returns true if a manifest was published before the known one of the same presentation.
fn is_older(mpd: &Mpd, known: &Mpd) -> bool {
    mpd.is_dynamic
        && mpd.availability_start == known.availability_start
        && mpd.published.zip(known.published).is_some_and(|(published, known)| published < known)
}

/// Returns the local time, seconds since 1970.
fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
