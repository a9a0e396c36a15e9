//! Fingerprints: 44.1 kHz mono PCM → spectrogram → constellation → landmarks.

mod constellation;

pub use constellation::{Constellation, ConstellationError, Peak};

/// Which peaks a [`Fingerprinter`] keeps: references are sparse, queries dense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Density {
    /// What the catalogue stores for a track.
    Reference,
    /// What is searched for: a superset of what `Reference` keeps of the same sound.
    Query,
}

/// Turns pushed PCM into a constellation; how the sound is cut into chunks changes nothing.
#[derive(Debug)]
pub struct Fingerprinter {
    density: Density,
}

impl Fingerprinter {
    /// A fingerprinter at the start of a sound.
    #[must_use]
    pub fn new(density: Density) -> Self {
        Self { density }
    }

    /// Takes the next samples: 44.1 kHz mono, nominally within ±1.
    pub fn push(&mut self, _samples: &[f32]) {
        let _ = self.density;
    }

    /// Ends the sound and gives its constellation.
    #[must_use]
    pub fn finish(self) -> Constellation {
        Constellation::default()
    }
}
