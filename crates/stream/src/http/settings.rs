//! Limits of requests.

use std::time::Duration;

/// Limits of all requests of a process.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Longest time to a connection, TLS included.
    pub connect: Duration,
    /// Longest silence while an answer is read.
    pub silence: Duration,
    /// Fewest bytes a second, averaged since the answer began; a host below is given up.
    pub least_rate: u64,
    /// How long after an answer began its rate does not count yet.
    pub rate_grace: Duration,
    /// How long an unused connection is kept.
    pub keep_idle: Duration,
    /// What the `User-Agent` header says.
    pub user_agent: String,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(10),
            // A twelfth of the leanest audio there is (HE-AAC of 96 kbit/s fills 12 kB/s).
            least_rate: 1024,
            rate_grace: Duration::from_secs(5),
            keep_idle: Duration::from_secs(60),
            user_agent: concat!("refrain/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// Limits of one request.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Largest body, bytes, after decompression.
    pub bytes: u64,
    /// Longest time from the question to the last byte of the answer, redirects included.
    pub total: Duration,
}
