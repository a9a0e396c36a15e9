//! Location of the media playlist. The master playlist is resolved at the start, after an expiry, and at regular
//! intervals.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::follow_state::FollowState;
use super::pace::ReloadTarget;
use super::resolve::{Loaded, Loader, Rendition};
use crate::hls::entry::EntryUrl;
use crate::hls::playlist::{MediaPlaylist, Playlist};
use crate::hls::status::HlsError;

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
    /// Time of the last resolution of the master playlist; `None` before the first one.
    resolved: Option<Instant>,
    /// True if the next playlist comes from another URL than the last processed one.
    moved: bool,
    /// True if the next segment is of another rendition than the last planned one.
    changed: bool,
}

impl PlaylistRoute {
    pub(super) fn new(loader: Loader, entry: EntryUrl, shared: Arc<FollowState>) -> Self {
        Self {
            loader,
            entry,
            shared,
            rendition: None,
            refused: None,
            label: None,
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
            return Ok(Some(first));
        }
        let Some(rendition) = &mut self.rendition else { return Ok(None) };
        // The validators and the blocking position belong to the old URL, so the first load of a new one does not
        // block.
        match self.loader.load(rendition, block.filter(|_| !self.moved)).await? {
            Loaded::NotModified => {
                self.shared.count(|status| status.not_modified += 1);
                Ok(None)
            }
            Loaded::Playlist(list) => match *list {
                Playlist::Media(list) => Ok(Some(list)),
                Playlist::Master(_) => Err(HlsError::NestedMaster((&rendition.url).into())),
            },
        }
    }

    /// Resolves the master playlist if no rendition is selected, or if the interval `resolve_every` has passed. Returns
    /// the media playlist if the resolution loaded it.
    async fn resolve_if_due(&mut self) -> Result<Option<MediaPlaylist>, HlsError> {
        let since = self.resolved.map(|at| at.elapsed());
        let is_master = self.label.as_ref().is_none_or(Option::is_some);
        let regular = is_master && since.is_some_and(|since| since >= self.loader.settings.resolve_every);
        if self.rendition.is_some() && !regular {
            return Ok(None);
        }
        if self.label.is_some() {
            self.shared.count(|status| status.resolutions += 1);
        }
        // Set before the request, so that the minimum pause between resolutions also applies after a failure.
        self.resolved = Some(Instant::now());
        let resolved = match self.loader.resolve(&self.entry.url()).await {
            Ok(resolved) => resolved,
            // The current rendition can still be used, so this error does not interrupt the stream.
            Err(error) if self.rendition.is_some() => {
                self.shared.record_error(&error);
                return Ok(None);
            }
            Err(error) => {
                self.rendition = self.refused.take();
                return Err(error);
            }
        };
        let label = resolved.rendition.label.clone();
        let is_first = self.label.is_none();
        let url = &resolved.rendition.url;
        self.changed |= self.label.as_ref().is_some_and(|before| *before != label);
        // A token changes the URL at each resolution. The playlist then also counts as moved, because the numbering of
        // another edge server may differ.
        self.moved |= !is_first && self.rendition.as_ref().is_none_or(|before| before.url != *url);
        self.shared.count(|status| status.rendition.clone_from(&label));
        self.label = Some(label);
        self.rendition = Some(resolved.rendition);
        Ok(resolved.first)
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
