//! Playlist parser: m3u8-rs with a normaliser for its input and output.
//!
//! The text is rewritten so that m3u8-rs parses it correctly (`rewrite`), and its variables are replaced by their values
//! (`variables`). Then the segments are completed: each segment gets the numbers, keys, sections, byte ranges and dates
//! that apply to it, URLs are made absolute, absurd durations are replaced (`durations`), and advertisements are marked.

mod ads;
mod attributes;
mod dates;
mod drm;
mod durations;
mod master;
mod media;
mod model;
mod parts;
mod rewrite;
mod tags;
#[cfg(test)]
mod tests;
mod variables;

pub use model::{
    AudioMedia, ByteRange, Encryption, LowLatency, Map, MasterPlaylist, MediaPlaylist, MediaSegment, Part,
    Playlist, Variant,
};

pub use variables::{VariableError, Variables};

pub(crate) use dates::epoch_seconds;
use rewrite::PlaylistKind;
use url::Url;
use variables::Substitution;

/// Largest accepted playlist, bytes. A playlist of 29,000 segments, a day of 3-s segments, has 3 MB with short signatures
/// in its URLs, and 12 MB with signatures of 300 bytes. Of a live playlist, only the newest segments are kept
/// ([`MediaPlaylist::segments`]), so the limit bounds the memory for each recording. At half this value, days of segments
/// with long signatures fail; at twice this value, a hostile recording needs twice the memory.
pub const MAX_PLAYLIST_BYTES: u64 = 16 * 1024 * 1024;

/// Largest accepted master playlist, bytes: 1,000 renditions with URLs of 2,000 bytes. At half this value, nothing changes
/// for known servers, whose master playlists have up to 100 kB; at twice this value, a hostile one needs twice the memory.
const MAX_MASTER_BYTES: u64 = 2 * 1024 * 1024;

/// Error of parsing a playlist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaylistError {
    /// The response is not a playlist. Contains a description of the content, for example `JSON`.
    #[error("this is {0}, not a playlist")]
    NotAPlaylist(&'static str),
    /// A line is longer than this limit, bytes.
    #[error("a line of the playlist is longer than {0} bytes")]
    LongLine(usize),
    /// The playlist has more lines than this limit.
    #[error("the playlist has more than {0} lines")]
    ManyLines(usize),
    /// The playlist has more segments or renditions than this limit.
    #[error("the playlist lists more than {0} segments")]
    ManySegments(usize),
    /// The playlist, or the playlist with the values of its variables, is larger than this limit, bytes.
    #[error("the playlist is larger than {0} bytes")]
    TooLarge(u64),
    /// The response has a content encoding that is not supported. Contains its name.
    #[error(
        "the playlist has the content encoding {0}, which is not supported; supported are gzip, deflate and br"
    )]
    Encoding(String),
    /// A variable of the playlist (EXT-X-DEFINE) cannot be used.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// m3u8-rs cannot parse the playlist.
    #[error("the playlist is malformed")]
    Malformed,
}

/// Parses a playlist that was loaded from the URL `base`.
///
/// # Errors
/// Fails if the bytes are not a playlist, or if the playlist exceeds a limit. An unusable line is not an error; it is
/// skipped.
///
/// # Examples
/// ```
/// use refrain_stream::hls::playlist::{Playlist, PlaylistError, parse};
/// use url::Url;
///
/// let base = Url::parse("https://host.example/live/index.m3u8")?;
/// let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:1.98,\na.ts\n";
/// if let Playlist::Media(list) = parse(text.as_bytes(), &base)? {
///     let segment = &list.segments[0];
///     assert_eq!((segment.sequence, segment.seconds), (7, 1.98));
///     assert_eq!(segment.url.as_str(), "https://host.example/live/a.ts");
/// }
/// assert_eq!(parse(b"<html></html>", &base), Err(PlaylistError::NotAPlaylist("HTML or XML")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn parse(bytes: &[u8], base: &Url) -> Result<Playlist, PlaylistError> {
    parse_rendition(bytes, base, None)
}

/// Does the same as [`parse`] for a playlist that a master playlist lists. `master` contains the variables of the master
/// playlist, which the playlist can import (EXT-X-DEFINE with IMPORT).
///
/// # Errors
/// The same as [`parse`].
pub fn parse_rendition(
    bytes: &[u8],
    base: &Url,
    master: Option<&Variables>,
) -> Result<Playlist, PlaylistError> {
    if bytes.len() as u64 > MAX_PLAYLIST_BYTES {
        return Err(PlaylistError::TooLarge(MAX_PLAYLIST_BYTES));
    }
    // Titles may be Latin-1, and one wrong byte must not make the whole playlist unusable.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let mut variables = Substitution::new(base, master);
    match rewrite::scan(text)? {
        PlaylistKind::Master => {
            if bytes.len() as u64 > MAX_MASTER_BYTES {
                return Err(PlaylistError::TooLarge(MAX_MASTER_BYTES));
            }
            let text = rewrite::master(text, &mut variables)?;
            let master =
                m3u8_rs::parse_master_playlist_res(text.as_bytes()).map_err(|_| PlaylistError::Malformed)?;
            Ok(Playlist::Master(master::complete(&master, base, variables.into_variables())))
        }
        PlaylistKind::Media => {
            let mut media = m3u8_rs::MediaPlaylist::default();
            rewrite::media(text, &mut variables, |text| {
                let read = m3u8_rs::parse_media_playlist_res(text.as_bytes());
                append(&mut media, read.map_err(|_| PlaylistError::Malformed)?);
                Ok(())
            })?;
            Ok(Playlist::Media(media::complete(media, base)))
        }
    }
}

/// Appends the next piece of a media playlist. The tags of the whole playlist can be in any piece.
fn append(media: &mut m3u8_rs::MediaPlaylist, read: m3u8_rs::MediaPlaylist) {
    media.segments.extend(read.segments);
    media.end_list |= read.end_list;
    if read.target_duration > 0 {
        media.target_duration = read.target_duration;
    }
    if read.media_sequence > 0 {
        media.media_sequence = read.media_sequence;
    }
    if read.discontinuity_sequence > 0 {
        media.discontinuity_sequence = read.discontinuity_sequence;
    }
    if read.playlist_type.is_some() {
        media.playlist_type = read.playlist_type;
    }
}

/// Returns a description of content that is not a playlist.
fn describe_content(text: &str) -> &'static str {
    match text.as_bytes() {
        [] => "an empty answer",
        [b'<', ..] => "HTML or XML",
        [b'{' | b'[', ..] => "JSON",
        [0x47, ..] => "media",
        _ => "something else",
    }
}
