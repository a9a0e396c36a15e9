//! Leases of streams: a worker decodes a stream only while it holds the lease.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use super::attempts::MAX_WORKER_DEATHS;
use super::stream::Stream;
use crate::CatalogError;

/// Time after the expiry of a lease from which its stream is counted as waiting. A service with free capacity claims
/// the stream sooner, so an ordinary take-over is not counted. At half this value, one slow claim is reported as
/// missing capacity; at twice this value, real lack of capacity is reported 5 s later.
pub const WAITING_AFTER_EXPIRY: Duration = Duration::from_secs(5);

/// Separates the name of a worker from its random id.
const OWNER_SEPARATOR: char = '/';

/// Returns a new owner of leases: the name and a random id. The name is for display only: each call returns a different
/// owner, so that two processes with the same name never share a lease.
#[must_use]
pub fn new_owner(name: &str) -> String {
    format!("{name}{OWNER_SEPARATOR}{}", Uuid::new_v4())
}

/// Returns the name of the worker in an owner of [`new_owner`], or the whole text if it contains no id.
#[must_use]
pub fn worker_name(owner: &str) -> &str {
    // From the right, because the name of a worker can contain the separator and its id cannot.
    owner.rsplit_once(OWNER_SEPARATOR).map_or(owner, |(name, _)| name)
}

/// Returns the text for [`Stream::reason`] of a stream that is quarantined because [`MAX_WORKER_DEATHS`]
/// processes died while they began to decode it.
pub(crate) fn quarantine_reason() -> String {
    format!(
        "quarantined: the process died {MAX_WORKER_DEATHS} times while it began to decode this stream; start the stream \
         again when its source is repaired"
    )
}

/// Leases of streams, and turns of periodic jobs. Part of [`crate::Journal`], whose guarantees apply.
#[async_trait]
pub trait StreamLeases: Send + Sync {
    /// Claims at most `limit` streams for the worker `owner` for the time `lease`, oldest first. Candidates are streams
    /// that have not ended and that never had a lease, were released, or whose lease has expired. No two workers get
    /// the same stream.
    ///
    /// Each claim adds one to [`Stream::deaths`] in advance; [`crate::Attempts::confirm_stream`] and [`Self::release`]
    /// set this number to 0. A worker gets a stream with at least [`SUSPECT_DEATHS`](crate::SUSPECT_DEATHS) deaths only
    /// while the worker has no other such stream that is not confirmed. No worker gets a stream with
    /// [`MAX_WORKER_DEATHS`]: see [`Self::quarantine_streams`].
    async fn claim_streams(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Claims streams of the origin [`ARCHIVE`](crate::ARCHIVE), like [`Self::claim_streams`] but without counting
    /// deaths. [`Self::claim_streams`] skips these streams: their audio is in stored objects, which the workers for
    /// live streams cannot follow.
    async fn claim_archives(
        &self,
        owner: &str,
        limit: u32,
        lease: Duration,
    ) -> Result<Vec<Stream>, CatalogError>;

    /// Sets all streams without a valid lease that have at least [`MAX_WORKER_DEATHS`] deaths to
    /// [`crate::StreamState::Failed`], and returns their ids. Only a new start makes such a stream claimable again.
    async fn quarantine_streams(&self) -> Result<Vec<String>, CatalogError>;

    /// Returns the number of streams that wait for a worker: [`Self::claim_streams`] could claim them, and they have no
    /// lease, or one that expired at least [`WAITING_AFTER_EXPIRY`] ago by the clock of the database.
    async fn count_waiting_streams(&self) -> Result<u64, CatalogError>;

    /// Extends all leases of a worker to last `lease` from now, in one statement, and returns the ids of the streams
    /// that it still holds, in order. The worker must stop work on every other stream: it has ended, was started again,
    /// or belongs to another worker. An expired lease that no other worker has claimed is still held.
    ///
    /// A worker that cannot reach the database must stop by its own clock, no later than its lease expires. This call
    /// can wait for an unavailable server for longer than that; the worker can drop its future.
    async fn renew_leases(&self, owner: &str, lease: Duration) -> Result<Vec<String>, CatalogError>;

    /// Releases a stream, or all streams of the worker if `id` is `None`, so that other workers can claim them at once.
    /// Returns the number of released streams.
    async fn release(&self, owner: &str, id: Option<&str>) -> Result<u64, CatalogError>;

    /// Returns true if the caller has to run the periodic job `name` now. By the clock of the database, only one of all
    /// callers gets true within each period of length `every`; the first call for a name returns true.
    async fn claim_turn(&self, name: &str, every: Duration) -> Result<bool, CatalogError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_with_the_same_name_get_different_owners() {
        let (one, other) = (new_owner("worker-1"), new_owner("worker-1"));
        assert_ne!(one, other);
        assert_eq!((worker_name(&one), worker_name(&other)), ("worker-1", "worker-1"));
        assert_eq!(worker_name("owner of an older version"), "owner of an older version");
    }
}
