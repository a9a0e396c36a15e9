//! The long-running parts of Refrain: the monitor of live streams, the registry of streams that several processes share, the
//! queue consumers that add and remove streams, and the responses that report detections.
//!
//! ```text
//! source (tokio) ─► queue ─► StreamWorker (pool of threads) ─► StreamEvent ─► Reporter ─► Response ─► file, line
//! ```
//!
//! `intake` receives messages from queues. `streams` turns events into rows of the database and leases these rows. A process
//! follows the streams that it has leased with one monitor, and writes each detection into the journal before it is delivered.
//!
//! Types of HTTP and of cloud services are used in this crate only: `core` processes audio, `catalog` stores tracks, `stream`
//! reads sources.

pub mod delivery;
pub mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    //! Entry points to private parsers for the fuzz targets; not part of the public interface.
    pub use crate::files::fuzzing::{object_events, object_route};
    pub use crate::http::fuzzing::{add_stream, queries};
}
pub mod http;
pub mod instance;
pub mod intake;
pub mod measure;
pub mod metadata;
pub mod metrics;
pub mod monitor;
pub mod outside;
pub mod response;
pub mod serve;
pub mod settings;
pub mod sound;
pub mod streams;
mod wait;
