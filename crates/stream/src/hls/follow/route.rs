//! Location of the media playlist: the choice of the rendition, and its replacement after a failure. The master
//! playlist is resolved at the start, after an expiry, and at regular intervals.

mod resolution;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::follow_state::FollowState;
use super::health::RenditionHealth;
use super::manifest::manifest_error;
use super::pace::ReloadTarget;
use super::rendition_failures::{FailureKind, RenditionFailure};
use super::resolve::{Loaded, Loader, Rendition};
use crate::dash::{MpdError, Presentation};
use crate::hls::entry::EntryUrl;
use crate::hls::playlist::{MediaPlaylist, Playlist, Variables};
use crate::hls::rendition::ChosenRendition;
use crate::hls::status::HlsError;

/// Number of consecutive failed loads of a media playlist after which another rendition replaces it. The first pauses
/// between loads are short, so this takes about a second if the server responds. At half this value, a server that
/// replaces the file can cause a change; at twice this value, a server that does not respond costs 90 s.
const MAX_FAILED_LOADS: u32 = 3;

/// Reason of the return to a preferred rendition.
const RECOVERED: &str = "the preferred rendition can be loaded again";

/// The test of a rendition that has failed.
pub(super) struct RenditionTest {
    pub(super) candidate: ChosenRendition,
    rendition: Rendition,
    loader: Loader,
}

impl RenditionTest {
    /// Returns true if the playlist of the rendition and its newest segment can be loaded.
    pub(super) async fn run(&self) -> bool {
        self.loader.probe(self.rendition.clone()).await
    }
}

pub(super) struct PlaylistRoute {
    loader: Loader,
    entry: EntryUrl,
    shared: Arc<FollowState>,
    rendition: Option<Rendition>,
    /// The last rendition whose URL expired; `None` if none exists. It is used again if the resolution fails, because
    /// the URL of the master playlist may be valid only once.
    refused: Option<Rendition>,
    /// Name of the rendition. `None` before the first resolution; `Some(None)` if the entry URL is a media playlist.
    label: Option<Option<String>>,
    /// Renditions of the master playlist in order of preference; empty if the entry URL is a media playlist.
    candidates: Vec<ChosenRendition>,
    /// Variables of the master playlist.
    variables: Arc<Variables>,
    /// The presentation, if the entry URL is a DASH manifest.
    presentation: Option<Arc<Presentation>>,
    health: RenditionHealth,
    /// Number of failed loads of the media playlist since the last successful one.
    failed_loads: u32,
    /// Time of the last resolution of the master playlist; `None` before the first one.
    resolved: Option<Instant>,
    /// True if the next playlist comes from another URL than the last processed one.
    moved: bool,
    /// True if the next segment is of another rendition than the last planned one.
    changed: bool,
}

impl PlaylistRoute {
    pub(super) fn new(loader: Loader, entry: EntryUrl, shared: Arc<FollowState>) -> Self {
        let health = RenditionHealth::new(loader.settings.return_pause);
        Self {
            loader,
            entry,
            shared,
            rendition: None,
            refused: None,
            label: None,
            candidates: Vec::new(),
            variables: Arc::default(),
            presentation: None,
            health,
            failed_loads: 0,
            resolved: None,
            moved: false,
            changed: false,
        }
    }

    /// Loads the media playlist. Returns `None` if it is unchanged. See [`Loader::load`] for `block`.
    pub(super) async fn load(
        &mut self,
        block: Option<ReloadTarget>,
    ) -> Result<Option<MediaPlaylist>, HlsError> {
        if let Some(first) = self.resolve_if_due().await? {
            return Ok(Some(*first));
        }
        let Some(rendition) = &mut self.rendition else { return Ok(None) };
        // The validators and the blocking position belong to the old URL, so the first load of a new one does not
        // block.
        let loaded = match self.loader.load(rendition, block.filter(|_| !self.moved)).await {
            Ok(Loaded::NotModified) => {
                self.shared.count(|status| status.not_modified += 1);
                Ok(None)
            }
            Ok(Loaded::Playlist(list)) => match *list {
                Playlist::Media(list) => Ok(Some(list)),
                Playlist::Master(_) => Err(HlsError::NestedMaster((&rendition.url).into())),
            },
            Ok(Loaded::Manifest(_)) => Err(manifest_error(&rendition.url, MpdError::NotAPlaylist)),
            Err(error) => Err(error),
        };
        self.failed_loads = if loaded.is_ok() { 0 } else { self.failed_loads + 1 };
        loaded
    }

    /// Returns the first rendition that works; if none works, the one that was followed last.
    fn preferred(&self) -> Option<Rendition> {
        let working = self.candidates.iter().find(|candidate| self.health.works(&candidate.label));
        let last = || self.candidates.iter().find(|candidate| Some(&candidate.label) == self.label());
        working.or_else(last).or(self.candidates.first()).map(|candidate| self.rendition_of(candidate))
    }

    fn rendition_of(&self, candidate: &ChosenRendition) -> Rendition {
        let variables = Some(Arc::clone(&self.variables));
        let mut rendition = Rendition::new(candidate.url.clone(), Some(candidate.label.clone()), variables);
        rendition.presentation.clone_from(&self.presentation);
        rendition
    }

    fn label(&self) -> Option<&String> {
        self.label.as_ref()?.as_ref()
    }

