//! Playlists: m3u8-rs behind a normaliser.
//!
//! The text is rewritten so that m3u8-rs reads it right (`rewrite`), then its segments are completed: numbers, keys,
//! sections, byte ranges and dates that hold until changed are written out on each segment, URLs are made absolute,
//! advertisements are marked.

mod ads;
mod attributes;
mod dates;
mod master;
mod media;
mod model;
mod parts;
mod rewrite;
#[cfg(test)]
mod tests;

pub use model::{
    AudioMedia, ByteRange, Encryption, LowLatency, Map, MasterPlaylist, MediaPlaylist, MediaSegment, Part,
    Playlist, Variant,
};

use rewrite::Rewritten;
use url::Url;

/// Largest playlist, bytes.
pub const MAX_PLAYLIST_BYTES: u64 = 2 * 1024 * 1024;

/// A playlist that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaylistError {
    /// Something else came in place of a playlist.
    #[error("this is {0}, not a playlist")]
    NotAPlaylist(&'static str),
    /// A line above the limit, bytes.
    #[error("a line of the playlist is longer than {0} bytes")]
    LongLine(usize),
    /// More lines than the limit.
    #[error("the playlist has more than {0} lines")]
    ManyLines(usize),
    /// More segments or renditions than the limit.
    #[error("the playlist lists more than {0} segments")]
    ManySegments(usize),
    /// More bytes than [`MAX_PLAYLIST_BYTES`].
    #[error("the playlist is larger than {MAX_PLAYLIST_BYTES} bytes")]
    TooLarge,
    /// m3u8-rs makes nothing of it.
    #[error("the playlist is malformed")]
    Malformed,
}

/// Reads a playlist that came from `base`.
///
/// # Errors
/// If it is no playlist, or above a limit. A line that makes no sense is left out instead.
pub fn parse(bytes: &[u8], base: &Url) -> Result<Playlist, PlaylistError> {
    if bytes.len() as u64 > MAX_PLAYLIST_BYTES {
        return Err(PlaylistError::TooLarge);
    }
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

/// What came in place of a playlist, in words.
fn guess(text: &str) -> &'static str {
    match text.as_bytes() {
        [] => "an empty answer",
        [b'<', ..] => "HTML or XML",
        [b'{' | b'[', ..] => "JSON",
        [0x47, ..] => "media",
        _ => "something else",
    }
}
