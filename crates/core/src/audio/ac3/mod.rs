//! Decodes AC-3 and E-AC-3 (ATSC A/52:2018) to mono, precisely enough for fingerprints.
//!
//! ```text
//! frame ─► header, bit stream information ─► blocks: exponents ─► bit allocation ─► mantissas
//!       ─► coupling, rematrixing ─► mix to mono ─► inverse transform, window, overlap ─► samples
//! ```
//!
//! Differences from a decoder for listening:
//! - All channels are averaged, as for the other codecs except AAC. Levels of dialogue and mixing are ignored.
//! - The dynamic range is not compressed, and coefficients without bits are 0 instead of noise.
//! - Of E-AC-3, the first independent substream is decoded. Dependent substreams only add channels to it.
//! - The spectral extension of E-AC-3 is not applied: its frequencies stay silent. At 48 kHz, they begin at 4.6 kHz or
//!   higher, usually above 8 kHz.
//! - In channels with the adaptive hybrid transform of E-AC-3, coefficients that are coded as vectors stay silent. These
//!   are the weakest coefficients.
//! - Transient pre-noise processing, which only improves the audio before an attack, is not applied.
//! - Frames with enhanced coupling are errors with this reason, and so are sample rates below 32 kHz.
//!
//! All memory of a frame is of fixed size, and the time for a frame is limited by its length of at most 4,096 bytes and
//! its six blocks. Decoding a frame allocates no memory, except for the samples that are appended.
//!
//! # Verification
//!
//! 400 files of three encoders (ffmpeg 5.1, ac3forge 0.10, oxideav-ac3 0.0.11) were compared with the output of ffmpeg
//! without compression of the dynamic range: 48, 44.1 and 32 kHz; all audio coding modes, with and without LFE; 48 to 640
//! kbit/s; 1, 2, 3 and 6 blocks; short blocks; coupling from several frequencies on; rematrixing; delta bit allocation;
//! optional fields of the bit stream information. All frames were decoded. What differs is the noise that ffmpeg adds to
//! coefficients without bits, and the parts that stay silent:
//! - Frames of ffmpeg: the correlation is at least 0.999. Frames of the other encoders: at least 0.99, except for two
//!   files in which few coefficients have bits.
//! - With the spectral extension: at least 0.97. With the hybrid transform: at least 0.98 from 128 kbit/s on in stereo and
//!   0.97 from 192 kbit/s on in 5.1, and 0.77 to 0.99 at lower rates. Four songs with one or both, at 48 to 96 kbit/s,
//!   were recognized from 12 s.
//! - Short blocks, and places of the signal-to-noise ratio other than the frame, were also compared with ac3forge, because
//!   ffmpeg 5.1 differs slightly in short blocks and reads these places only in the first block.
//! - All tables of bit allocation, bands and frame lengths, and the window, were compared with those of oxideav-ac3, value
//!   by value. Three hearing thresholds at 44.1 kHz differ. With the values of this module, frames of the other two
//!   encoders are decoded; with the other values, they are not.
//! - Not verified with encoded audio: substreams that were converted from AC-3, and several programs in one stream.

mod allocation;
mod block;
mod bsi;
mod channel;
mod checksum;
mod coupling;
mod dct;
mod decoder;
mod delta;
mod exponents;
mod extension;
mod fields;
mod header;
mod hybrid;
mod mantissas;
mod rematrix;
mod strategy;
mod tables;
mod transform;

pub(super) use decoder::Ac3Track;
pub(super) use header::{BLOCK_SAMPLES, HEADER_BYTES, SyncHeader};

/// Maximum number of full-bandwidth channels.
const FULL_CHANNELS: usize = 5;

/// Number of the LFE channel.
const LFE: usize = 5;

/// Number of the coupling channel.
const COUPLING: usize = 6;

/// Number of channels with exponents and mantissas.
const CHANNELS: usize = 7;
