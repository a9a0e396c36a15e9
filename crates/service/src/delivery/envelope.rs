//! The payload of messages in the outbox. It contains everything that a delivery needs, so that each attempt delivers
//! the same content.

use serde::{Deserialize, Serialize};

/// Version of the payloads that this program writes.
const VERSION: u32 = 1;

/// The payload of a message in the outbox, as JSON:
///
/// ```json
/// {"version": 1, "event": "start", "stream": "st-1", "key": "st-1/st-1_2026_11_21T10_57_55+0000.json", "body": "{…}"}
/// ```
///
/// `key` is the key of the object in a bucket, or the path of the file below a folder. It is missing for other kinds of
/// sinks. `body` is the text that is delivered, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Envelope {
    version: u32,
    /// Type of the event: `start`, `update`, `final` or `change`.
    pub(super) event: String,
    /// Name of the stream or file: the `unknownAssetID` of the response.
    pub(super) stream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    pub(super) body: String,
}

/// Error of a payload that this version of the program cannot read.
#[derive(Debug, thiserror::Error)]
pub(super) enum EnvelopeError {
    /// The payload is invalid JSON or lacks a field.
    #[error("the message in the outbox is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// A newer version of the program wrote the payload.
    #[error(
        "the message in the outbox has version {0}, this refrain supports {VERSION}; update refrain, then run \
         `refrain outbox retry`"
    )]
    Newer(u32),
}

impl Envelope {
    pub(super) fn new(event: &str, stream: &str, key: Option<String>, body: String) -> Self {
        Self { version: VERSION, event: event.to_owned(), stream: stream.to_owned(), key, body }
    }

    pub(super) fn to_json(&self) -> String {
        // Strings and numbers can always be serialized.
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn parse(json: &str) -> Result<Self, EnvelopeError> {
        // The fields are parsed before the version is compared, so each later version must keep these fields. Without
        // them, a message of a later version would count as damaged and be dropped instead of retried.
        let envelope: Self = serde_json::from_str(json)?;
        if envelope.version > VERSION { Err(EnvelopeError::Newer(envelope.version)) } else { Ok(envelope) }
    }
}
