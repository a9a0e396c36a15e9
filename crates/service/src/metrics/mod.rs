//! What is measured, told in the form of Prometheus and in that of CloudWatch.

mod emf;
mod prometheus;

use std::sync::Arc;

use refrain_stream::GapReason;

use crate::measure::Measures;
use crate::monitor::StreamStatus;

pub use emf::Emf;
pub use prometheus::{CONTENT_TYPE, text};

/// Every stream that this process follows, by its id.
pub type Statuses = Arc<dyn Fn() -> Vec<(String, StreamStatus)> + Send + Sync>;

/// How full the outbox is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Outbox {
    /// Messages that wait.
    pub due: u64,
    /// Age of the oldest of these, seconds.
    pub oldest_seconds: f64,
    /// Messages that were given up.
    pub dead: u64,
}

/// What is known at one moment.
#[derive(Debug, Clone)]
pub struct Reading {
    /// Whether the process is ready.
    pub ready: bool,
    /// Streams that it takes at most.
    pub capacity: u32,
    /// What its parts count.
    pub measures: Arc<Measures>,
    /// Its streams.
    pub streams: Vec<(String, StreamStatus)>,
    /// The outbox of the whole service, if the database could be asked.
    pub outbox: Option<Outbox>,
}

impl Reading {
    /// Streams held as a share of what is taken, percent; one that takes none is full of nothing.
    fn utilization(&self) -> f64 {
        match self.capacity {
            0 => 0.0,
            capacity => 100.0 * self.streams.len() as f64 / f64::from(capacity),
        }
    }
}

/// Seconds of sound that were left out because the machine was too slow, or came too late to it.
fn dropped(status: &StreamStatus) -> f64 {
    status.ear.gaps.of(GapReason::Dropped).seconds
}
