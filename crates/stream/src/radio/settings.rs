//! How a station is followed, and what is counted.

use std::time::Duration;

use super::connect::Station;
use super::error::RadioError;
use crate::http::AddressPolicy;

/// How a station is followed.
#[derive(Debug, Clone)]
pub struct RadioSettings {
    /// Longest wait for an answer.
    pub patience: Duration,
    /// Longest time without a byte before a connection is given up.
    pub silence: Duration,
    /// First and longest pause before a new connection. Pauses double and are spread by chance.
    pub retry: (Duration, Duration),
    /// Without a byte for so long, over all tries, the stream is over.
    pub give_up_after: Duration,
    /// Which addresses the station and its playlists may use. The client that resolves names must have the same policy
    /// ([`crate::http::HttpClient::listening`]).
    pub policy: AddressPolicy,
}

impl Default for RadioSettings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            patience: seconds(10),
            silence: seconds(10),
            retry: (Duration::from_millis(500), seconds(30)),
            give_up_after: crate::GIVE_UP_AFTER,
            policy: AddressPolicy::PublicOnly,
        }
    }
}

/// Counters of a station.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RadioStatus {
    /// Whether audio comes now.
    pub live: bool,
    /// Connections that gave audio.
    pub connections: u64,
    /// Tries that failed, and connections that broke.
    pub failures: u64,
    /// Bytes that came, metadata included.
    pub bytes: u64,
    /// What the station says about itself.
    pub station: Station,
    /// Length in bytes, if it is no station but a file, which is played once.
    pub file_bytes: Option<u64>,
    /// The last thing that went wrong.
    pub last_error: Option<RadioError>,
}
