//! State that the poller and the fetcher of a stream share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use url::Url;

use super::timeline::shifted;
use crate::hls::playlist::MediaPlaylist;
use crate::hls::status::{HlsError, SourceState, SourceStatus};
use refrain_net::ShownUrl;

/// State that the poller and the fetcher share: the newest playlist, expired URLs, and the status.
#[derive(Debug)]
pub(super) struct FollowState {
    /// Entry URL of the stream, which identifies the stream in the log.
    pub(super) url: ShownUrl,
    newest: Mutex<Option<(Arc<MediaPlaylist>, i128)>>,
    /// Notified when a request was rejected because its URL has expired.
    pub(super) expired: Notify,
    pub(super) status: watch::Sender<SourceStatus>,
}

/// Location of a segment in the newest playlist.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PlaylistLocation {
    /// The playlist lists the segment with this URL.
    At(Url),
    /// The segment was removed from the start of the playlist.
    Removed,
    /// The playlist does not list the segment, or no playlist was loaded yet.
    Unknown,
}

impl FollowState {
    pub(super) fn new(url: ShownUrl, status: watch::Sender<SourceStatus>) -> Self {
        Self { url, newest: Mutex::new(None), expired: Notify::new(), status }
    }

    /// Publishes a newer playlist. `shift` is added to its sequence numbers to get those of the timeline.
    pub(super) fn publish_playlist(&self, list: Arc<MediaPlaylist>, shift: i128) {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some((list, shift));
    }

    /// Returns the current location of the segment with this sequence number of the timeline.
    pub(super) fn find(&self, sequence: u64) -> PlaylistLocation {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((list, shift)) = newest.as_ref() else { return PlaylistLocation::Unknown };
        // The fetcher uses the numbers of the timeline, which can differ from those of the playlist.
        let first = shifted(list.media_sequence, *shift);
        match sequence.checked_sub(first).map(usize::try_from) {
            None => PlaylistLocation::Removed,
            Some(Ok(index)) => list
                .segments
                .get(index)
                .map_or(PlaylistLocation::Unknown, |segment| PlaylistLocation::At(segment.url.clone())),
            Some(Err(_)) => PlaylistLocation::Unknown,
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut SourceStatus)) {
        self.status.send_modify(count);
    }

    /// Changes the state of the stream, unless the stream has already ended or failed.
    pub(super) fn enter(&self, state: SourceState) {
        self.status.send_if_modified(|status| {
            // The fetcher can still report progress after the end; a final state must stay the last one.
            let over = matches!(status.state, SourceState::Ended(_) | SourceState::Failed(_));
            let changes = !over && status.state != state;
            if changes {
                tracing::debug!(url = %self.url, %state, "stream state changed");
                status.state = state;
            }
            changes
        });
    }

    /// Logs an error and records it as the last error of the status.
    pub(super) fn record_error(&self, error: &HlsError) {
        tracing::debug!(
            url = %self.url,
            %error,
            "cannot load a playlist of the stream; loading it again, unless the stream ends with this error"
        );
        self.count(|status| status.last_error = Some(error.clone()));
    }
}
