//! Delivery of events to sinks. An event is first recorded in the outbox, as one message per sink. Each message is then
//! delivered, with retries, until the delivery succeeds or the message expires.
//!
//! ```text
//! DetectionEvent ─► OutboxPlanner ─► messages ─► Detections::record (one transaction with the detection)
//!                                               │ outbox
//!                              OutboxDispatcher: one worker per sink ─► claim ─► deliver ─► delivered │ retry later │ dead
//!                                                                  └ S3 · SNS · webhook · folder · standard output
//! ```
//!
//! A message contains everything that its delivery needs, in particular the key of its object, so that each attempt
//! writes the same content under the same key.

mod dispatcher;
mod envelope;
mod error;
mod hex;
mod key;
mod plan;
mod retention;
mod retry;
mod sink_worker;
mod sinks;
mod waker;

pub use dispatcher::{OutboxDispatcher, SinkControl};
pub use error::SinkConfigError;
pub use key::{DEFAULT_KEY, KeyTemplate, KeyTemplateError, MAX_KEY_BYTES};
pub use plan::{CurrentSong, DetectionEvent, OutboxPlanner};
pub use retention::RetentionJob;
pub use sinks::SharedLineWriter;
pub use waker::Waker;
