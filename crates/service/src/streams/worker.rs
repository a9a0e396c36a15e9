//! Claims, renews and releases the leases of the streams of this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::leases::Leases;
use super::shared::StreamsContext;

/// Maximum interval of rounds. Short leases have shorter rounds. It bounds the delay of a renewal after it is due; at
/// half or twice the value, that changes by a quarter of a second or half a second.
const MAX_ROUND_INTERVAL: Duration = Duration::from_millis(500);

/// Streams are claimed in each round whose number is a multiple of this, so once per second. Claims lock rows of other
/// processes. With 1, many processes compete more; with 4, a new stream starts up to 2 s late.
const ROUNDS_PER_CLAIM: u32 = 2;

/// Number of renewals within the duration of a lease. A failed renewal is repeated in each round, so a lease survives
/// an outage of two thirds of its duration. With 2, it survives half of it; with 6, each worker sends twice the writes.
const RENEWALS_PER_LEASE: u32 = 3;

/// Time limit for leaving the streams at the end. Tasks that have not ended by then are aborted. Writing the last
/// events takes well below a second if the database answers. At half of it, a slow database loses updates of airings,
/// which the next worker reports; at twice, the stage exceeds its share of the drain time.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(8);

/// Time limit for releasing the leases at the end. Leases that are not released expire. At half of it, a slow database
/// delays the take-over by the rest of a lease; at twice, the shutdown may exceed its limit.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Claims streams and renews leases until `stop` is cancelled. Then it leaves every stream and releases its lease.
pub(super) async fn run(shared: Arc<StreamsContext>, stop: CancellationToken) {
    let lease = shared.settings.lease;
    expire_predecessors(&shared).await;
    let mut leases = Leases::new(Arc::clone(&shared));
    let mut tick = interval(MAX_ROUND_INTERVAL.min(lease / (2 * RENEWALS_PER_LEASE)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut ticks, mut renewed) = (0_u32, Instant::now());
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = leases.ended() => continue,
            _ = tick.tick() => {}
        }
        let is_due = leases.database_is_down() || renewed.elapsed() >= lease / RENEWALS_PER_LEASE;
        let claims = ticks.is_multiple_of(ROUNDS_PER_CLAIM);
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = round(&mut leases, lease, is_due, claims) => {}
        }
        if is_due {
            renewed = Instant::now();
        }
        ticks = ticks.wrapping_add(1);
        shared.counters.streams.set(i64::try_from(leases.leased()).unwrap_or(i64::MAX));
    }
    leases.release_all(LEAVE_TIMEOUT).await;
    match timeout(RELEASE_TIMEOUT, shared.journal().release(shared.owner(), None)).await {
        Ok(Ok(count)) => tracing::info!(count, "leases released"),
        Ok(Err(error)) => tracing::warn!(%error, "cannot release the leases, they expire"),
        Err(_) => tracing::warn!("leases not released in time, they expire"),
    }
    shared.counters.streams.set(0);
}

/// Expires the leases of earlier processes on this machine that were killed.
async fn expire_predecessors(shared: &StreamsContext) {
    let expired = shared.instance.expire_predecessors(&*shared.catalog);
    match timeout(RELEASE_TIMEOUT, expired).await {
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
    if is_due && timeout(lease / RENEWALS_PER_LEASE, leases.renew()).await.is_err() {
        leases.database_timed_out();
    }
    if claims && !leases.database_is_down() {
        let _ = timeout(lease / RENEWALS_PER_LEASE, leases.claim()).await;
    }
}
