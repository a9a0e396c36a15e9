//! Messages between parent and child.

use refrain_core::fingerprint::Density;
use serde::{Deserialize, Serialize};

use crate::audio::{Fingerprinted, OpenRequest, OpenedAudio, ReadRequest, WireError};

/// First command-line argument of a program that runs as a child.
pub const CHILD_ARGUMENT: &str = "__decode";

/// Messages from parent to child.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ChildRequest {
    /// Opens an input.
    Open(OpenRequest),
    /// Requests the next samples of the input.
    Next,
    /// Requests the fingerprint of the whole input.
    Fingerprint(Density),
    /// Ends the input.
    Close,
    /// Bytes of the input that the child requested; empty at the end of the input.
    Bytes(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Reading the input failed with this error code and text.
    ReadError(Option<i32>, String),
    /// A request to a session.
    DecoderSession {
        session: u64,
        #[serde(with = "serde_bytes")]
        body: Vec<u8>,
    },
    /// Sessions that ended.
    CloseSessions(Vec<u64>),
}

/// Messages from child to parent.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum ChildReply {
    /// The input is open.
    Opened(Box<OpenedAudio>),
    /// Samples as little-endian bytes, and the state of the input after them. Empty at the end of the input.
    Samples(#[serde(with = "serde_bytes")] Vec<u8>, Box<OpenedAudio>),
    /// The fingerprint of the input.
    Fingerprint(Box<Fingerprinted>),
    /// The input cannot be decoded.
    Failed(WireError),
    /// Requests bytes of the input.
    Read(ReadRequest),
    /// The result of a request to a session.
    DecoderSession(#[serde(with = "serde_bytes")] Vec<u8>),
}
