//! Counters of the service. All components increment them; `/metrics` and the metrics for CloudWatch report them.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only increases.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `amount` to the counter.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Returns the current value.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that can increase and decrease.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds `amount` to the value.
    pub fn add(&self, amount: i64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Returns the current value.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All counters of one process.
#[derive(Debug, Default)]
pub struct Counters {
    /// Messages that were received from queues and handled.
    pub messages_handled: Counter,
    /// Messages that were moved to the dead-letter queue.
    pub messages_dead_lettered: Counter,
    /// Messages whose handling failed and is retried.
    pub messages_failed: Counter,
    /// Tracks in the index that the process searches.
    pub index_tracks: Gauge,
    /// Streams that this process follows.
    pub streams: Gauge,
    /// Streams of the whole service that no process follows.
    pub streams_waiting: Gauge,
    /// Streams that this process took over from another process.
    pub streams_taken_over: Counter,
    /// Streams that failed permanently.
    pub streams_failed: Counter,
    /// Leases of streams that this process lost to another process.
    pub leases_lost: Counter,
    /// Airings that were detected.
    pub airings: Counter,
    /// Files that were checked.
    pub files_checked: Counter,
    /// Files that were indexed as new tracks or with new content.
    pub files_indexed: Counter,
    /// Files whose check or indexing failed permanently.
    pub files_failed: Counter,
    /// Milliseconds of audio in files that were checked.
    pub file_milliseconds: Counter,
    /// Messages of the outbox that were delivered.
    pub delivered: Counter,
    /// Deliveries that failed and are retried.
    pub delivery_failures: Counter,
    /// Deliveries that failed permanently.
    pub deliveries_dead: Counter,
}
