//! Decodes files and byte streams in a child process.

mod error;
mod message;
mod reader;
mod remote;
mod serve;

pub(crate) use error::WireError;
pub(crate) use message::{OpenRequest, OpenedAudio, ReadRequest};
pub(crate) use serve::serve_input;

pub use message::Fingerprinted;
pub use reader::{Reader, open_path, open_seekable, open_stream};
