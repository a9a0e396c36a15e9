//! A track as JSON.

use refrain_catalog::{Metadata, Rule, Track};
use refrain_service::response::am_item_id;
use serde::{Deserialize, Serialize};

/// What `list`, `show` and `export` say of a track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    pub(super) id: String,
    /// Follows from the id; for readers only.
    #[serde(rename = "amItemID")]
    pub(super) am_item_id: String,
    pub(super) source: String,
    /// BLAKE3 of the file, hexadecimal.
    pub(super) content: String,
    pub(super) seconds: f64,
    pub(super) metadata: Metadata,
    pub(super) rule: Option<Rule>,
    /// Milliseconds since the Unix epoch.
    pub(super) added_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) removed_at: Option<i64>,
    /// The packed constellation in base64; in exports only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) constellation: Option<String>,
}

impl Row {
    /// The row of a track, without its constellation.
    pub(super) fn new(track: Track) -> Self {
        Self {
            id: track.id.to_string(),
            am_item_id: am_item_id(track.id),
            source: track.source,
            content: blake3::Hash::from_bytes(track.content.0).to_hex().to_string(),
            seconds: track.seconds,
            metadata: track.metadata,
            rule: track.rule,
            added_at: track.added_at,
            removed_at: track.removed_at,
            constellation: None,
        }
    }
}
