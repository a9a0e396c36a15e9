//! Limits of the HTTP server.

use std::time::Duration;

/// Maximum size of the body of a request, in bytes. A body contains an id and a URL. These have at most 9 KB, and JSON
/// escapes can make them six times as long. At half this value, such a body is refused; at twice this value, each
/// connection can hold twice the memory.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// Maximum size of the head of a request (request line and headers), in bytes. hyper rejects a longer one (status 431).
/// Proxies add cookies and tokens, and common servers allow 8 to 64 KiB. At half this value, requests through some of
/// these proxies fail; at twice this value, the maximum memory for the heads of all [`CONNECTIONS`] doubles.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Number of file descriptors of the process per HTTP connection: the HTTP server may use one of four. The other three
/// are for streams, the database and files. With 2, slow clients could take half of the descriptors; with 8, a limit of
/// 1,024 files allows 128 connections.
const DESCRIPTORS_PER_CONNECTION: u64 = 4;

/// Minimum and maximum of the limit of open connections. The maximum keeps the memory for heads below 32 MiB. The
/// minimum keeps health checks possible with very few descriptors. At twice the maximum, heads can take 64 MiB; at half
/// of it, dashboards with many clients close the connections of each other.
const CONNECTIONS: std::ops::RangeInclusive<usize> = 8..=512;

/// Limit of open connections if the system has no limit of open files. It is the same as for the common limit of 1,024
/// files.
const DEFAULT_CONNECTIONS: usize = 256;

/// Time limits of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeLimits {
    /// Maximum time from the first byte of a request, or from the start of the connection, to the end of the head.
    pub(crate) head: Duration,
    /// Maximum time from the end of the head to the end of the body.
    pub(crate) body: Duration,
    /// Maximum time from the end of the head to the response, including the time for the body.
    pub(crate) response: Duration,
    /// Maximum time between two requests of one connection. It is longer than the 60 s of common load balancers:
    /// otherwise, they could send a request on a connection that is being closed.
    pub(crate) idle: Duration,
    /// Maximum time in which the client reads no byte of a response.
    pub(crate) write: Duration,
    /// Maximum time from the start of a connection to its orderly end, after which a client can open another one.
    pub(crate) age: Duration,
    /// Maximum time from the orderly end of a connection to the moment when an unfinished response is cut off.
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
    // A system without a limit reports a huge number, and a system with a tiny limit still needs health checks.
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
