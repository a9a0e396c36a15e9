//! Monitors the process: checks the database, detects hanging threads, counts the outbox and writes metrics.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use refrain_catalog::{Catalog, CatalogError, SinkBacklog};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Health, Lines};
use crate::measure::Measures;
use crate::metrics::{Emf, Outbox, Reading, Statuses};
use crate::settings::EmfSettings;
use refrain_monitor::StreamStatus;

/// Interval of the checks of the database.
const ASKED_EVERY: Duration = Duration::from_secs(5);

/// Timeout of a call to the database.
const PATIENCE: Duration = Duration::from_secs(4);

/// The outbox is counted at each check of the database whose number is a multiple of this.
const COUNTED_EVERY: u32 = 3;

/// If a stream has queued audio and none of it is processed for this time, the threads are considered to hang.
const HANGS_AFTER: Duration = Duration::from_secs(5 * 60);

/// State of the monitoring.
pub(super) struct Watch {
    health: Arc<Health>,
    measures: Arc<Measures>,
    capacity: u32,
    statuses: Mutex<Option<Statuses>>,
    outbox: Mutex<Option<Outbox>>,
    /// Names of the sinks of the settings.
    sinks: Vec<String>,
    /// True if messages for other sinks were logged.
    is_warned: AtomicBool,
}

/// Position of each stream with queued audio, and the time since which it has not changed.
#[derive(Default)]
struct Progress(HashMap<String, (f64, Instant)>);

impl Watch {
    pub(super) fn new(
        health: Arc<Health>,
        measures: Arc<Measures>,
        capacity: u32,
        sinks: Vec<String>,
    ) -> Self {
        let (statuses, outbox, is_warned) = Default::default();
        Self { health, measures, capacity, statuses, outbox, sinks, is_warned }
    }

    /// Sets the source of the streams that are monitored.
    pub(super) fn look_at(&self, statuses: Statuses) {
        *self.statuses.lock().unwrap_or_else(PoisonError::into_inner) = Some(statuses);
    }

    /// Returns the streams that this process follows.
    pub(super) fn streams(&self) -> Vec<(String, StreamStatus)> {
        let statuses = self.statuses.lock().unwrap_or_else(PoisonError::into_inner).clone();
        statuses.map(|statuses| statuses()).unwrap_or_default()
    }

    /// Returns the current values of the metrics.
    pub(super) fn reading(&self) -> Reading {
        Reading {
            ready: self.health.not_ready().is_empty(),
            capacity: self.capacity,
            measures: Arc::clone(&self.measures),
            streams: self.streams(),
            outbox: *self.outbox.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Checks the database at a fixed interval until `stop` is cancelled.
    pub(super) async fn database(self: Arc<Self>, catalog: Arc<dyn Catalog>, stop: CancellationToken) {
        let (mut round, mut progress) = (0u32, Progress::default());
        loop {
            let answered = self.ask(&*catalog).await;
            if answered && round.is_multiple_of(COUNTED_EVERY) {
                self.count(&*catalog).await;
            }
            round = round.wrapping_add(1);
            // While the database is unavailable, no event can be written, so streams wait: their threads do not hang.
            let hangs = answered && progress.hangs(&self.streams(), Instant::now());
            self.health.broken(hangs.then(|| "the threads that process audio hang".to_owned()));
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(ASKED_EVERY) => {}
            }
        }
    }

    async fn ask(&self, catalog: &dyn Catalog) -> bool {
        match tokio::time::timeout(PATIENCE, catalog.position()).await {
            Ok(Ok(_)) => {
                self.health.database_answers();
                true
            }
            Ok(Err(error)) => {
                let refused = matches!(error, CatalogError::LoginRefused { .. });
                self.health.database_fails(&error.to_string(), refused);
                false
            }
            Err(_) => {
                self.health.database_fails("it does not answer", false);
                false
            }
        }
    }

    async fn count(&self, catalog: &dyn Catalog) {
        // If the outbox cannot be counted now, its metrics are omitted: old values would be wrong.
        let counted = tokio::time::timeout(PATIENCE, catalog.journal().backlogs()).await;
        let outbox = counted.ok().and_then(Result::ok).map(|all| self.outbox(&all));
        *self.outbox.lock().unwrap_or_else(PoisonError::into_inner) = outbox;
    }

    /// Sums the messages of the sinks in the settings. Messages of a sink that was removed are not delivered and expire: an
    /// alarm on their age could never end.
    fn outbox(&self, all: &[SinkBacklog]) -> Outbox {
        let (ours, others): (Vec<_>, Vec<_>) = all.iter().partition(|one| self.sinks.contains(&one.sink));
        let stray: u64 = others.iter().map(|one| one.backlog.waiting).sum();
        // A process without sinks does not know which sinks are in the settings of other processes.
        if stray > 0 && !self.sinks.is_empty() && !self.is_warned.swap(true, Ordering::Relaxed) {
            let sinks: Vec<&str> = others.iter().map(|one| one.sink.as_str()).collect();
            tracing::warn!(?sinks, messages = stray, "messages wait for sinks that are not in the settings");
        }
        let ours = if self.sinks.is_empty() { all.iter().collect() } else { ours };
        let oldest_at = ours.iter().filter_map(|one| one.backlog.oldest_at).min();
        Outbox {
            due: ours.iter().map(|one| one.backlog.waiting).sum(),
            oldest_seconds: oldest_at.map_or(0.0, |at| now().saturating_sub(at).max(0) as f64 / 1000.0),
            dead: ours.iter().map(|one| one.backlog.dead).sum(),
        }
    }

    /// Writes the metrics for CloudWatch at each interval until `stop` is cancelled, and once more then.
    pub(super) async fn emf(self: Arc<Self>, settings: EmfSettings, lines: Lines, stop: CancellationToken) {
        let interval = settings.interval;
        let mut emf = Emf::new(settings);
        loop {
            let over = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(interval) => false,
            };
            for line in emf.lines(&self.reading(), now()) {
                lines(&line);
            }
            if over {
                return;
            }
        }
    }
}

impl Progress {
    /// Returns true if no stream with queued audio has made progress for too long.
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
        !self.0.is_empty() && self.0.values().all(|(_, since)| now.duration_since(*since) >= HANGS_AFTER)
    }
}

/// Returns the current time in milliseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_hang_if_no_stream_with_queued_audio_makes_progress() {
        let mut progress = Progress::default();
        let stream = |id: &str, position, queued_seconds| {
            (id.to_owned(), StreamStatus { position, queued_seconds, ..StreamStatus::default() })
        };
        let began = Instant::now();
        let long = began + HANGS_AFTER;
        assert!(!progress.hangs(&[stream("a", 1.0, 2.0), stream("b", 1.0, 0.0)], began));
        assert!(progress.hangs(&[stream("a", 1.0, 2.0), stream("b", 1.0, 0.0)], long));
        assert!(!progress.hangs(&[stream("a", 1.0, 2.0), stream("c", 1.0, 2.0)], long), "one stream is new");
        assert!(!progress.hangs(&[stream("a", 1.5, 2.0)], long), "the stream made progress");
        assert!(!progress.hangs(&[stream("a", 1.5, 0.0)], long + HANGS_AFTER), "no audio is queued");
        assert!(!progress.hangs(&[], long + HANGS_AFTER));
    }
}
