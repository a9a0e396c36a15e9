//! What runs for long: the monitor of live streams, and the responses that are written of what was heard.
//!
//! ```text
//! source (tokio) ─► queue ─► StreamWorker (pool of threads) ─► StreamEvent ─► Reporter ─► Response ─► file, line
//! ```
//!
//! Types of HTTP and of clouds stop here: `core` knows sound, `catalog` knows tracks, `stream` knows sources.

pub mod delivery;
pub mod files;
pub mod http;
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
