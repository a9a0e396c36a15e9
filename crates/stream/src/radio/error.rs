//! Errors of HTTP radio.

use std::time::Duration;

use crate::sniff::DocumentKind;

/// Error of a connection to a station. Its messages never contain the query, user name or password of the URL.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RadioError {
    /// The address is not a valid `http://` or `https://` URL.
    #[error("invalid station URL; it must start with http:// or https://")]
    NoUrl,
    /// The connection or the request failed.
    #[error("{host} unreachable: {reason}")]
    Unreachable {
        /// Host of the server.
        host: String,
        /// Reason of the failure.
        reason: String,
    },
    /// The server responded with an HTTP error.
    #[error("{host} responded with status {status}")]
    Status {
        /// Host of the server.
        host: String,
        /// HTTP status code.
        status: u16,
    },
    /// The response is not audio.
    #[error("{host} returned {kind} instead of audio; use the stream URL from the station's website")]
    NotAudio {
        /// Host of the server.
        host: String,
        /// Media type or description of the response.
        kind: String,
    },
    /// The response is a document.
    #[error("{host} returned {kind} instead of audio; {}", .kind.advice())]
    Document {
        /// Host of the server.
        host: String,
        /// Kind of the document.
        kind: DocumentKind,
    },
    /// The playlist of the station leads to an HLS playlist, which [`RadioSource::hls_entry`](super::RadioSource::hls_entry)
    /// returns.
    #[error("{host} returned an HLS playlist; follow its URL as HLS")]
    Hls {
        /// Host of the server.
        host: String,
    },
    /// No byte arrived within [`RadioSettings::read_timeout`](super::RadioSettings::read_timeout).
    #[error("{host} sent no data for {0:.0} s", .read_timeout.as_secs_f64())]
    Silent {
        /// Host of the server.
        host: String,
        /// The time limit that elapsed.
        read_timeout: Duration,
    },
    /// The server closed the connection, or the body is complete.
    #[error("{host} closed the connection")]
    Closed {
        /// Host of the server.
        host: String,
    },
    /// The playlist has no usable entry: it is empty, too long or nested too deeply, or all its URLs are refused.
    #[error("the playlist of {host} has no usable entry: {reason}")]
    NoEntry {
        /// Host of the server.
        host: String,
        /// Reason why no entry is usable.
        reason: String,
    },
    /// The audio cannot be decoded.
    #[error("cannot decode the audio of {host}: {reason}")]
    Undecodable {
        /// Host of the server.
        host: String,
        /// Reason why the audio cannot be decoded.
        reason: String,
    },
}

impl RadioError {
    /// Returns true if another attempt may succeed.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoUrl
            | Self::NotAudio { .. }
            | Self::Document { .. }
            | Self::Hls { .. }
            | Self::NoEntry { .. } => false,
            Self::Status { status, .. } => !matches!(status, 400 | 401 | 405 | 406 | 410),
            _ => true,
        }
    }
}
