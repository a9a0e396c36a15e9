//! Monitors the process: checks the database, detects hanging threads, counts the outbox and writes metrics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError, SinkBacklog};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ProcessHealth, StderrLines};
use crate::clock::{Clock, SystemClock};
use crate::counters::Counters;
use crate::metrics::{Emf, MetricsSnapshot, OutboxLevel, Statuses};
use crate::settings::EmfSettings;
use refrain_monitor::StreamStatus;

/// Interval of the checks of the database. `/readyz` reports an outage at most this time late. At half this value, each
/// idle process causes twice the queries; at twice this value, load balancers send requests to an unready process for
/// 10 s.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// Timeout of a call to the database. It is below [`CHECK_INTERVAL`], so that a database that hangs is noticed in each
/// interval. At half this value, a busy database counts as unavailable; at twice this value, `/readyz` reports a
/// database that hangs 4 s later.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(4);

/// Number of checks of the database per count of the outbox, so the outbox is counted every 15 s. Counting reads an
/// index of all waiting messages. With 1, counting costs three times as much; with 6, the metrics of the outbox are up
/// to 30 s old.
const CHECKS_PER_COUNT: u32 = 3;

/// If a stream has queued audio and none of it is processed for this time, the threads are considered to hang, and
/// `/healthz` fails. Processing a segment takes well below a second; a cold index on a slow disk can take minutes. At
/// half this value, such an index could restart a healthy process; at twice this value, hanging threads lose ten
/// minutes of audio.
const HANG_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Monitors the process, and stores the last count of the outbox for the metrics.
pub(super) struct Watch {
    health: Arc<ProcessHealth>,
    counters: Arc<Counters>,
    capacity: u32,
    statuses: Mutex<Option<Statuses>>,
    outbox: Mutex<Option<OutboxLevel>>,
    /// Names of the sinks of the settings.
    sinks: Mutex<Vec<String>>,
    /// True if it was logged that messages wait for sinks that are not in the settings.
    is_warned: AtomicBool,
}

/// Position of each stream with queued audio, and the time since which the position has not changed.
#[derive(Default)]
struct DecodeProgress(HashMap<String, (f64, Instant)>);

impl Watch {
    pub(super) fn new(
        health: Arc<ProcessHealth>,
        counters: Arc<Counters>,
        capacity: u32,
        sinks: Vec<String>,
    ) -> Self {
        let (statuses, outbox, is_warned) = Default::default();
        Self { health, counters, capacity, statuses, outbox, sinks: Mutex::new(sinks), is_warned }
    }

    /// Sets the function that returns the followed streams. Before this call, the process counts as following no
    /// stream.
    pub(super) fn set_statuses(&self, statuses: Statuses) {
        *self.statuses.lock().unwrap_or_else(PoisonError::into_inner) = Some(statuses);
    }

    /// Replaces the names of the sinks of the settings.
    pub(super) fn set_sinks(&self, sinks: Vec<String>) {
        *self.sinks() = sinks;
        self.is_warned.store(false, Ordering::Relaxed);
    }

