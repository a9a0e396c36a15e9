//! Settings and counters of HTTP radio.

use std::time::Duration;

use super::error::RadioError;
use refrain_net::{AddressPolicy, StreamAccess};

/// Settings of a [`RadioSource`](super::RadioSource).
#[derive(Debug, Clone)]
pub struct RadioSettings {
    /// Maximum wait for the response to a request, and for the body of a playlist.
    pub response_timeout: Duration,
    /// Maximum time without a received byte, after which the connection is closed.
    pub read_timeout: Duration,
    /// First and longest pause before a new connection. Pauses double after each failure and are randomized.
    pub retry: (Duration, Duration),
    /// Maximum time without audio, over all attempts, after which the source ends. A connection counts only after 5 s of
    /// audio, which the consumer reports with [`RadioFeedback`](super::RadioFeedback).
    pub give_up_after: Duration,
    /// Addresses that the station and its playlists may use. The HTTP client, which resolves names, must have the same
    /// policy ([`refrain_net::HttpClient::streaming_client`]).
    pub policy: AddressPolicy,
    /// Headers and cookies of the requests. Each station needs its own value.
    pub access: StreamAccess,
}

impl Default for RadioSettings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            // A station responds at once or is overloaded. At half this value, requests to overloaded stations fail
            // more often; at twice this value, a dead server delays the next entry of the playlist by 20 s.
            response_timeout: seconds(10),
            // Stations send several times a second. At half this value, a congested line causes reconnects, after which
            // the server repeats its burst; at twice this value, a dead connection costs 20 s of audio.
            read_timeout: seconds(10),
            // The first pause is short, because most losses are short. The longest pause, 30 s, limits the load on a
            // server that is down for hours.
            retry: (Duration::from_millis(500), seconds(30)),
            give_up_after: crate::GIVE_UP_AFTER,
            policy: AddressPolicy::PublicOnly,
            access: StreamAccess::default(),
        }
    }
}

/// Response headers that describe a station.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Station {
    /// Name of the station (`icy-name`); `None` if the server does not send it.
    pub name: Option<String>,
    /// Declared media type (`Content-Type`); `None` if the server does not send it.
    pub content_type: Option<String>,
}

/// State and counters of a station.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RadioStatus {
    /// True if audio is being received.
    pub live: bool,
    /// Number of connections that delivered audio.
    pub connections: u64,
    /// Number of failed connection attempts and broken connections.
    pub failures: u64,
    /// Bytes received, including metadata.
    pub bytes: u64,
    /// Description from the response headers of the current or last connection.
    pub station: Station,
    /// Length in bytes if the URL is a file, which is played once; `None` for a station.
    pub file_bytes: Option<u64>,
    /// The last error; `None` if there was none.
    pub last_error: Option<RadioError>,
}
