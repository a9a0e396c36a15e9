//! The JSON form of a track.

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine};
use refrain_app::response::am_item_id;
use refrain_catalog::{ContentHash, Metadata, NewTrack, Rule, Track};
use refrain_core::fingerprint::Constellation;
use serde::{Deserialize, Serialize};

/// The JSON form of a track in `tracks list`, `tracks show` and `tracks export`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TrackRow {
    pub(super) id: String,
    /// The amItemID, which is derived from the ID. An import ignores it.
    #[serde(rename = "amItemID")]
    pub(super) am_item_id: String,
    pub(super) source: String,
    /// BLAKE3 hash of the file, in hexadecimal digits.
    pub(super) content: String,
    pub(super) seconds: f64,
    pub(super) metadata: Metadata,
    pub(super) rule: Option<Rule>,
    /// Time at which the track was added, in milliseconds since the Unix epoch.
    pub(super) added_at: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) removed_at: Option<i64>,
    /// The packed constellation in base64; `None` except in exports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) constellation: Option<String>,
}

impl TrackRow {
    /// Creates the row of a track, without its constellation.
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

/// Converts a row of an export to a track for the catalog.
///
/// # Errors
/// If a value is missing or damaged, including the constellation.
pub(super) fn new_track(row: TrackRow) -> Result<NewTrack> {
    let packed = row.constellation.context("invalid track: the constellation is missing")?;
    let constellation = BASE64_STANDARD.decode(packed).context("damaged: the constellation is not base64")?;
    // The constellation is parsed only to validate it. The catalog stores the packed bytes.
    Constellation::from_bytes(&constellation)?;
    let content = blake3::Hash::from_hex(&row.content).context("damaged: invalid content hash")?;
    Ok(NewTrack {
        id: Some(row.id.parse().context("damaged: invalid ID")?),
        source: row.source,
        content: ContentHash(*content.as_bytes()),
        seconds: row.seconds,
        metadata: row.metadata,
        rule: row.rule,
        constellation,
    })
}
