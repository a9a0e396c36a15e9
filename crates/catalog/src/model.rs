//! What the catalogue holds.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use refrain_core::index::TrackNumber;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Stable identity of a track, the same in every catalogue it is carried to.
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

/// BLAKE3 of a file's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContentHash(pub [u8; 32]);

/// What a platform does with a match, for example `block` or `allow`: 1 to 32 letters, digits, `-` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rule(String);

/// A text that is no rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a rule: use 1 to 32 letters, digits, - and _, for example block or allow")]
pub struct RuleError(String);

impl Rule {
    /// The rule's code as responses carry it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if (1..=32).contains(&s.len()) && s.chars().all(good) {
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

/// What people call a track. Empty means unknown. A NUL in a text is stored as U+FFFD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Song title.
    pub title: Option<String>,
    /// Performing artist.
    pub artist: Option<String>,
    /// Album title.
    pub album: Option<String>,
    /// International Standard Recording Code, 12 characters.
    pub isrc: Option<String>,
    /// Record label.
    pub label: Option<String>,
    /// Who supplied the reference.
    pub vendor: Option<String>,
    /// Universal product code of the album.
    pub upc: Option<String>,
    /// Release date of the album, ISO 8601: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`.
    pub release_date: Option<String>,
    /// Content category, for example `Music`.
    pub category: Option<String>,
    /// Everything else, by name.
    pub extra: BTreeMap<String, String>,
}

impl Metadata {
    /// As every database can hold it: NUL, which some have no place for, becomes the replacement character.
    pub(crate) fn storable(mut self) -> Self {
        let clean = |text: &mut String| {
            if text.contains('\0') {
                *text = text.replace('\0', "\u{fffd}");
            }
        };
        let Self { title, artist, album, isrc, label, vendor, upc, release_date, category, extra } =
            &mut self;
        let fields = [title, artist, album, isrc, label, vendor, upc, release_date, category];
        fields.into_iter().flatten().for_each(clean);
        if extra.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')) {
            let pairs = std::mem::take(extra).into_iter();
            *extra = pairs
                .map(|(name, value)| (name.replace('\0', "\u{fffd}"), value.replace('\0', "\u{fffd}")))
                .collect();
        }
        self
    }
}

/// A track as the catalogue knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Number within this catalogue.
    pub number: TrackNumber,
    /// Stable identity.
    pub id: TrackId,
    /// Path or URL that it was indexed from.
    pub source: String,
    /// Hash of that file.
    pub content: ContentHash,
    /// Length of the sound in seconds.
    pub seconds: f64,
    /// What people call it.
    pub metadata: Metadata,
    /// What to do with a match; `None` is answered as `notSubmitted`.
    pub rule: Option<Rule>,
    /// When it came, milliseconds since the Unix epoch.
    pub added_at: i64,
    /// When it was removed, milliseconds since the Unix epoch.
    pub removed_at: Option<i64>,
}

/// A track to add.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTrack {
    /// Identity to keep (import); a fresh one is made where it is `None`.
    pub id: Option<TrackId>,
    /// Path or URL.
    pub source: String,
    /// Hash of the file's bytes.
    pub content: ContentHash,
    /// Length in seconds.
    pub seconds: f64,
    /// What people call it.
    pub metadata: Metadata,
    /// What to do with a match.
    pub rule: Option<Rule>,
    /// Packed constellation (`refrain_core::fingerprint::Constellation::to_bytes`).
    pub constellation: Vec<u8>,
}

/// What [`crate::Catalog::add`] did.
#[derive(Debug, Clone, PartialEq)]
pub enum AddOutcome {
    /// A new track.
    Added(Track),
    /// The source was known with other content: same id, new number.
    Replaced(Track),
    /// The same source with the same content was there already.
    Unchanged(Track),
}

/// Which tracks to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrackFilter {
    /// Removed tracks too.
    pub removed: bool,
    /// Only tracks whose title, artist, album or source contains this text, whatever its case.
    pub text: Option<String>,
    /// Only tracks with this rule.
    pub rule: Option<Rule>,
}

/// A change to a track: what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrackUpdate {
    /// New metadata, whole.
    pub metadata: Option<Metadata>,
    /// New rule; `Some(None)` takes the rule away.
    pub rule: Option<Option<Rule>>,
}

/// Two tracks of the same sound.
#[derive(Debug, Clone, PartialEq)]
pub struct NearDuplicate {
    /// The later track.
    pub track: TrackNumber,
    /// The one that was there before.
    pub of: TrackNumber,
    /// Seconds of sound that they share.
    pub seconds: f64,
}

/// One change of the catalogue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Position of the change.
    pub position: u64,
    /// The track.
    pub track: TrackNumber,
    /// What happened.
    pub kind: ChangeKind,
}

/// Kinds of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// The track can be found from here on.
    Added,
    /// The track cannot be found any more.
    Removed,
    /// The track sounds as before; its metadata or rule is another one.
    Relabelled,
}
