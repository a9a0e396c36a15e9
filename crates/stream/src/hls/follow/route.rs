//! The way to the media playlist: by the master playlist at first, when it has expired, and now and then.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::pace::Wanted;
use super::resolve::{Loaded, Loader, Rendition};
use super::window::Shared;
use crate::hls::entry::Entry;
use crate::hls::playlist::{MediaPlaylist, Playlist};
use crate::hls::status::HlsError;

pub(super) struct Route {
    loader: Loader,
    entry: Entry,
    shared: Arc<Shared>,
    rendition: Option<Rendition>,
    /// The rendition that was refused, to come back to: a master playlist may be good for one use only.
    refused: Option<Rendition>,
    /// What the rendition is called; `Some(None)`: the URL that was given is a media playlist itself.
    label: Option<Option<String>>,
    /// When the master playlist was resolved for the last time.
    resolved: Option<Instant>,
    /// Whether the next playlist comes from another URL than the last one.
    moved: bool,
    /// Whether what comes next is of another rendition than what came before.
    changed: bool,
}

impl Route {
    pub(super) fn new(loader: Loader, entry: Entry, shared: Arc<Shared>) -> Self {
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

    /// The media playlist, if it is not the same as the last time. `block` as [`Loader::load`] has it.
    pub(super) async fn load(&mut self, block: Option<Wanted>) -> Result<Option<MediaPlaylist>, HlsError> {
        if let Some(first) = self.resolve_if_due().await? {
            return Ok(Some(first));
        }
        let Some(rendition) = &mut self.rendition else { return Ok(None) };
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

    /// Resolves the master playlist if there is no rendition, or if it is time again. Its playlist, if it came with it.
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
        self.resolved = Some(Instant::now());
        let resolved = match self.loader.resolve(&self.entry.url()).await {
            Ok(resolved) => resolved,
            // While there is a rendition to go on with, this is no harm.
            Err(error) if self.rendition.is_some() => {
                self.shared.complain(&error);
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
        self.moved |= !is_first && self.rendition.as_ref().is_none_or(|before| before.url != *url);
        self.shared.count(|status| status.rendition.clone_from(&label));
        self.label = Some(label);
        self.rendition = Some(resolved.rendition);
        Ok(resolved.first)
    }

    /// Has the master playlist resolved again before the next load, if that was not done just now. Says whether.
    pub(super) fn expire(&mut self) -> bool {
        let is_master = self.label.as_ref().is_some_and(Option::is_some);
        let now = is_master && self.until_resolve().is_zero();
        if now {
            self.refused = self.rendition.take();
            self.moved = true;
        }
        now
    }

    /// How long to wait at least after a failure.
    pub(super) fn pause(&self) -> Duration {
        if self.rendition.is_none() { self.until_resolve() } else { Duration::ZERO }
    }

    fn until_resolve(&self) -> Duration {
        // At first, when nothing has come yet, a master playlist may just not be there yet.
        if self.label.is_none() {
            return Duration::ZERO;
        }
        let since = self.resolved.map_or(Duration::MAX, |at| at.elapsed());
        self.loader.settings.resolve_pause.saturating_sub(since)
    }

    /// Has the next load give the playlist also if it is the same.
    pub(super) fn forget(&mut self) {
        if let Some(rendition) = &mut self.rendition {
            rendition.forget();
        }
    }

    /// Whether the playlist comes from another URL than the last one that was taken.
    pub(super) fn has_moved(&self) -> bool {
        self.moved
    }

    /// A playlist was taken.
    pub(super) fn arrived(&mut self) {
        self.moved = false;
    }

    /// Whether another rendition begins, which was not told yet.
    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// Whether another rendition begins; once.
    pub(super) fn take_change(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }
}
