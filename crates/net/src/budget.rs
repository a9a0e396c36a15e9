//! Limit of the bytes of responses that a process holds at a time.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Maximum number of bytes of responses that a process holds at a time: playlists, keys and segments of all streams
/// that were received but not processed yet. A tenth of this value is enough for 300 streams of audio with three
/// segments each, and four segments of the largest permitted size (64 MiB) fit. At half this value, two such segments
/// delay all other streams; at twice this value, servers that send large segments can take half a GiB of memory.
pub(super) const MAX_BUFFERED_BYTES: usize = 256 << 20;

/// Bytes per permit of the semaphore. Reservations are rounded up to a multiple of this value, so that a body that
/// arrives in small chunks rarely waits for the semaphore. At twice this value, a small playlist counts as 128 KiB; at
/// half this value, large bodies need twice as many reservations.
const PERMIT_BYTES: usize = 64 << 10;

/// Maximum time that a response waits until bytes of other responses are released. Without this limit, several
/// responses that each wait for the rest of their bytes would deadlock. At half this value, a short overload drops
/// segments; at twice this value, such a deadlock delays its streams by 20 s.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The budget of [`MAX_BUFFERED_BYTES`] for responses. Clones share the bytes that are not reserved yet.
#[derive(Debug, Clone)]
pub(super) struct ByteBudget {
    free: Arc<Semaphore>,
}

impl Default for ByteBudget {
    fn default() -> Self {
        Self { free: Arc::new(Semaphore::new(MAX_BUFFERED_BYTES / PERMIT_BYTES)) }
    }
}

/// Bytes that are reserved for one response.
#[derive(Debug)]
pub(super) struct Reservation {
    budget: ByteBudget,
    permit: Option<OwnedSemaphorePermit>,
}

/// Error: the bytes of a response could not be reserved within [`MAX_WAIT`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Exhausted;

impl ByteBudget {
    /// Returns a reservation of 0 bytes.
    pub(super) fn reservation(&self) -> Reservation {
        Reservation { budget: self.clone(), permit: None }
    }
}

impl Reservation {
    /// Extends the reservation to `bytes` in total. The future can be dropped while it waits.
    ///
    /// # Errors
    /// [`Exhausted`] after [`MAX_WAIT`].
    pub(super) async fn extend_to(&mut self, bytes: usize) -> Result<(), Exhausted> {
        // Permits that are held already count, so that a growing body reserves each byte once.
        let reserved = self.permit.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Some(missing) = bytes.div_ceil(PERMIT_BYTES).checked_sub(reserved).filter(|missing| *missing > 0)
        else {
            return Ok(());
        };
        // The semaphore counts in `u32`. More permits than that exceed the budget in any case.
        let missing = u32::try_from(missing).map_err(|_| Exhausted)?;
        let granted = timeout(MAX_WAIT, Arc::clone(&self.budget.free).acquire_many_owned(missing)).await;
        let granted = granted.map_err(|_| Exhausted)?.map_err(|_| Exhausted)?;
        // Merged permits are released together, when the last copy of the body is dropped.
        match &mut self.permit {
            Some(permit) => permit.merge(granted),
            None => self.permit = Some(granted),
        }
        Ok(())
    }

    /// Attaches the reservation to `bytes`. The reservation is released when the last copy of the returned bytes is
    /// dropped.
    pub(super) fn hold(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(BudgetedBytes { bytes, _reservation: self })
    }
}

struct BudgetedBytes {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for BudgetedBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn dropping_the_last_copy_releases_the_bytes() {
        let budget = ByteBudget::default();
        let mut first = budget.reservation();
        first.extend_to(1).await.unwrap();
        first.extend_to(MAX_BUFFERED_BYTES).await.unwrap();
        let body = first.hold(Bytes::from_static(b"a segment"));
        let part = body.slice(2..);
        drop(body);
        let mut second = budget.reservation();
        assert_eq!(second.extend_to(1).await, Err(Exhausted));
        drop(part);
        second.extend_to(MAX_BUFFERED_BYTES).await.unwrap();
    }
}
