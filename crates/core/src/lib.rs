//! Audio fingerprinting engine: decoding, fingerprinting, indexing and matching.
//!
//! `refrain-core` decodes audio ([`audio`]), turns it into a constellation of spectral peaks ([`fingerprint`]), looks
//! up candidate tracks by the landmarks of their constellations ([`index`]) and verifies the candidates
//! ([`matching`]). The crate uses no network, no SQL, no async runtime and no mutable global state, and it prints
//! nothing.
//!
//! # Example
//!
//! Index one song and find a clip of it:
//!
//! ```
//! use std::path::Path;
//!
//! use refrain_core::audio::{AudioReader, Limits, SAMPLE_RATE};
//! use refrain_core::fingerprint::{Density, Fingerprinter};
//! use refrain_core::index::{Snapshot, TrackNumber};
//! use refrain_core::matching::{MatchSettings, identify};
//!
//! # let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/songs/03-woven-avenue.ogg");
//! let mut samples = Vec::new();
//! let mut reader = AudioReader::open(Path::new(file), &Limits::default())?;
//! while let Some(chunk) = reader.next_chunk()? {
//!     samples.extend_from_slice(chunk);
//! }
//! let song = Fingerprinter::fingerprint(Density::Reference, &samples);
//! let index = Snapshot::from_tracks(&[(TrackNumber(1), song)])?;
//!
//! // Five seconds from the middle of the song.
//! let from = 20 * SAMPLE_RATE as usize;
//! let clip = Fingerprinter::fingerprint(Density::Query, &samples[from..from + 5 * SAMPLE_RATE as usize]);
//! let matches = identify(&index, &clip, &MatchSettings::default())?;
//! let found = &matches.found[0];
//! assert_eq!(found.track, TrackNumber(1));
//! assert!((found.reference_start - 20.0).abs() < 0.1);
//! assert!(found.false_positive_probability < 1e-9);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`matching::live`] identifies tracks in a live stream, while its audio is still being received.

pub mod audio;
mod bits;
pub mod fingerprint;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use index::fuzzing;
pub mod index;
pub mod matching;
#[cfg(feature = "stages")]
#[doc(hidden)]
pub mod stages;