    /// Follows a rendition from now on. If it is not the one that was followed before, the change is counted and logged
    /// with the reason `reason`.
    fn select(&mut self, rendition: Rendition, reason: &str) {
        let label = rendition.label.clone();
        let is_first = self.label.is_none();
        if !is_first && self.label.as_ref() != Some(&label) {
            self.changed = true;
            self.failed_loads = 0;
            self.shared.failures.begin_rendition();
            self.shared.count(|status| {
                status.rendition_changes += 1;
                status.rendition_reason = Some(reason.to_owned());
            });
            tracing::warn!(
                url = %self.shared.url,
                from = self.label().map_or("media playlist", String::as_str),
                to = label.as_deref().unwrap_or("media playlist"),
                reason,
                "rendition of the stream changed"
            );
        }
        // A token changes the URL at each resolution. The playlist then also counts as moved, because the numbering of
        // another edge server may differ.
        self.moved |= !is_first && self.rendition.as_ref().is_none_or(|before| before.url != rendition.url);
        // The representations of a manifest have one URL, and different names of segments.
        self.moved |= self.changed && self.presentation.is_some();
        self.shared.count(|status| status.rendition.clone_from(&label));
        self.label = Some(label);
        self.rendition = Some(rendition);
    }

    /// Replaces the rendition if the last loads of its playlist failed, the last one with `error`: after
    /// [`MAX_FAILED_LOADS`] loads, or after one load if a retry cannot succeed. Returns true if it was replaced.
    pub(super) fn replace_unloadable(&mut self, error: &HlsError) -> bool {
        let max_failed_loads = if error.is_transient() { MAX_FAILED_LOADS } else { 1 };
        let failure = || RenditionFailure { reason: error.to_string(), kind: FailureKind::NotFetched };
        // The representations of a manifest are all in the manifest that cannot be loaded.
        let has_playlist = self.presentation.is_none();
        has_playlist && self.failed_loads >= max_failed_loads && self.replace(&failure())
    }

    /// Replaces the rendition by the next one that works. Returns false if none works, or if the master playlist has
    /// to be resolved first.
    pub(super) fn replace(&mut self, failure: &RenditionFailure) -> bool {
        let (now, Some(current)) = (Instant::now(), self.label().cloned()) else { return false };
        let Some(rendition) = &self.rendition else { return false };
        let is_possible = |candidate: &&ChosenRendition| {
            failure.kind != FailureKind::Stalled || candidate.url.origin() != rendition.url.origin()
        };
        let others = self.candidates.iter().filter(is_possible);
        let Some(next) = self.health.replacement(&others, &current, now).cloned() else { return false };
        self.health.fail(&current, now, failure.kind == FailureKind::Undecodable);
        self.health.recover(&next.label, now);
        let reason = failure.reason.clone();
        let error = HlsError::RenditionFailed { rendition: current, reason };
        self.shared.count(|status| status.last_error = Some(error.clone()));
        self.select(self.rendition_of(&next), &error.to_string());
        true
    }

    /// Returns the test of a preferred rendition that has failed, if a test is due.
    pub(super) fn due_test(&self) -> Option<RenditionTest> {
        let candidate = self.health.due_test(&self.candidates, self.label()?, Instant::now())?;
        let (rendition, loader) = (self.rendition_of(candidate), self.loader.clone());
        Some(RenditionTest { candidate: candidate.clone(), rendition, loader })
    }

    /// Processes the result of the test of a rendition. Returns true if the rendition is followed again.
    pub(super) fn tested(&mut self, candidate: &ChosenRendition, has_succeeded: bool) -> bool {
        let now = Instant::now();
        // The master playlist may have been resolved again during the test.
        let listed = self.candidates.iter().find(|listed| listed.label == candidate.label).cloned();
        let Some(listed) = listed.filter(|_| self.rendition.is_some()) else { return false };
        if !has_succeeded {
            self.health.fail(&listed.label, now, false);
            return false;
        }
        self.health.recover(&listed.label, now);
        self.select(self.rendition_of(&listed), RECOVERED);
        true
    }

    /// Requests another resolution of the master playlist before the next load. Returns false and does nothing if the
    /// last resolution was less than `resolve_pause` ago, or if the entry URL is a media playlist.
    pub(super) fn expire(&mut self) -> bool {
        let is_master = self.label.as_ref().is_some_and(Option::is_some);
        let now = is_master && self.until_resolve().is_zero();
        if now {
            // The rendition is kept for the case that the resolution fails.
            self.refused = self.rendition.take();
            self.moved = true;
        }
        now
    }

    /// Returns the minimum pause after a failed load: the rest of
    /// [`HlsSettings::resolve_pause`](crate::hls::HlsSettings::resolve_pause) if the master playlist must be resolved
    /// again, otherwise zero.
    pub(super) fn pause(&self) -> Duration {
        if self.rendition.is_none() { self.until_resolve() } else { Duration::ZERO }
    }

    fn until_resolve(&self) -> Duration {
        // Before the first success, the master playlist may not exist yet, so only the backoff limits the attempts.
        if self.label.is_none() {
            return Duration::ZERO;
        }
        let since = self.resolved.map_or(Duration::MAX, |at| at.elapsed());
        self.loader.settings.resolve_pause.saturating_sub(since)
    }

    /// Makes the next load return the playlist even if it is unchanged.
    pub(super) fn forget(&mut self) {
        if let Some(rendition) = &mut self.rendition {
            rendition.forget();
        }
    }

    /// Returns true if the next playlist comes from another URL than the last processed one.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
    }

    /// Records that the playlist of the current URL was processed.
    pub(super) fn arrived(&mut self) {
        self.moved = false;
    }

    /// Returns true if another rendition begins and [`take_change`](Self::take_change) was not called for it yet.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Returns true if another rendition begins, and clears the flag of [`has_changed`](Self::has_changed).
    pub(super) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}
