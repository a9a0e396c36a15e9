//! What the playlist's side and the segments' side of a stream tell each other.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use url::Url;

use super::timeline::shifted;
use crate::hls::playlist::MediaPlaylist;
use crate::hls::status::{HlsError, SourceState, SourceStatus};

/// Shared by both sides.
#[derive(Debug)]
pub(super) struct Shared {
    newest: Mutex<Option<(Arc<MediaPlaylist>, i128)>>,
    /// A segment was refused: its URLs have expired.
    pub(super) expired: Notify,
    pub(super) status: watch::Sender<SourceStatus>,
}

/// Where a segment is now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Listed, here.
    At(Url),
    /// It has left the playlist.
    Gone,
    /// Nobody knows.
    Unknown,
}

impl Shared {
    pub(super) fn new(status: watch::Sender<SourceStatus>) -> Self {
        Self { newest: Mutex::new(None), expired: Notify::new(), status }
    }

    /// Tells of a newer playlist.
    pub(super) fn show(&self, list: Arc<MediaPlaylist>, shift: i128) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((list, shift));
    }

    /// Where the segment of this number, in our numbering, is now.
    pub(super) fn find(&self, sequence: u64) -> Whereabouts {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((list, shift)) = newest.as_ref() else { return Whereabouts::Unknown };
        let first = shifted(list.media_sequence, *shift);
        match sequence.checked_sub(first).map(usize::try_from) {
            None => Whereabouts::Gone,
            Some(Ok(index)) => list
                .segments
                .get(index)
                .map_or(Whereabouts::Unknown, |segment| Whereabouts::At(segment.url.clone())),
            Some(Err(_)) => Whereabouts::Unknown,
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut SourceStatus)) {
        self.status.send_modify(count);
    }

    /// Goes into a state, unless it is over already.
    pub(super) fn enter(&self, state: SourceState) {
        self.status.send_if_modified(|status| {
            let over = matches!(status.state, SourceState::Ended(_) | SourceState::Failed(_));
            let changes = !over && status.state != state;
            if changes {
                tracing::debug!(%state, "stream state");
                status.state = state;
            }
            changes
        });
    }

    /// Remembers what went wrong.
    pub(super) fn complain(&self, error: &HlsError) {
        tracing::debug!(%error, "playlist not loaded");
        self.count(|status| status.last_error = Some(error.clone()));
    }
}
