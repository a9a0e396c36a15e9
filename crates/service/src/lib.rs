//! The service: the registry of streams that several processes share, queue consumers, objects in buckets, and the
//! delivery of detections.
//!
//! ```text
//! queue ─► queue_consumer ─┬─► streams: rows, leases ─► refrain_monitor ─► detection + outbox row (one transaction) ─► delivery ─► sinks
//!                          └─► files: objects, checked or indexed ─────────┘
//! ```
//!
//! `queue_consumer` receives messages from queues. `streams` turns events into rows of the database and leases these
//! rows. A process follows the streams that it has leased with one monitor, and writes each detection into the journal
//! before it is delivered. [`serve::serve`] runs all components. The HTTP endpoints are those of `refrain_web`, which
//! receives a [`serve::ServiceView`].
//!
//! Cloud services are accessed through the traits of [`cloud`].

pub mod delivery;
pub mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    //! Entry points to private parsers for the fuzz targets; not part of the public interface.
    pub use crate::files::fuzzing::{object_events, object_route};
}
pub mod clock;
pub mod cloud;
pub mod counters;
pub mod instance;
pub mod metrics;
pub mod queue_consumer;
pub mod serve;
pub mod sessions;
pub mod settings;
pub mod streams;
mod wait;
