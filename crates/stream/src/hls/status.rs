//! What is known of a stream from outside.

use std::fmt;

use super::playlist::PlaylistError;
use crate::delivery::Delivery;
use crate::gaps::{GapCounts, Gaps};
use crate::http::HttpError;

/// How a stream is doing.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum SourceState {
    /// Nothing has come yet.
    #[default]
    Starting,
    /// Media comes.
    Live,
    /// Nothing new has come for some time; it is still asked for.
    Stalled,
    /// It is over.
    Ended(EndReason),
    /// It cannot be followed, or no more.
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

/// Why a stream is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum EndReason {
    /// Its playlist says so (EXT-X-ENDLIST).
    EndList,
    /// Its playlist has shown nothing new for the time that the settings give.
    Silent,
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EndList => "the playlist says so",
            Self::Silent => "the playlist has shown nothing new for a long time",
        })
    }
}

/// Why a playlist cannot be followed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HlsError {
    /// A request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What came is no playlist that can be used.
    #[error("{url}: {error}")]
    Playlist {
        /// Where it came from.
        url: crate::http::ShownUrl,
        /// What is wrong with it.
        error: PlaylistError,
    },
    /// A master playlist in place of a media playlist.
    #[error("{0}: a master playlist leads to another master playlist")]
    NestedMaster(crate::http::ShownUrl),
    /// A master playlist without the rendition that is asked for, or without any.
    #[error("{url}: no rendition {wanted}; there are: {found}")]
    NoRendition {
        /// The master playlist.
        url: crate::http::ShownUrl,
        /// What was wanted.
        wanted: String,
        /// What there is.
        found: String,
    },
    /// What is to be followed is no URL.
    #[error("this is no URL of a playlist; it must start with http:// or https://")]
    NoUrl,
}

impl HlsError {
    /// Whether asking again can help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => error.is_transient(),
            Self::Playlist { .. } | Self::NoRendition { .. } => true,
            Self::NestedMaster(_) | Self::NoUrl => false,
        }
    }

    /// The status of the answer, if it was one that is no success.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Http(error) => error.status(),
            _ => None,
        }
    }
}

/// State and counters of a stream since it was opened.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SourceStatus {
    /// How it is doing.
    pub state: SourceState,
    /// Whether the playlist is complete (EXT-X-ENDLIST): nothing of it gets lost by waiting.
    pub recorded: bool,
    /// Segments delivered, whole or the last of them.
    pub segments: u64,
    /// Parts of segments delivered.
    pub parts: u64,
    /// Bytes of those segments and parts.
    pub bytes: u64,
    /// Media of those segments and parts, seconds as the playlist says.
    pub seconds: f64,
    /// Segments delivered that are marked as advertisements.
    pub ads: u64,
    /// Missing media, by reason.
    pub gaps: GapCounts,
    /// Requests that were repeated because one failed.
    pub retries: u64,
    /// Loads of a media playlist that gave one.
    pub playlist_loads: u64,
    /// Loads that were answered with 304.
    pub not_modified: u64,
    /// Loads that failed.
    pub playlist_errors: u64,
    /// Resolutions of the master playlist after the first.
    pub resolutions: u64,
    /// Times that the playlist began anew.
    pub resets: u64,
    /// Name or bandwidth of the rendition that is followed, once it is chosen.
    pub rendition: Option<String>,
    /// The last thing that went wrong.
    pub last_error: Option<HlsError>,
}

impl SourceStatus {
    /// Counts what is delivered.
    pub(super) fn count(&mut self, delivery: &Delivery) {
        match delivery {
            Delivery::Segment(segment) => {
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
    /// Counts a segment that is delivered to its end.
    pub(super) fn count_segment(&mut self, ad: bool) {
        self.segments += 1;
        self.ads += u64::from(ad);
    }
}
