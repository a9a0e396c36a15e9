//! Claims, renews and releases the leases of the streams of this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::leases::Leases;
use super::shared::Shared;

/// Maximum interval of rounds.
const TICK: Duration = Duration::from_millis(500);

/// Streams are claimed in each round whose number is a multiple of this.
const CLAIM_EVERY: u32 = 2;

/// Number of renewals within the duration of a lease.
const RENEWALS: u32 = 3;

/// Time limit for leaving the streams at the end. Tasks that have not ended by then are aborted.
const LEAVE_WITHIN: Duration = Duration::from_secs(8);

/// Time limit for releasing the leases at the end. Leases that are not released expire.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// Claims streams and renews leases until `stop` is cancelled. Then it leaves every stream and releases its lease.
pub(super) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    let lease = shared.settings.lease;
    expire_predecessors(&shared).await;
    let mut leases = Leases::new(Arc::clone(&shared));
    let mut tick = interval(TICK.min(lease / (2 * RENEWALS)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut ticks, mut renewed) = (0_u32, Instant::now());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = leases.ended() => continue,
            _ = tick.tick() => {}
        }
        let is_due = leases.is_away() || renewed.elapsed() >= lease / RENEWALS;
        let claims = ticks.is_multiple_of(CLAIM_EVERY);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = round(&mut leases, lease, is_due, claims) => {}
        }
        if is_due {
            renewed = Instant::now();
        }
        ticks = ticks.wrapping_add(1);
        shared.measures.streams.set(i64::try_from(leases.held()).unwrap_or(i64::MAX));
    }
    leases.leave(LEAVE_WITHIN).await;
    match timeout(RELEASE_WITHIN, shared.journal().release(shared.owner(), None)).await {
        Ok(Ok(count)) => tracing::info!(count, "leases released"),
        Ok(Err(error)) => tracing::warn!(%error, "cannot release the leases, they expire"),
        Err(_) => tracing::warn!("leases not released in time, they expire"),
    }
    shared.measures.streams.set(0);
}

/// Expires the leases of earlier processes on this machine that were killed.
async fn expire_predecessors(shared: &Shared) {
    let expired = shared.instance.expire_predecessors(&*shared.catalog);
    match timeout(RELEASE_WITHIN, expired).await {
        Ok(Ok(0)) => {}
        Ok(Ok(streams)) => tracing::info!(streams, "expired the leases of a process that has ended"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "cannot expire the leases of processes that have ended, waiting for their expiry");
        }
        Err(_) => tracing::warn!(
            "leases of processes that have ended not expired in time, waiting for their expiry"
        ),
    }
}

/// Renews the leases if that is due, and claims streams if there is capacity.
async fn round(leases: &mut Leases, lease: Duration, is_due: bool, claims: bool) {
    // The calls themselves wait for the database longer than a lease lasts.
    if is_due && timeout(lease / RENEWALS, leases.renew()).await.is_err() {
        leases.unanswered();
    }
    if claims && !leases.is_away() {
        let _ = timeout(lease / RENEWALS, leases.claim()).await;
    }
}
