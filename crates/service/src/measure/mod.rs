//! What the service counts of itself: each part adds to it, `/metrics` and CloudWatch tell it.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, much: u64) {
        self.0.fetch_add(much, Ordering::Relaxed);
    }

    /// How much it is.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// What it is now.
    pub fn set(&self, value: i64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Adds to it.
    pub fn add(&self, much: i64) {
        self.0.fetch_add(much, Ordering::Relaxed);
    }

    /// What it is.
    #[must_use]
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Everything that is counted in one process.
#[derive(Debug, Default)]
pub struct Measures {
    /// Messages that were taken from queues and handled.
    pub messages_handled: Counter,
    /// Messages that nobody could understand: in the queue of dead letters now.
    pub messages_buried: Counter,
    /// Messages whose handling failed; they come again.
    pub messages_failed: Counter,
    /// Tracks in the index that the process searches.
    pub index_tracks: Gauge,
    /// Streams that this process follows.
    pub streams: Gauge,
    /// Streams of all processes that nobody follows yet.
    pub streams_waiting: Gauge,
    /// Streams that were taken over from another process.
    pub streams_taken_over: Counter,
    /// Streams that failed for good.
    pub streams_failed: Counter,
    /// Leases that were lost.
    pub leases_lost: Counter,
    /// Airings that were found.
    pub airings: Counter,
    /// Files that were checked.
    pub files_checked: Counter,
    /// Files that were indexed.
    pub files_indexed: Counter,
    /// Files whose check or indexing failed for good.
    pub files_failed: Counter,
    /// Milliseconds of sound in files that were checked.
    pub file_milliseconds: Counter,
    /// Messages of the outbox that were delivered.
    pub delivered: Counter,
    /// Deliveries that failed and are tried again.
    pub delivery_failures: Counter,
    /// Deliveries that were given up.
    pub deliveries_dead: Counter,
}
