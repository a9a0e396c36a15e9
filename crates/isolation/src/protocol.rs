//! Messages between parent and child.

use refrain_core::fingerprint::Density;
use serde::{Deserialize, Serialize};

use crate::audio::{Fingerprinted, OpenRequest, OpenedAudio, ReadRequest, WireError};

/// First command-line argument with which a program runs as a child; see [`enable`](crate::enable).
pub const CHILD_ARGUMENT: &str = "__decode";

/// Messages from parent to child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ChildRequest {
    /// Opens an input: a file or byte stream to decode.
    Open(OpenRequest),
    /// Requests the next samples of the open input.
    Next,
    /// Requests the fingerprint of the whole open input.
    Fingerprint(Density),
    /// Closes the open input.
    Close,
    /// Bytes of the input, as the reply to [`ChildReply::Read`]. Empty at the end of the input.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Reply to [`ChildReply::Read`] if reading failed: error code of the operating system (`None` if the error has no
    /// code), and message of the error.
    ReadError(Option<i32>, String),
    /// A request to a session: a decoder of a stream.
    DecoderSession {
        session: u64,
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// Closes the sessions with these ids.
    CloseSessions(Vec<u64>),
}

/// Messages from child to parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ChildReply {
    /// The input is open. Contains its tags and format.
    Opened(Box<OpenedAudio>),
    /// The next samples as little-endian 32-bit floats, and the state of the input after them. No samples mean the end
    /// of the input.
    Samples(#[serde(with = "serde_bytes")] Vec<u8>, Box<OpenedAudio>),
    /// The fingerprint of the whole input.
    Fingerprint(Box<Fingerprinted>),
    /// The input cannot be opened or decoded, for this reason.
    Failed(WireError),
    /// Requests bytes of the input from the parent.
    Read(ReadRequest),
    /// The result of a request to a session.
    DecoderSession(#[serde(with = "serde_bytes")] Vec<u8>),
}
