//! Entry points for fuzzing the parsers of HTTP radio.

use bytes::Bytes;
use url::Url;

use super::charset::StationCharset;
use super::icy::{BodyPart, IcyHeader, IcySplitter};
use super::list::{self, ListFormat};

/// Separates the metadata from a body that arrives in pieces of `piece` bytes. Returns the audio and the titles.
#[must_use]
pub fn icy_body(interval: usize, piece: usize, body: &[u8]) -> (Vec<u8>, Vec<String>) {
    let mut splitter = IcySplitter::new(Some(interval), StationCharset::default());
    let (mut audio, mut titles) = (Vec::new(), Vec::new());
    for bytes in body.chunks(piece.max(1)) {
        splitter.push(Bytes::copy_from_slice(bytes), &mut |part| match part {
            BodyPart::Audio(bytes) => audio.extend_from_slice(&bytes),
            BodyPart::Title(title) => titles.push(title),
        });
    }
    (audio, titles)
}

/// Parses the header of a SHOUTcast server. Returns its length in bytes, or `None` if it is incomplete or invalid.
#[must_use]
pub fn icy_header(body: &[u8]) -> Option<usize> {
    IcyHeader::read(body).ok().flatten().map(|header| header.length)
}

/// Parses a playlist of a station. Returns its URLs, or no URL for an HLS playlist and for text that is not a playlist.
#[must_use]
pub fn station_list(text: &str, base: &Url) -> Vec<Url> {
    match ListFormat::of(base, Some("audio/x-mpegurl"), text.as_bytes()) {
        Some(format) if !list::is_hls(text.as_bytes()) => list::entries(text, format, base),
        _ => Vec::new(),
    }
}
