//! Follows many live streams in one process and emits an event for each airing while it plays.
//!
//! ```text
//! follow (tokio, one task a stream): source ─► DeliveryQueue, bounded ─┐
//!                                                                      ├─► WorkerPool (threads): one job per stream
//! SnapshotSource: one snapshot for all ────────────────────────────────┘     StreamWorker: decode ► search
//!                                                                               └─► Detection ► Reporter ► Response
//! ```
//!
//! Audio is never processed on a thread of tokio. A stream has at most one job at a time. After each job, the stream
//! goes to the end of the queue of the pool, so a slow or expensive stream does not delay the others. If the pool
//! cannot keep up, the oldest queued media of a live stream is dropped, and the stream contains a gap with the reason
//! `Dropped`.

mod airings;
mod decode;
mod follow;
mod handle;
mod health;
mod index;
mod invariants;
mod kind;
mod lock;
mod pool;
mod queue;
mod report;
mod search;
mod snapshot_source;
mod source;
mod source_watch;
mod stage_times;
mod state;
mod status;
mod stream;
mod worker;

pub use decode::{ChildDecoders, DecodeError};
pub use handle::{Monitor, MonitorError, MonitorSettings, StreamHandle};
pub use health::{ActiveAlert, AlertQueue, HealthAlert, ReportedAlerts, StreamHealth, rfc3339};
pub use index::FollowedIndex;
pub use refrain_core::audio::health::{AlertKind, AlertReading, HealthSnapshot, HealthThresholds};
pub use refrain_core::matching::live::EventKind;
pub use report::{Reporter, response};
pub use snapshot_source::SnapshotSource;
pub use source::{AudioPreferences, SourceSettings, StreamInput, StreamSpec};
pub use stage_times::StageTimes;
pub use state::{GiveUpBudget, StreamEnd, StreamPhase};
pub use status::{CurrentAiring, SourceCounters, SourceKind, StreamStatus};
pub use worker::StreamWorker;
