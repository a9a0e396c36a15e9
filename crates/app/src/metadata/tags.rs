//! Metadata from the tags of an audio file.

use refrain_core::audio::Tags;

use super::Fields;
use super::fields::{isrc, release_date};

/// Number of characters of `YYYY-MM-DD`, the beginning of a time stamp in a tag.
const DATE_LENGTH: usize = 10;

/// Returns the metadata in the tags of an audio file: the values that the catalog has a field for, and the genre.
/// Invalid codes and dates are left out, because tags contain many mistakes that nobody can correct during indexing.
///
/// # Examples
/// ```
/// use refrain_app::metadata::from_tags;
/// use refrain_core::audio::Tags;
///
/// let tags = Tags {
///     title: Some("Song Title".to_owned()),
///     album_artist: Some("Song Artist".to_owned()),
///     isrc: Some("unknown".to_owned()),
///     date: Some("1999-00-00".to_owned()),
///     ..Tags::default()
/// };
/// let metadata = from_tags(&tags).metadata;
/// assert_eq!(metadata.artist.as_deref(), Some("Song Artist"));
/// assert_eq!(metadata.isrc, None);
/// // Only the year of the date is valid.
/// assert_eq!(metadata.release_date.as_deref(), Some("1999"));
/// ```
#[must_use]
pub fn from_tags(tags: &Tags) -> Fields {
    let mut fields = Fields::default();
    let metadata = &mut fields.metadata;
    metadata.title.clone_from(&tags.title);
    // Many files of compilations have only an album artist.
    metadata.artist = tags.artist.clone().or_else(|| tags.album_artist.clone());
    metadata.album.clone_from(&tags.album);
    metadata.label.clone_from(&tags.label);
    metadata.upc.clone_from(&tags.upc);
    metadata.isrc = tags.isrc.as_deref().and_then(|code| isrc(code).ok());
    metadata.release_date = tags.date.as_deref().and_then(|date| {
        let day = release_date(date.get(..DATE_LENGTH).unwrap_or(date)).ok();
        // Many tags have a valid year followed by an invalid month or day, such as `1999-00-00`.
        day.or_else(|| release_date(date.get(..4)?).ok())
    });
    if let Some(genre) = &tags.genre {
        metadata.extra.insert("genre".to_owned(), genre.clone());
    }
    fields
}
