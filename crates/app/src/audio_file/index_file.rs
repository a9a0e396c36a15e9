//! Converts decoded files to tracks of the catalog.

use refrain_catalog::{ContentHash, NewTrack, Rule, Track, TrackUpdate};
use refrain_core::fingerprint::Constellation;

use super::Fingerprinted;
use super::damage::damage;
use crate::metadata::{Fields, from_tags};

/// A track to add to the catalog, with its decoded constellation.
#[derive(Debug)]
pub struct IndexedTrack {
    /// The track as the catalog accepts it. The catalog assigns its number.
    pub track: NewTrack,
    /// The peaks of the track. `track` contains the same peaks in packed form.
    pub constellation: Constellation,
    /// Description of the parts of the file that could not be read; `None` if all could.
    pub damage: Option<String>,
}

/// Error for a file that contains no peaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: nothing to recognize in it: it is silent or has no tones; leave it out")]
pub struct NothingToIndex {
    source_name: String,
}

/// Converts a decoded file to a track for the catalog. `source` is the name under which the catalog stores the file.
///
/// `caller_fields` is called with the ISRC of the file's tags, or `None` if they have none. It returns the metadata
/// that the caller has for this file, or `None`. Fields that the caller does not give are taken from the tags. `rule`
/// is the rule of a track for which neither the caller nor the tags give one.
///
/// # Errors
/// [`NothingToIndex`] if the file has no peaks.
pub fn index_file(
    sound: Fingerprinted,
    source: &str,
    content: ContentHash,
    caller_fields: impl FnOnce(Option<&str>) -> Option<Fields>,
    rule: Option<Rule>,
) -> Result<IndexedTrack, NothingToIndex> {
    // A track without peaks could never be found, but would still be compared with every other track.
    if sound.constellation.peaks.is_empty() {
        return Err(NothingToIndex { source_name: source.to_owned() });
    }
    let tags = from_tags(&sound.tags);
    // The caller's fields override the tags, because tags are often wrong and the caller has chosen its values.
    let fields = caller_fields(tags.metadata.isrc.as_deref()).unwrap_or_default().over(tags);
    let track = NewTrack {
        id: None,
        source: source.to_owned(),
        content,
        seconds: sound.constellation.seconds,
        metadata: fields.metadata,
        rule: fields.rule.or(rule),
        constellation: sound.constellation.to_bytes(),
    };
    Ok(IndexedTrack { track, constellation: sound.constellation, damage: damage(&sound.report) })
}

/// Returns the changes that new metadata makes to an indexed track, or `None` if nothing changes. `caller_fields` has
/// the new values; fields without a value stay as they are. `rule` is set only if the track has no rule and
/// `caller_fields` gives none.
#[must_use]
pub fn relabelled(track: &Track, caller_fields: Option<Fields>, rule: Option<Rule>) -> Option<TrackUpdate> {
    let old = Fields { metadata: track.metadata.clone(), rule: track.rule.clone() };
    // Fields without a new value keep their old value, so that an incomplete metadata file deletes nothing.
    let mut new = caller_fields.unwrap_or_default().over(old.clone());
    new.rule = new.rule.or(rule);
    let update = TrackUpdate {
        metadata: (new.metadata != old.metadata).then_some(new.metadata),
        rule: (new.rule != old.rule).then_some(new.rule),
    };
    (update != TrackUpdate::default()).then_some(update)
}
