//! What stands in the outbox: all that a delivery needs, so that each try delivers the same.

use serde::{Deserialize, Serialize};

/// The version that is written.
const VERSION: u32 = 1;

/// The payload of a message in the outbox, as JSON:
///
/// ```json
/// {"version": 1, "event": "start", "stream": "st-1", "key": "st-1/st-1_2026_11_21T10_57_55+0000.json", "body": "{…}"}
/// ```
///
/// `key`, the key of an object or the path below a folder, is there for sinks that have one. `body` is the text that is
/// delivered, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope {
    version: u32,
    /// `start`, `update`, `final` or `change`.
    pub(super) event: String,
    /// The `unknownAssetID`.
    pub(super) stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    pub(super) body: String,
}

/// A payload that this version of the program does not understand.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvelopeError {
    /// No JSON, or not ours.
    #[error("the message in the outbox is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// From a newer program.
    #[error("the message in the outbox has version {0}; this program knows {VERSION}; update it, then retry")]
    Newer(u32),
}

impl Envelope {
    pub(super) fn new(event: &str, stream: &str, key: Option<String>, body: String) -> Self {
        Self { version: VERSION, event: event.to_owned(), stream: stream.to_owned(), key, body }
    }

    pub(super) fn to_json(&self) -> String {
        // Texts and a number can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn parse(json: &str) -> Result<Self, EnvelopeError> {
        let envelope: Self = serde_json::from_str(json)?;
        if envelope.version > VERSION { Err(EnvelopeError::Newer(envelope.version)) } else { Ok(envelope) }
    }
}
