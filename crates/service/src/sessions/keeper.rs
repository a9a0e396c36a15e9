//! Claims, renews and releases the leases of the sessions of this process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use super::host::{KeeperContext, SessionHost, SessionKind};
use super::leases::Leases;

/// Maximum interval between two rounds. In a round, leases are renewed if that is due, and sessions are claimed. Short
/// leases have more frequent rounds. A renewal is at most this time late: at twice this value, one second.
const MAX_ROUND_INTERVAL: Duration = Duration::from_millis(500);

/// Number of rounds per claim of live streams, so they are claimed once per second. A claim locks rows that other
/// processes also claim. With 1, many processes compete more; with 4, a new stream starts up to 2 s late.
const ROUNDS_PER_LIVE_CLAIM: u32 = 2;

/// Number of rounds per claim of streams of segments, so they are claimed once in 4 s. The event about a segment causes
/// a claim at once, so this is only the delay after another process has died. With 4, idle processes send twice the
/// queries; with 16, the streams of a process that was killed are idle for up to 4 s more.
const ROUNDS_PER_SEGMENTS_CLAIM: u32 = 8;

/// Number of renewals within the duration of a lease. A failed renewal is repeated in each round, so a lease survives
/// an outage of two thirds of its duration. With 2, it survives half of it; with 6, each worker sends twice the writes.
const RENEWALS_PER_LEASE: u32 = 3;

/// Time limit for leaving all sessions when the process ends. Tasks that have not ended by then are aborted. Writing
/// the last events takes well below a second if the database answers. At half this value, a slow database loses updates
/// of airings, which the next worker reports. At twice this value, the shutdown stage exceeds its share of the drain
/// time and is aborted.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(8);

/// Time limit for releasing the leases when the process ends. Leases that are not released expire. At half this value,
/// a slow database delays the take-over by the rest of a lease; at twice this value, the shutdown may exceed its limit.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(5);

/// Holds the leases of the sessions of one kind, and a task for each session.
pub(crate) struct LeaseKeeper {
    context: Arc<KeeperContext>,
    host: Arc<dyn SessionHost>,
    leases: Leases,
    rounds: u32,
    renewed: Instant,
}

impl LeaseKeeper {
    pub(crate) fn new(context: KeeperContext, host: Arc<dyn SessionHost>) -> Self {
        let context = Arc::new(context);
        let leases = Leases::new(Arc::clone(&context), Arc::clone(&host));
        Self { context, host, leases, rounds: 0, renewed: Instant::now() }
    }

    /// Claims streams and renews leases until `stop` is cancelled. Then it leaves every session and releases its lease.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.expire_predecessors().await;
        let mut tick = interval(MAX_ROUND_INTERVAL.min(self.context.lease / (2 * RENEWALS_PER_LEASE)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let host = Arc::clone(&self.host);
        loop {
            let claims = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                ended = self.leases.ended() => self.release_ended(ended).await,
                () = host.started() => true,
                _ = tick.tick() => {
                    let round = self.rounds;
                    self.rounds = round.wrapping_add(1);
                    round.is_multiple_of(self.rounds_per_claim())
                }
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.round(claims) => {}
            }
            self.count_streams(self.leases.leased());
        }
        self.release_all().await;
    }

    fn rounds_per_claim(&self) -> u32 {
        match self.context.kind {
            SessionKind::Live => ROUNDS_PER_LIVE_CLAIM,
            SessionKind::Segments => ROUNDS_PER_SEGMENTS_CLAIM,
        }
    }

    /// Renews the leases if that is due, and claims streams if there is capacity.
    async fn round(&mut self, claims: bool) {
        // Without this limit, a call could wait for the database longer than a lease lasts.
        let limit = self.context.lease / RENEWALS_PER_LEASE;
        if self.leases.database_is_down() || self.renewed.elapsed() >= limit {
            if timeout(limit, self.leases.renew()).await.is_err() {
                self.leases.database_timed_out();
            }
            self.renewed = Instant::now();
        }
        if claims && !self.leases.database_is_down() {
            let _ = timeout(limit, self.leases.claim()).await;
        }
    }

    /// Releases the lease of the stream of segments `id`, whose task has ended. If `id` is `None`, or if the session
    /// has ended too, nothing is released. Returns true if streams have to be claimed without delay, so that the stream
    /// continues after an error or starts its next session. Returns false for live streams.
    async fn release_ended(&self, id: Option<String>) -> bool {
        if self.context.kind == SessionKind::Live {
            // The row contains the end, or the next renewal finds a lease without a task and releases it.
            return false;
        }
        if let Some(id) = id.filter(|_| !self.leases.database_is_down()) {
            let released = self.context.journal().release(self.context.owner(), Some(&id));
            let _ = timeout(self.context.lease / RENEWALS_PER_LEASE, released).await;
        }
        true
    }

    /// Expires the leases of earlier processes on this machine that were killed.
    async fn expire_predecessors(&self) {
        let expired = self.context.instance.expire_predecessors(&*self.context.catalog);
        match timeout(RELEASE_TIMEOUT, expired).await {
            Ok(Ok(0)) => {}
            Ok(Ok(streams)) => {
                tracing::info!(kind = ?self.context.kind, streams, "leases of processes that have ended expired early, their streams can be claimed");
            }
            Ok(Err(error)) => {
                tracing::warn!(kind = ?self.context.kind, %error, "cannot expire the leases of processes that have ended; their streams continue when the leases expire");
            }
            Err(_) => tracing::warn!(
                kind = ?self.context.kind,
                "database is too slow to expire the leases of processes that have ended; their streams continue when the leases expire"
            ),
        }
    }

    async fn release_all(&mut self) {
        self.leases.release_all(LEAVE_TIMEOUT).await;
        let released = self.context.journal().release(self.context.owner(), None);
        match timeout(RELEASE_TIMEOUT, released).await {
            Ok(Ok(count)) => tracing::info!(kind = ?self.context.kind, count, "leases released"),
            Ok(Err(error)) => {
                tracing::warn!(kind = ?self.context.kind, %error, "cannot release the leases; other processes continue the streams when the leases expire");
            }
            Err(_) => {
                tracing::warn!(kind = ?self.context.kind, "database is too slow to release the leases; other processes continue the streams when the leases expire");
            }
        }
        self.count_streams(0);
    }

    /// Sets the metric of followed live streams. Operators plan the capacity by this metric, so streams of segments do
    /// not count: they are idle most of the time.
    fn count_streams(&self, count: usize) {
        if self.context.kind == SessionKind::Live {
            self.context.counters.streams.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
