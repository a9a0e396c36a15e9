//! State, errors and counters of an HLS source.

use std::fmt;

use super::playlist::PlaylistError;
use crate::delivery::Delivery;
use crate::gaps::{GapCounts, Gaps};
use refrain_net::HttpError;

/// State of a stream.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum SourceState {
    /// No segment was listed yet.
    #[default]
    Starting,
    /// The playlist lists new segments.
    Live,
    /// No new segment was listed for [`HlsSettings::stalled_after`](super::HlsSettings::stalled_after) target
    /// durations. The playlist is still requested.
    Stalled,
    /// The stream has ended.
    Ended(EndReason),
    /// The stream cannot be followed, or errors prevented new segments for
    /// [`HlsSettings::give_up_after`](super::HlsSettings::give_up_after).
    Failed(HlsError),
}

impl fmt::Display for SourceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Starting => f.write_str("starting"),
            Self::Live => f.write_str("live"),
            Self::Stalled => f.write_str("stalled"),
            Self::Ended(reason) => write!(f, "ended: {reason}"),
            Self::Failed(error) => write!(f, "failed: {error}"),
        }
    }
}

/// Reason why a stream has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// The playlist is complete (EXT-X-ENDLIST).
    EndList,
    /// The playlist listed no new segment for [`HlsSettings::give_up_after`](super::HlsSettings::give_up_after).
    Silent,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndList => "the playlist is complete",
            Self::Silent => "no new segment for a long time",
        })
    }
}

/// Error of an HLS source while it follows a playlist.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HlsError {
    /// A request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The response is not a usable playlist.
    #[error("{url}: {error}")]
    Playlist {
        /// URL of the response.
        url: refrain_net::ShownUrl,
        /// Reason why the response is not a usable playlist.
        error: PlaylistError,
    },
    /// The DASH manifest cannot be used.
    #[error("{url}: {error}")]
    Manifest {
        /// URL of the response.
        url: refrain_net::ShownUrl,
        /// Reason why the manifest cannot be used.
        error: crate::dash::MpdError,
    },
    /// The URL of a rendition returned a master playlist in place of a media playlist.
    #[error("{0}: the master playlist refers to another master playlist; use the URL of a media playlist")]
    NestedMaster(refrain_net::ShownUrl),
    /// The master playlist does not contain the requested rendition, or contains no rendition.
    #[error("{url}: rendition {wanted} not found; available: {found}")]
    NoRendition {
        /// URL of the master playlist.
        url: refrain_net::ShownUrl,
        /// The requested rendition, as text.
        wanted: String,
        /// Names of the available renditions.
        found: String,
    },
    /// The rendition that was followed failed, and another one replaces it.
    #[error("rendition {rendition:?} failed: {reason}")]
    RenditionFailed {
        /// Name of the failed rendition.
        rendition: String,
        /// Reason of the failure.
        reason: String,
    },
    /// The URL of the playlist is invalid, or its scheme is not `http` or `https`.
    #[error("invalid playlist URL; it must start with http:// or https://")]
    NoUrl,
}

impl HlsError {
    /// Returns true if a later request can succeed.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => error.is_transient(),
            Self::Manifest { error, .. } => error.is_transient(),
            Self::Playlist { .. } | Self::NoRendition { .. } | Self::RenditionFailed { .. } => true,
            Self::NestedMaster(_) | Self::NoUrl => false,
        }
    }

    /// Returns the HTTP status if the error is an unsuccessful response, otherwise `None`.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http(error) => error.status(),
            _ => None,
        }
    }
}

/// Reason why no segment of a stream can be used at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFailure {
    /// Text of the reason. It is the same for all segments that fail for the same reason.
    pub reason: String,
    /// True if the segments cannot be decrypted; false if they cannot be fetched.
    pub is_undecryptable: bool,
}

/// State and counters of a stream since it was opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceStatus {
    /// State of the stream.
    pub state: SourceState,
    /// True if the playlist is complete (EXT-X-ENDLIST), so that no segment gets lost if the consumer is slow.
    pub recorded: bool,
    /// Segments delivered completely: as a whole, by all their parts, or by some parts and the rest.
    pub segments: u64,
    /// Number of delivered parts of segments.
    pub parts: u64,
    /// Bytes of the delivered segments and parts.
    pub bytes: u64,
    /// Duration of the delivered segments and parts according to the playlist, seconds.
    pub seconds: f64,
    /// Segments delivered that are marked as advertisements.
    pub ads: u64,
    /// Missing media, by reason.
    pub gaps: GapCounts,
    /// Requests that were repeated after a failure.
    pub retries: u64,
    /// Number of loads that returned a media playlist.
    pub playlist_loads: u64,
    /// Number of loads with the response 304 (not modified).
    pub not_modified: u64,
    /// Number of playlist loads that failed.
    pub playlist_errors: u64,
    /// Number of resolutions of the master playlist after the first one.
    pub resolutions: u64,
    /// Number of times that the playlist restarted, with segments that do not continue the earlier ones.
    pub resets: u64,
    /// Name or bandwidth of the followed rendition; `None` before the choice, or if the stream has no master playlist.
    pub rendition: Option<String>,
    /// Number of changes of the rendition.
    pub rendition_changes: u64,
    /// Reason of the last change of the rendition; `None` before the first change.
    pub rendition_reason: Option<String>,
    /// The last error; `None` if there was none.
    pub last_error: Option<HlsError>,
    /// Reason why the last load of a playlist failed; `None` if it succeeded.
    pub playlist_failure: Option<String>,
    /// Reason why the last segment could not be fetched or decrypted, after some attempts; `None` if another one was
    /// fetched since.
    pub media_failure: Option<MediaFailure>,
}

impl SourceStatus {
    /// Adds a delivery to the counters.
    pub(super) fn count(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::HlsSegment(segment) => {
                self.bytes += segment.bytes.len() as u64;
                self.seconds += segment.seconds;
                match segment.part {
                    true => self.parts += 1,
                    false => self.count_segment(segment.ad),
                }
            }
            Delivery::Gap(gap) => self.gaps.add(gap.reason, Gaps { count: 1, seconds: gap.seconds }),
            Delivery::Bytes(_)
            | Delivery::Live(_)
            | Delivery::Decoded(_)
            | Delivery::Title(_)
            | Delivery::Reconnected => {}
        }
    }
    /// Counts a segment that was delivered completely.
    pub(super) fn count_segment(&mut self, ad: bool) {
        self.segments += 1;
        self.ads += u64::from(ad);
    }
}
