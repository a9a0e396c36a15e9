//! The streams of this process: claimed, kept, given up.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::leases::Leases;
use super::shared::Shared;

/// How often streams are looked for.
const TICK: Duration = Duration::from_millis(500);

/// Every so many ticks streams are claimed.
const CLAIM_EVERY: u32 = 2;

/// Leases are renewed so often in the time of one.
const RENEWALS: u32 = 3;

/// In the end streams are left within this time; what is not done then is aborted.
const LEAVE_WITHIN: Duration = Duration::from_secs(8);

/// In the end leases are handed back within this time; after it they run out by themselves.
const RELEASE_WITHIN: Duration = Duration::from_secs(5);

/// Claims and renews until the end; then leaves every stream and hands its lease back.
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
        Ok(Ok(count)) => tracing::info!(count, "leases handed back"),
        Ok(Err(error)) => tracing::warn!(%error, "leases could not be handed back; they run out"),
        Err(_) => tracing::warn!("leases could not be handed back in time; they run out"),
    }
    shared.measures.streams.set(0);
}

/// Lets the leases expire that an earlier process of this machine left when it was killed.
async fn expire_predecessors(shared: &Shared) {
    let expired = shared.instance.expire_predecessors(&*shared.catalog);
    match timeout(RELEASE_WITHIN, expired).await {
        Ok(Ok(0)) => {}
        Ok(Ok(streams)) => tracing::info!(streams, "leases of a process that has ended are free"),
        Ok(Err(error)) => tracing::warn!(%error, "leases of processes that have ended expire by themselves"),
        Err(_) => tracing::warn!("leases of processes that have ended expire by themselves"),
    }
}

/// Keeps the leases if that is due, and takes more if there is room.
async fn round(leases: &mut Leases, lease: Duration, is_due: bool, claims: bool) {
    // The call itself waits for the database longer than a lease lasts.
    if is_due && timeout(lease / RENEWALS, leases.renew()).await.is_err() {
        leases.unanswered();
    }
    if claims && !leases.is_away() {
        let _ = timeout(lease / RENEWALS, leases.claim()).await;
    }
}
