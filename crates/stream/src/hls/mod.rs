//! HLS, live and recorded (RFC 8216, and of its successor what Low-Latency HLS needs).
//!
//! [`HlsSource`] follows a playlist: it chooses a rendition, loads the playlist as the specification times it, fetches
//! each segment once, decrypts it, and delivers segments and gaps in order. At the live edge of Low-Latency HLS the segment
//! that is being made comes part by part. It goes on whatever the server does, and says in its [`SourceStatus`] how it is doing; it ends with the playlist, or after a long time without news.

mod entry;
mod follow;
mod key;
pub mod playlist;
mod rendition;
mod settings;
mod status;

pub use entry::Entry;
pub use follow::HlsSource;
pub use settings::{HlsSettings, RenditionChoice, Start};
pub use status::{EndReason, HlsError, SourceState, SourceStatus};
