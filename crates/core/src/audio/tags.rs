//! Tags (metadata) of audio files.

use serde::{Deserialize, Serialize};
use symphonia::core::formats::FormatReader;
use symphonia::core::meta::{RawTag, RawValue, StandardTag, Tag};

use super::limits::{Limits, MAX_OTHER_TAGS, MAX_TAG_VALUE_BYTES};

/// Metadata of a file. A field is `None` if the file has no such tag. Values are the text in the file without
/// surrounding white space. Their total size is limited by [`Limits::max_tag_bytes`](super::Limits).
///
/// # Examples
///
/// ```
/// use std::path::Path;
///
/// use refrain_core::audio::{AudioReader, Limits};
///
/// # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/audio/cbr.mp3");
/// let reader = AudioReader::open(Path::new(file), &Limits::default())?;
/// let tags = reader.tags();
/// println!("{} by {}", tags.title.as_deref().unwrap_or("?"), tags.artist.as_deref().unwrap_or("?"));
/// # assert!(tags.title.is_some());
/// # Ok::<(), refrain_core::audio::AudioError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tags {
    /// Title of the recording.
    pub title: Option<String>,
    /// Artist, or the artist of the album if the file names no other. Several artists are joined with "; ".
    pub artist: Option<String>,
    /// Title of the album.
    pub album: Option<String>,
    /// Artist of the album.
    pub album_artist: Option<String>,
    /// International Standard Recording Code.
    pub isrc: Option<String>,
    /// Record label.
    pub label: Option<String>,
    /// Barcode of the release: UPC or EAN.
    pub upc: Option<String>,
    /// Date of release or recording as written in the file: a year, or a more exact date.
    pub date: Option<String>,
    /// Genre. Several genres are joined with "; ".
    pub genre: Option<String>,
    /// All other text tags: the name of the tag in the file, and its value.
    pub other: Vec<(String, String)>,
    /// Number of values that were cut or left out because they exceeded a limit.
    pub dropped: usize,
}

impl Tags {
    /// Reads the tags of the file and of the track with id `track` that a demuxer has collected so far.
    pub(super) fn read(reader: &mut dyn FormatReader, track: u32, limits: &Limits) -> Self {
        let mut tags = Self::default();
        let mut budget = limits.max_tag_bytes;
        let mut metadata = reader.metadata();
        loop {
            // Revisions are in order of rising quality, and later ones replace values of earlier ones: first ID3v1,
            // which is cut to 30 characters, then ID3v2, then the tags of the container.
            if let Some(revision) = metadata.current() {
                let own = revision.per_track.iter().filter(|t| t.track_id == u64::from(track));
                let all = revision.media.tags.iter().chain(own.flat_map(|t| &t.metadata.tags));
                let mut one = Self::default();
                all.for_each(|tag| one.add(tag, &mut budget));
                tags.overlay(one);
            }
            if metadata.pop().is_none() {
                tags.fill_missing();
                return tags;
            }
        }
    }

    /// Fills missing fields from tags with other names. In Matroska, the tags of the whole file describe the album and
    /// have names such as `ALBUM@DATE`.
    fn fill_missing(&mut self) {
        self.artist = self.artist.take().or_else(|| self.album_artist.clone());
        for (field, name) in [(&mut self.album, "ALBUM@ALBUM"), (&mut self.date, "ALBUM@DATE")] {
            if field.is_none() {
                let at = self.other.iter().position(|(other, _)| other == name);
                *field = at.map(|at| self.other.remove(at).1);
            }
        }
    }

    fn add(&mut self, tag: &Tag, budget: &mut usize) {
        let Some((field, value, joins)) = tag.std.as_ref().and_then(|std| self.field(std)) else {
            return self.add_other(tag, budget);
        };
        if field.is_some() && !joins {
            return; // the first of several is the main one
        }
        let before = field.as_ref().map_or(0, String::len);
        // The size limit applies to the joined value, so that many small values cannot exceed it.
        let (text, cut) = shorten(&value, MAX_TAG_VALUE_BYTES.saturating_sub(before).min(*budget));
        if !text.is_empty() {
            match field {
                Some(first) => {
                    first.push_str("; ");
                    first.push_str(text);
                }
                None => *field = Some(text.to_owned()),
            }
        }
        *budget -= text.len();
        self.dropped += usize::from(cut);
    }

    /// Returns the field for a standard tag, the text of the tag, and true if several values of this field are joined.
    /// Returns `None` if [`Tags`] has no field for this tag.
    fn field(&mut self, tag: &StandardTag) -> Option<(&mut Option<String>, String, bool)> {
        use StandardTag as T;
        Some(match tag {
            T::TrackTitle(v) => (&mut self.title, v.to_string(), false),
            T::Artist(v) => (&mut self.artist, v.to_string(), true),
            T::Album(v) => (&mut self.album, v.to_string(), false),
            T::AlbumArtist(v) => (&mut self.album_artist, v.to_string(), false),
            T::IdentIsrc(v) => (&mut self.isrc, v.to_string(), false),
            T::Label(v) => (&mut self.label, v.to_string(), false),
            T::IdentUpc(v) | T::IdentBarcode(v) | T::IdentEanUpn(v) => (&mut self.upc, v.to_string(), false),
            T::ReleaseDate(v) | T::RecordingDate(v) => (&mut self.date, v.to_string(), false),
            T::ReleaseYear(v) | T::RecordingYear(v) => (&mut self.date, v.to_string(), false),
            T::Genre(v) => (&mut self.genre, v.to_string(), true),
            _ => return None,
        })
    }

