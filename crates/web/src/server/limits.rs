//! Limits of the HTTP server.

use std::time::Duration;

/// Largest body of a request, bytes: an id and a URL. These have at most 9 KB, and JSON escapes can make them six times
/// as long. At half this value, such a body is refused; at twice this value, each connection can hold twice the memory.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Largest head of a request (request line and headers), bytes. hyper answers a longer one with status 431. Proxies add
/// cookies and tokens, and common servers allow 8 to 64 KiB. At half this value, some of them fail; at twice this
/// value, the memory bound of [`CONNECTIONS`] doubles.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Descriptors per connection of the HTTP server: one of four that the process may open. The other three are for
/// streams, the database and files. With 2, slow clients could take half of the descriptors; with 8, a limit of 1,024
/// files allows 128 connections.
const DESCRIPTORS_PER_CONNECTION: u64 = 4;

/// Bounds of the number of open connections. The upper one holds the memory for heads below 32 MiB. The lower one keeps
/// health checks possible with very few descriptors. At twice the upper bound, heads can take 64 MiB; at half this
/// value, busy dashboards evict each other.
const CONNECTIONS: std::ops::RangeInclusive<usize> = 8..=512;

/// Number of connections if the system has no limit of open files. It is what the common limit of 1,024 files gives.
const DEFAULT_CONNECTIONS: usize = 256;

/// Time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// From the first byte of a request, or from the start of the connection, to the end of its head.
    pub(crate) head: Duration,
    /// From the end of the head to the end of the body.
    pub(crate) body: Duration,
    /// From the end of the head to the response, the body included.
    pub(crate) response: Duration,
    /// Between two requests of one connection. Longer than the 60 s of common load balancers, which otherwise send a
    /// request on a connection that is being closed.
    pub(crate) idle: Duration,
    /// Without any progress of a response that the client does not read.
    pub(crate) write: Duration,
    /// From the start of a connection to its orderly end; a client can open another one.
    pub(crate) age: Duration,
    /// From that orderly end to the moment when an unfinished response is cut off.
    pub(crate) close: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        Self {
            head: Duration::from_secs(10),
            body: Duration::from_secs(20),
            response: Duration::from_secs(60),
            idle: Duration::from_secs(75),
            write: Duration::from_secs(20),
            age: Duration::from_secs(30 * 60),
            close: Duration::from_secs(30),
        }
    }
}

/// Returns the maximum number of open connections, derived from the limit of open files of this process.
pub(crate) fn max_connections() -> usize {
    connections_of(open_files())
}

fn connections_of(open_files: Option<u64>) -> usize {
    let connections = open_files.map(|files| files / DESCRIPTORS_PER_CONNECTION);
    let connections =
        connections.map_or(DEFAULT_CONNECTIONS, |count| usize::try_from(count).unwrap_or(usize::MAX));
    // A system without limit reports a huge number, and one with a tiny limit still needs health checks.
    connections.clamp(*CONNECTIONS.start(), *CONNECTIONS.end())
}

#[cfg(unix)]
fn open_files() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nofile).current
}

#[cfg(not(unix))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_of_four_descriptors_are_left_to_streams() {
        assert_eq!(connections_of(Some(256)), 64);
        assert_eq!(connections_of(Some(1024)), 256);
        assert_eq!(connections_of(Some(1_000_000)), 512);
        assert_eq!(connections_of(Some(16)), 8);
        assert_eq!(connections_of(None), 256);
    }
}
