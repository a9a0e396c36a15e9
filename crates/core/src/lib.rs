//! Sound in, matches out.
//!
//! `refrain-core` decodes audio ([`audio`]), turns it into a constellation of spectral peaks
//! ([`fingerprint`]), finds constellations by their landmarks ([`index`]) and proves what it found
//! ([`matching`]). It knows no network, no SQL, no async runtime, prints nothing and keeps no globals.

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
