//! What runs for long: the monitor of live streams, the streams that many processes share, the queues that tell of them,
//! and the responses that are written of what was heard.
//!
//! ```text
//! source (tokio) ─► queue ─► StreamWorker (pool of threads) ─► StreamEvent ─► Reporter ─► Response ─► file, line
//! ```
//!
//! `intake` takes messages from queues, `streams` makes rows of events and leases of rows; a process follows what it has
//! leased with its one monitor, and writes what is heard into the journal before anybody is told.
//!
//! Types of HTTP and of clouds stop here: `core` knows sound, `catalog` knows tracks, `stream` knows sources.

pub mod delivery;
pub mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing {
    //! Entry points to private parsers for the fuzz targets; no part of the interface.
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
