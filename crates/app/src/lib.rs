//! The use cases that the commands and the service share: audio files that are identified or indexed, the metadata of
//! tracks, and the JSON response that reports matches.
//!
//! ```text
//! file ─► refrain_isolation ─► audio_file: identify ─► response ─► JSON
//!                                          index    ─► catalog (metadata from tags and from the caller)
//! ```
//!
//! No code in this crate depends on a server, a cloud service or a terminal.

pub mod audio_file;
mod calendar;
pub mod metadata;
pub mod response;
