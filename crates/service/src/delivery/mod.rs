//! Delivery of events to sinks: events are first recorded in the outbox, then delivered until that succeeds or they expire.
//!
//! ```text
//! News ─► Planner ─► messages ─► Journal::record (one transaction with the detection)
//!                                     │ outbox
//!                    Courier: one lane per sink ─► claim ─► deliver ─► delivered │ retry later │ dead
//!                                                        └ S3 · SNS · webhook · folder · standard output
//! ```
//!
//! A message contains everything that its delivery needs, in particular the key of its object, so that each attempt writes
//! the same content to the same place.

mod dispatcher;
mod envelope;
mod key;
mod plan;
mod retention;
mod retry;
mod sink_worker;
mod sinks;

pub use dispatcher::{OutboxDispatcher, SinkConfigError, Waker};
pub use key::{DEFAULT_KEY, KeyTemplate, KeyTemplateError, MAX_KEY_BYTES};
pub use plan::{CurrentSong, DetectionEvent, OutboxPlanner};
pub use retention::RetentionJob;
pub use sinks::SharedLineWriter;
