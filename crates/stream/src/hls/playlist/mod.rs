//! Playlist parser: m3u8-rs with a normaliser for its input and output.
//!
//! The text is rewritten so that m3u8-rs parses it correctly (`rewrite`). Then the segments are completed: each segment
//! gets the numbers, keys, sections, byte ranges and dates that apply to it, URLs are made absolute, and advertisements
//! are marked.

mod ads;
mod attributes;
mod dates;
mod master;
mod media;
mod model;
mod parts;
mod rewrite;
mod tags;
#[cfg(test)]
mod tests;

pub use model::{
    AudioMedia, ByteRange, Encryption, LowLatency, Map, MasterPlaylist, MediaPlaylist, MediaSegment, Part,
    Playlist, Variant,
};

use rewrite::Rewritten;
use url::Url;

/// Largest accepted playlist, bytes. A playlist of a day of 2-s segments fits with usual URLs (30 bytes), but not with
/// signed URLs of 2,000 bytes. The limit bounds the memory for each stream, because the parsed form is several times
/// larger. At half this value, playlists of more than 10,000 segments with dates fail; at twice this value, a thousand
/// hostile streams need twice the memory.
pub const MAX_PLAYLIST_BYTES: u64 = 2 * 1024 * 1024;

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
    /// The playlist is larger than [`MAX_PLAYLIST_BYTES`].
    #[error("the playlist is larger than {MAX_PLAYLIST_BYTES} bytes")]
    TooLarge,
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
    if bytes.len() as u64 > MAX_PLAYLIST_BYTES {
        return Err(PlaylistError::TooLarge);
    }
    // Titles may be Latin-1, and one wrong byte must not make the whole playlist unusable.
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    match rewrite::rewrite(text)? {
        Rewritten::Master(text) => {
            let master =
                m3u8_rs::parse_master_playlist_res(text.as_bytes()).map_err(|_| PlaylistError::Malformed)?;
            Ok(Playlist::Master(master::complete(&master, base)))
        }
        Rewritten::Media(text) => {
            let media =
                m3u8_rs::parse_media_playlist_res(text.as_bytes()).map_err(|_| PlaylistError::Malformed)?;
            Ok(Playlist::Media(media::complete(media, base)))
        }
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
