//! Generators of inputs with the structure that a parser expects, and unexpected values.

mod binary;
pub mod frames;
mod id3;
mod json;
mod mpd;
pub mod ogg;
mod text;

use fastrand::Rng;

/// Structure of a target's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grammar {
    /// No grammar: all inputs are mutated seeds.
    None,
    /// One of the containers and tags of audio files.
    Audio,
    /// Boxes of MP4, nested.
    Boxes,
    /// Codec and packets for [`ogg::pages`].
    OggPackets,
    /// Packets of MPEG-TS.
    TransportStream,
    /// Frames of AC-3 and E-AC-3.
    Ac3,
    /// Deliveries of a live source, as the target `stream_decoder` reads them.
    Chain,
    /// ID3v2 tags.
    Id3,
    /// A playlist of HLS.
    Playlist,
    /// A manifest of DASH.
    Mpd,
    /// A body with ICY metadata.
    Icy,
    /// PLS or M3U.
    StationList,
    /// JSON with the fields of events and requests.
    Json,
    /// Lines of JSON.
    JsonLines,
    /// Settings.
    Toml,
    /// Comma-separated values.
    Csv,
    /// The manifest of an index.
    Manifest,
}

impl Grammar {
    /// Generates an input, which can contain parts of the stored inputs `seeds`. Returns `None` for [`Grammar::None`].
    #[must_use]
    pub fn make(self, rng: &mut Rng, seeds: &[Vec<u8>]) -> Option<Vec<u8>> {
        Some(match self {
            Self::None => return None,
            Self::Audio => match rng.u8(..8) {
                0 => binary::boxes(rng, seeds),
                1 => binary::riff(rng),
                2 => binary::ebml(rng),
                3 => binary::caf(rng),
                4 => binary::flac(rng),
                5 => ogg::pages(&ogg::packets(rng)),
                6 => binary::transport_stream(rng, seeds),
                _ => id3::tagged(rng, seeds),
            },
            Self::Boxes => binary::boxes(rng, seeds),
            Self::OggPackets => ogg::packets(rng),
            Self::TransportStream => {
                let mut bytes = vec![rng.u8(..)];
                bytes.extend(binary::transport_stream(rng, seeds));
                bytes
            }
            Self::Ac3 => frames::ac3(rng),
            Self::Chain => binary::chain(rng, seeds),
            Self::Id3 => id3::tagged(rng, seeds),
            Self::Playlist => text::playlist(rng),
            Self::Mpd => mpd::mpd(rng),
            Self::Icy => binary::icy(rng),
            Self::StationList => text::station_list(rng),
            Self::Json => json::value(rng).into_bytes(),
            Self::JsonLines => {
                (0..rng.u8(1..20)).map(|_| json::value(rng) + "\n").collect::<String>().into_bytes()
            }
            Self::Toml => text::toml(rng),
            Self::Csv => text::csv(rng),
            Self::Manifest => text::manifest(rng),
        })
    }
}

/// Returns a random one of the given values.
fn one<'a, T: ?Sized>(rng: &mut Rng, values: &[&'a T]) -> &'a T {
    values[rng.usize(..values.len())]
}

/// Returns at most `most` random bytes.
fn noise(rng: &mut Rng, most: usize) -> Vec<u8> {
    let length = rng.usize(..=most);
    (0..length).map(|_| rng.u8(..)).collect()
}

/// Returns a random integer that is often near a limit of an integer type.
fn number(rng: &mut Rng) -> u64 {
    match rng.u8(..6) {
        0 => rng.u64(..16),
        1 => u64::from(rng.u16(..)),
        2 => u64::from(rng.u32(..)),
        3 => u64::from(u32::MAX) - rng.u64(..4),
        4 => (1 << rng.u8(..64)) - 1,
        _ => rng.u64(..),
    }
}