    fn sinks(&self) -> MutexGuard<'_, Vec<String>> {
        self.sinks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the streams that this process follows.
    pub(super) fn streams(&self) -> Vec<(String, StreamStatus)> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        statuses.map(|statuses| statuses()).unwrap_or_default()
    }

    /// Returns the current values of the metrics.
    pub(super) fn metrics_snapshot(&self) -> MetricsSnapshot {
        MetricsSnapshot {
            ready: self.health.not_ready().is_empty(),
            capacity: self.capacity,
            counters: Arc::clone(&self.counters),
            streams: self.streams(),
            outbox: *self.outbox.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Checks the database at a fixed interval until `stop` is cancelled.
    pub(super) async fn database(self: Arc<Self>, catalog: Arc<dyn Catalog>, stop: CancellationToken) {
        let (mut round, mut progress) = (0u32, DecodeProgress::default());
        loop {
            let answered = self.check_database(&*catalog).await;
            if answered && round.is_multiple_of(CHECKS_PER_COUNT) {
                self.count(&*catalog).await;
            }
            round = round.wrapping_add(1);
            // While the database is unavailable, no event can be written, so streams do not continue. This does not
            // mean that their threads hang.
            let hangs = answered && progress.hangs(&self.streams(), Instant::now());
            self.health.set_broken(hangs.then(|| {
                format!("no stream with queued audio made progress for {} s", HANG_TIMEOUT.as_secs())
            }));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CHECK_INTERVAL) => {}
            }
        }
    }

    async fn check_database(&self, catalog: &dyn Catalog) -> bool {
        match tokio::time::timeout(DATABASE_TIMEOUT, catalog.position()).await {
            Ok(Ok(_)) => {
                self.health.set_database_available();
                true
            }
            Ok(Err(error)) => {
                let refused = matches!(error, CatalogError::LoginRefused { .. });
                self.health.set_database_unavailable(&error.to_string(), refused);
                false
            }
            Err(_) => {
                let why = format!("no answer within {} s", DATABASE_TIMEOUT.as_secs());
                self.health.set_database_unavailable(&why, false);
                false
            }
        }
    }

    async fn count(&self, catalog: &dyn Catalog) {
        // If the outbox cannot be counted now, its metrics are omitted: old values would be wrong.
        let counted = tokio::time::timeout(DATABASE_TIMEOUT, catalog.journal().sink_backlogs()).await;
        let outbox = counted.ok().and_then(Result::ok).map(|all| self.outbox(&all));
        *self.outbox.lock().unwrap_or_else(PoisonError::into_inner) = outbox;
    }

    /// Sums the messages of the sinks in the settings; of all sinks if the settings have none. Messages of a removed
    /// sink are never delivered, so an alarm on their age would last until they expire.
    fn outbox(&self, all: &[SinkBacklog]) -> OutboxLevel {
        let known = self.sinks().clone();
        let (configured, unconfigured): (Vec<_>, Vec<_>) =
            all.iter().partition(|one| known.contains(&one.sink));
        let unconfigured_messages: u64 = unconfigured.iter().map(|one| one.backlog.waiting).sum();
        // A process without sinks does not know which sinks are in the settings of other processes.
        if unconfigured_messages > 0 && !known.is_empty() && !self.is_warned.swap(true, Ordering::Relaxed) {
            let sinks: Vec<&str> = unconfigured.iter().map(|one| one.sink.as_str()).collect();
            tracing::warn!(
                ?sinks,
                messages = unconfigured_messages,
                "messages wait for sinks that are not in the settings; add the sinks, or run `refrain outbox drop`"
            );
        }
        let configured = if known.is_empty() { all.iter().collect() } else { configured };
        let oldest_at = configured.iter().filter_map(|one| one.backlog.oldest_at).min();
        OutboxLevel {
            due: configured.iter().map(|one| one.backlog.waiting).sum(),
            oldest_seconds: oldest_at
                .map_or(0.0, |at| SystemClock.now().saturating_sub(at).max(0) as f64 / 1000.0),
            dead: configured.iter().map(|one| one.backlog.dead).sum(),
        }
    }

    /// Writes the metrics for CloudWatch at each interval until `stop` is cancelled, and once more at the end.
    pub(super) async fn emf(
        self: Arc<Self>,
        settings: EmfSettings,
        lines: StderrLines,
        stop: CancellationToken,
    ) {
        let interval = settings.interval;
        let mut emf = Emf::new(settings);
        loop {
            let over = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(interval) => false,
            };
            for line in emf.lines(&self.metrics_snapshot(), SystemClock.now()) {
                lines(&line);
            }
            if over {
                return;
            }
        }
    }
}

impl DecodeProgress {
    /// Returns true if streams have queued audio, and none of them has made progress for [`HANG_TIMEOUT`].
    fn hangs(&mut self, streams: &[(String, StreamStatus)], now: Instant) -> bool {
        let waiting = streams.iter().filter(|(_, status)| status.queued_seconds > 0.0 && !status.is_over);
        let mut next = HashMap::new();
        for (id, status) in waiting {
            let since = match self.0.get(id) {
                Some((position, since)) if *position == status.position => *since,
                _ => now,
            };
            next.insert(id.clone(), (status.position, since));
        }
        self.0 = next;
        !self.0.is_empty() && self.0.values().all(|(_, since)| now.duration_since(*since) >= HANG_TIMEOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_hang_if_no_stream_with_queued_audio_makes_progress() {
        let mut progress = DecodeProgress::default();
        let stream = |id: &str, position, queued_seconds| {
            (id.to_owned(), StreamStatus { position, queued_seconds, ..StreamStatus::default() })
        };
        let began = Instant::now();
        let long = began + HANG_TIMEOUT;
        assert!(!progress.hangs(&[stream("a", 1.0, 2.0), stream("b", 1.0, 0.0)], began));
        assert!(progress.hangs(&[stream("a", 1.0, 2.0), stream("b", 1.0, 0.0)], long));
        assert!(!progress.hangs(&[stream("a", 1.0, 2.0), stream("c", 1.0, 2.0)], long), "one stream is new");
        assert!(!progress.hangs(&[stream("a", 1.5, 2.0)], long), "the stream made progress");
        assert!(!progress.hangs(&[stream("a", 1.5, 0.0)], long + HANG_TIMEOUT), "no audio is queued");
        assert!(!progress.hangs(&[], long + HANG_TIMEOUT));
    }
}
