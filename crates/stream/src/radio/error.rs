//! What goes wrong with stations.

use std::time::Duration;

/// Why there is no audio from a station. No text of it holds a query, user name or password.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RadioError {
    /// The address is none of HTTP.
    #[error("this is no address of a station; it must start with http:// or https://")]
    NoUrl,
    /// The server is not there, or refuses.
    #[error("{host} cannot be reached: {reason}")]
    Unreachable {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// The server answers with an error.
    #[error("{host} answers with status {status}")]
    Status {
        /// The server.
        host: String,
        /// Its HTTP status.
        status: u16,
    },
    /// It is no audio.
    #[error("{host} gives {kind} and no audio; the page of a station holds the address to give")]
    NotAudio {
        /// The server.
        host: String,
        /// What it gives.
        kind: String,
    },
    /// Nothing came for too long.
    #[error("{host} was silent for {0:.0} s", .silence.as_secs_f64())]
    Silent {
        /// The server.
        host: String,
        /// For how long.
        silence: Duration,
    },
    /// The server ended the connection.
    #[error("{host} ended the connection")]
    Closed {
        /// The server.
        host: String,
    },
    /// A playlist that leads nowhere: empty, too long, or through too many others.
    #[error("{host} gives a playlist without an address that can be followed: {reason}")]
    NoEntry {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
    /// Audio in a container that cannot be decoded.
    #[error("{host}: {reason}")]
    Undecodable {
        /// The server.
        host: String,
        /// Why.
        reason: String,
    },
}

impl RadioError {
    /// Whether trying again may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::NoUrl | Self::NotAudio { .. } | Self::NoEntry { .. } => false,
            Self::Status { status, .. } => !matches!(status, 400 | 401 | 405 | 406 | 410),
            _ => true,
        }
    }
}
