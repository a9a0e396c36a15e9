//! State that the poller and the fetcher of a stream share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, watch};

use super::plan::PlannedSegment;
use super::rendition_failures::RenditionFailures;
use super::timeline::shifted;
use crate::hls::playlist::{MediaPlaylist, MediaSegment};
use crate::hls::status::{HlsError, MediaFailure, SourceState, SourceStatus};
use refrain_net::ShownUrl;

/// State that the poller and the fetcher share: the newest playlist, expired URLs, and the status.
#[derive(Debug)]
pub(super) struct FollowState {
    /// Entry URL of the stream, which identifies the stream in the log.
    pub(super) url: ShownUrl,
    newest: Mutex<Option<NewestPlaylist>>,
    /// Notified when a request was rejected because its URL has expired.
    pub(super) expired: Notify,
    pub(super) failures: Arc<RenditionFailures>,
    pub(super) status: watch::Sender<SourceStatus>,
}

#[derive(Debug)]
struct NewestPlaylist {
    list: Arc<MediaPlaylist>,
    /// Offset to add to its sequence numbers to get those of the timeline.
    shift: i128,
    /// The rendition, as in [`PlannedSegment::rendition`].
    rendition: u64,
}

/// Location of a segment in the newest playlist.
#[derive(Debug)]
pub(super) enum PlaylistLocation {
    /// The playlist lists the segment in this form. If another rendition is followed now, it is the segment of that
    /// rendition.
    At(Box<MediaSegment>),
    /// The segment was removed from the start of the playlist, or is after the end of a complete playlist.
    Removed,
    /// The playlist does not list the segment, or no playlist was loaded yet.
    Unknown,
}

impl FollowState {
    pub(super) fn new(url: ShownUrl, status: watch::Sender<SourceStatus>) -> Self {
        let failures = Arc::default();
        Self { url, newest: Mutex::new(None), expired: Notify::new(), failures, status }
    }

    /// Publishes a newer playlist. `shift` is added to its sequence numbers to get those of the timeline.
    pub(super) fn publish_playlist(&self, list: Arc<MediaPlaylist>, shift: i128) {
        let newest = NewestPlaylist { list, shift, rendition: self.failures.rendition() };
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(newest);
    }

    /// Returns the current location of a planned segment.
    pub(super) fn find(&self, due: &PlannedSegment) -> PlaylistLocation {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(NewestPlaylist { list, shift, rendition }) = newest.as_ref() else {
            return PlaylistLocation::Unknown;
        };
        // The fetcher uses the numbers of the timeline, which can differ from those of the playlist.
        let first = shifted(list.media_sequence, *shift);
        let Some(index) = due.segment.sequence.checked_sub(first) else { return PlaylistLocation::Removed };
        let listed = usize::try_from(index).ok().and_then(|index| list.segments.get(index));
        match listed {
            // The numbering of another rendition can differ, which only the dates show.
            Some(listed) if *rendition == due.rendition || is_same_date(listed, &due.segment) => {
                PlaylistLocation::At(Box::new(listed.clone()))
            }
            // A complete playlist gets no further segments: this one was expected by the clock and does not exist.
            None if list.end => PlaylistLocation::Removed,
            _ => PlaylistLocation::Unknown,
        }
    }

    pub(super) fn count(&self, count: impl FnOnce(&mut SourceStatus)) {
        self.status.send_modify(count);
    }

    /// Publishes the reason why segments cannot be used at present; `None` after a segment was fetched.
    pub(super) fn set_media_failure(&self, failure: Option<MediaFailure>) {
        self.status.send_if_modified(|status| {
            let is_changed = status.media_failure != failure;
            status.media_failure = failure;
            is_changed
        });
    }

    /// Publishes the reason why the last load of a playlist failed; `None` after a successful load.
    pub(super) fn set_playlist_failure(&self, failure: Option<&HlsError>) {
        let failure = failure.map(ToString::to_string);
        self.status.send_if_modified(|status| {
            let is_changed = status.playlist_failure != failure;
            status.playlist_failure = failure;
            is_changed
        });
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

/// Returns true if the dates of two segments agree within half the duration of the second one, or if a date is missing.
fn is_same_date(listed: &MediaSegment, wanted: &MediaSegment) -> bool {
    match (listed.program_date_time, wanted.program_date_time) {
        (Some(listed), Some(date)) => (listed - date).abs() < wanted.seconds.max(0.2) / 2.0,
        _ => true,
    }
}
