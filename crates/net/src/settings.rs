//! Limits of requests.

use std::sync::Arc;
use std::time::Duration;

use super::ProxySettings;

/// Limits of all requests of a process.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Longest time until a connection is established, TLS included.
    pub connect_timeout: Duration,
    /// Longest time without a byte while a body is read.
    pub read_timeout: Duration,
    /// Minimum rate of a body in bytes per second, averaged since the start of the response. A slower response fails.
    pub min_bytes_per_second: u64,
    /// Time after the start of a response in which the minimum rate is not enforced.
    pub rate_grace: Duration,
    /// Time for which an unused connection is kept.
    pub pool_idle_timeout: Duration,
    /// Value of the `User-Agent` header.
    pub user_agent: String,
    /// Proxies; `None` if all requests are direct.
    pub proxy: Option<ProxySettings>,
    /// Certificates in PEM of authorities that are trusted in addition to those of the system; `None` for only those.
    pub certificates: Option<Arc<[u8]>>,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            // Two retransmissions of a lost SYN take 3 s. At half this value, a second lost packet fails the
            // connection; at twice this value, a server that is down delays a segment for 10 s in each attempt.
            connect_timeout: Duration::from_secs(5),
            // Live segments arrive in a burst, so a long silence means a broken connection. At half this value, a busy
            // server fails; at twice this value, a segment has often left the playlist when it is requested again.
            read_timeout: Duration::from_secs(10),
            // Lower than the rate of any audio: a twelfth of HE-AAC at 96 kbit/s, which has 12 kB/s. At twice this
            // value, speech at 16 kbit/s fails on a slow line; at half this value, a trickling segment occupies its
            // slot twice as long.
            min_bytes_per_second: 1024,
            // The start of a transfer is slow: TLS, slow start, and servers that send a segment while it is produced.
            rate_grace: Duration::from_secs(5),
            // Longer than the longest interval of playlist loads (30 s), so that a stream keeps its connection. At half
            // this value, the slowest streams need a new TLS handshake for each load.
            pool_idle_timeout: Duration::from_secs(60),
            user_agent: concat!("refrain/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            certificates: None,
        }
    }
}

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct TransferLimits {
    /// Maximum size of the body in bytes, after decompression.
    pub bytes: u64,
    /// Longest time from the request to the last byte of the response, redirects included.
    pub total: Duration,
}
