//! Metrics of the process, in the formats of Prometheus and CloudWatch.

mod emf;
mod health;
mod prometheus;

use std::sync::Arc;

use refrain_stream::GapReason;

use crate::counters::Counters;
use refrain_monitor::StreamStatus;

pub use emf::Emf;
pub use prometheus::{CONTENT_TYPE, text};

/// Function that returns the id and status of every stream that this process follows.
pub type Statuses = Arc<dyn Fn() -> Vec<(String, StreamStatus)> + Send + Sync>;

/// Number and age of the messages in the outbox.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OutboxLevel {
    /// Number of messages that wait for delivery.
    pub due: u64,
    /// Age of the oldest of these messages, in seconds; 0 if no message waits.
    pub oldest_seconds: f64,
    /// Number of messages whose delivery failed permanently.
    pub dead: u64,
}

/// The values of all metrics at one moment.
#[derive(Debug, Clone)]
pub struct MetricsSnapshot {
    /// True if the process is ready.
    pub ready: bool,
    /// Maximum number of streams of the process; 0 without the role `monitor`.
    pub capacity: u32,
    /// Counters of the process.
    pub counters: Arc<Counters>,
    /// Id and status of each stream that the process follows.
    pub streams: Vec<(String, StreamStatus)>,
    /// The outbox of the whole service; `None` if the database could not be read.
    pub outbox: Option<OutboxLevel>,
}

impl MetricsSnapshot {
    /// Returns the number of streams as a percentage of the capacity; 0 if the capacity is 0.
    fn utilization(&self) -> f64 {
        match self.capacity {
            // A process without the role `monitor` has no capacity; a division would give NaN.
            0 => 0.0,
            capacity => 100.0 * self.streams.len() as f64 / f64::from(capacity),
        }
    }
}

/// Returns the duration of the audio that was dropped because the machine was too slow, or because the audio arrived
/// too late, in seconds.
fn dropped(status: &StreamStatus) -> f64 {
    status.decoder.gaps.of(GapReason::Dropped).seconds
}
