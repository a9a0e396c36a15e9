//! Data types of the catalog.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use refrain_core::index::TrackNumber;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Stable identity of a track. It stays the same when the audio of the track is replaced, and when the track is
/// exported to another catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrackId(pub Uuid);

impl fmt::Display for TrackId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for TrackId {
    type Err = uuid::Error;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(s).map(Self)
    }
}

/// BLAKE3 hash of the bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// Action that a platform takes on a match, for example `block` or `allow`: 1 to 32 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule(String);

/// The error for a text that is not a valid rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rule: use 1 to 32 letters, digits, - and _, for example block or allow")]
pub struct RuleError(String);

impl Rule {
    /// Returns the text of the rule as it appears in responses.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        // ASCII without separators, so that a rule in JSON, CSV files and tables needs no escapes.
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=32).contains(&s.len()) && s.chars().all(is_allowed) {
            Ok(Self(s.to_owned()))
        } else {
            Err(RuleError(s.to_owned()))
        }
    }
}

impl TryFrom<String> for Rule {
    type Error = RuleError;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<Rule> for String {
    fn from(rule: Rule) -> Self {
        rule.0
    }
}

/// Descriptive metadata of a track. `None` means unknown. A NUL in a text is stored as U+FFFD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Song title; `None` if unknown.
    pub title: Option<String>,
    /// Performing artist; `None` if unknown.
    pub artist: Option<String>,
    /// Album title; `None` if unknown.
    pub album: Option<String>,
    /// International Standard Recording Code, 12 characters; `None` if unknown.
    pub isrc: Option<String>,
    /// Record label; `None` if unknown.
    pub label: Option<String>,
    /// Supplier of the reference recording; `None` if unknown.
    pub vendor: Option<String>,
    /// Universal product code of the album; `None` if unknown.
    pub upc: Option<String>,
    /// Release date of the album, ISO 8601: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`; `None` if unknown.
    pub release_date: Option<String>,
    /// Content category, for example `Music`; `None` if unknown.
    pub category: Option<String>,
    /// All other values, by name; empty if none exist.
    pub extra: BTreeMap<String, String>,
}

impl Metadata {
    /// Replaces each NUL by the replacement character U+FFFD, because not every database can store NUL.
    pub(crate) fn without_nul(mut self) -> Self {
        let replace_nul = |text: &mut String| {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        };
        // The pattern names every field, so that a new field does not compile until it is handled here.
        let Self { title, artist, album, isrc, label, vendor, upc, release_date, category, extra } =
            &mut self;
        let fields = [title, artist, album, isrc, label, vendor, upc, release_date, category];
        fields.into_iter().flatten().for_each(replace_nul);
        // Keys of a map cannot be changed in place. Maps without NUL, which are nearly all, are not rebuilt.
        if extra.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            let pairs = std::mem::take(extra).into_iter();
            *extra = pairs
                .map(|(name, value)| (name.replace('\0', "\u{fffd}"), value.replace('\0', "\u{fffd}")))
                .collect();
        }
        self
    }
}

/// A track in the catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Number of the track within this catalog. If a track is replaced, the new version gets a new number.
    pub number: TrackNumber,
    /// Stable identity.
    pub id: TrackId,
    /// Path or URL from which the track was indexed.
    pub source: String,
    /// BLAKE3 hash of the bytes of the file at `source`.
    pub content: ContentHash,
    /// Duration of the audio in seconds.
    pub seconds: f64,
    /// Descriptive metadata.
    pub metadata: Metadata,
    /// Action on a match; `None` is reported as `notSubmitted`.
    pub rule: Option<Rule>,
    /// Time at which the track was added, in milliseconds since the Unix epoch.
    pub added_at: i64,
    /// Time at which the track was removed, in milliseconds since the Unix epoch; `None` if it is not removed.
    pub removed_at: Option<i64>,
}

/// A track to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTrack {
    /// Identity to keep (import); `None` generates a new one.
    pub id: Option<TrackId>,
    /// Path or URL of the audio, without NUL.
    pub source: String,
    /// BLAKE3 hash of the bytes of the file.
    pub content: ContentHash,
    /// Duration of the audio in seconds; finite and not negative.
    pub seconds: f64,
    /// Descriptive metadata.
    pub metadata: Metadata,
    /// Action on a match; `None` keeps the rule of a track that is replaced.
    pub rule: Option<Rule>,
    /// Packed constellation (`refrain_core::fingerprint::Constellation::to_bytes`).
    pub constellation: Vec<u8>,
}

impl NewTrack {
    /// Returns the reason why the track cannot be stored, or `None` if it can.
    pub(crate) fn fault(&self) -> Option<String> {
        let Self { source, seconds, .. } = self;
        if !(seconds.is_finite() && *seconds >= 0.0) {
            return Some(format!("{source:?}: invalid length of {seconds} s"));
        }
        // A NUL in metadata is replaced, but a source identifies the track: two paths must not become equal.
        source.contains('\0').then(|| format!("{source:?}: a path or URL must not contain NUL"))
    }
}

/// The outcome of [`crate::TrackWriter::add`].
#[derive(Debug, Clone, PartialEq)]
pub enum AddOutcome {
    /// A new track was added.
    Added(Track),
    /// A track with this source or id had other content and was replaced: same id, new number.
    Replaced(Track),
    /// A track with this source or id and the same content already existed.
    Unchanged(Track),
}

/// Selects the tracks to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrackFilter {
    /// True to include removed tracks in addition.
    pub removed: bool,
    /// Includes only tracks whose title, artist, album or source contains this text, regardless of case; `None`
    /// includes all.
    pub text: Option<String>,
    /// Includes only tracks with this rule; `None` includes all.
    pub rule: Option<Rule>,
}

/// A change to a track. Fields that are `None` stay as they are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrackUpdate {
    /// New metadata, which replaces all of the old metadata; `None` keeps the old metadata.
    pub metadata: Option<Metadata>,
    /// New rule; `Some(None)` removes the rule, `None` keeps it.
    pub rule: Option<Option<Rule>>,
}

/// A link between two tracks of the same recording.
#[derive(Debug, Clone, PartialEq)]
pub struct NearDuplicate {
    /// Track that was added later.
    pub track: TrackNumber,
    /// Track that was added earlier.
    pub of: TrackNumber,
    /// Duration of the audio that both tracks share, in seconds.
    pub seconds: f64,
}

/// One entry of the catalog's sequence of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Position in the sequence of changes.
    pub position: u64,
    /// Track that changed.
    pub track: TrackNumber,
    /// Kind of the change.
    pub kind: ChangeKind,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The track was added and can be found from this position on.
    Added,
    /// The track was removed and cannot be found any more.
    Removed,
    /// The metadata or the rule of the track changed; its audio is the same.
    Relabeled,
}