    fn add_other(&mut self, tag: &Tag, budget: &mut usize) {
        let Some(value) = text_of(&tag.raw.value) else { return };
        let key = name_of(&tag.raw).trim();
        // Some containers store the ISRC under a name that symphonia does not map to a standard tag.
        if key.eq_ignore_ascii_case("isrc") && self.isrc.is_none() && value.len() <= *budget {
            *budget -= value.len();
            self.isrc = Some(value.trim().to_owned());
            return;
        }
        // The file and its track often have the same tags.
        if key.is_empty() || self.other.iter().any(|(name, known)| name == key && *known == value) {
            return;
        }
        if self.other.len() >= MAX_OTHER_TAGS || key.len() >= *budget {
            self.dropped += 1;
            return;
        }
        let (text, cut) = shorten(&value, MAX_TAG_VALUE_BYTES.min(*budget - key.len()));
        *budget -= key.len() + text.len();
        self.dropped += usize::from(cut);
        if !text.is_empty() {
            self.other.push((key.to_owned(), text.to_owned()));
        }
    }

    /// Overwrites fields and other tags with those of `newer`. Values that `newer` does not contain are kept.
    fn overlay(&mut self, newer: Self) {
        let Self { title, artist, album, album_artist, isrc, label, upc, date, genre, other, dropped } =
            newer;
        let fields = [
            (&mut self.title, title),
            (&mut self.artist, artist),
            (&mut self.album, album),
            (&mut self.album_artist, album_artist),
            (&mut self.isrc, isrc),
            (&mut self.label, label),
            (&mut self.upc, upc),
            (&mut self.date, date),
            (&mut self.genre, genre),
        ];
        for (field, value) in fields {
            if value.is_some() {
                *field = value;
            }
        }
        // A name can have several values. All older values of a name are removed if there are newer ones.
        self.other.retain(|(name, _)| !other.iter().any(|(newer, _)| newer == name));
        self.other.extend(other);
        self.dropped += dropped;
    }
}

/// Returns the name of a tag. For a user-defined text of ID3 (TXXX), this is the description in the tag.
fn name_of(tag: &RawTag) -> &str {
    let fields = tag.sub_fields.iter().flatten().filter(|field| field.field == "DESCRIPTION");
    let mut named = fields.filter_map(|field| match &field.value {
        RawValue::String(name) if tag.key == "TXXX" && !name.is_empty() => Some(name.as_str()),
        _ => None,
    });
    named.next().unwrap_or(&tag.key)
}

fn text_of(value: &RawValue) -> Option<String> {
    match value {
        RawValue::String(text) => Some(text.to_string()),
        RawValue::StringList(list) => Some(list.join("; ")),
        RawValue::UnsignedInt(number) => Some(number.to_string()),
        RawValue::SignedInt(number) => Some(number.to_string()),
        RawValue::Float(number) => Some(number.to_string()),
        RawValue::Boolean(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Returns `text` without surrounding white space and zero bytes, cut to at most `limit` bytes. The flag is true if the
/// text was cut.
fn shorten(text: &str, limit: usize) -> (&str, bool) {
    let text = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
    (&text[..text.floor_char_boundary(limit)], text.len() > limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn tag(key: &str, value: &str, standard: Option<fn(Arc<String>) -> StandardTag>) -> Tag {
        Tag::new_from_parts(key, value, standard.map(|make| make(Arc::new(value.to_owned()))))
    }

    #[test]
    fn values_are_trimmed_joined_and_bounded() {
        let (mut tags, mut budget) = (Tags::default(), 64);
        tags.add(&tag("TITLE", " Song\0", Some(StandardTag::TrackTitle)), &mut budget);
        tags.add(&tag("TITLE", "Second", Some(StandardTag::TrackTitle)), &mut budget);
        tags.add(&tag("ARTIST", "A", Some(StandardTag::Artist)), &mut budget);
        tags.add(&tag("ARTIST", "B", Some(StandardTag::Artist)), &mut budget);
        tags.add(&tag("MOOD", "é".repeat(100).as_str(), None), &mut budget);
        tags.add(&tag("MORE", "x", None), &mut budget);
        assert_eq!(tags.title.as_deref(), Some("Song"));
        assert_eq!(tags.artist.as_deref(), Some("A; B"));
        assert_eq!(tags.other, [("MOOD".to_owned(), "é".repeat(27))]);
        assert_eq!((tags.dropped, budget), (2, 0));
    }

    #[test]
    fn later_revisions_replace_only_the_values_that_they_contain() {
        let mut old = Tags { title: Some("Cut to thi".into()), album: Some("A".into()), ..Tags::default() };
        old.other = vec![("X".into(), "1".into()), ("Y".into(), "2".into())];
        let other = vec![("X".into(), "3".into())];
        old.overlay(Tags { title: Some("Cut to this".into()), other, ..Tags::default() });
        assert_eq!((old.title.as_deref(), old.album.as_deref()), (Some("Cut to this"), Some("A")));
        assert_eq!(old.other, [("Y".to_owned(), "2".to_owned()), ("X".into(), "3".into())]);
    }
}
