//! The constellation: the record that is stored per track.

use thiserror::Error;

/// One spectral peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// Time of the peak in sub-frame ticks.
    pub time: u32,
    /// Frequency of the peak in sub-bin steps.
    pub frequency: u16,
    /// How outstanding the peak is among its neighbours: 0 is the strongest of them.
    pub rank: u8,
}

/// Spectral peaks of a sound, in order of time, then frequency.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constellation {
    /// Length of the sound in seconds.
    pub seconds: f64,
    /// Peaks by time, then frequency.
    pub peaks: Vec<Peak>,
}

/// Why stored bytes are no constellation.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConstellationError {
    /// The bytes were written by a newer program.
    #[error("constellation has format version {found}, this program reads up to {supported}; update refrain")]
    Version {
        /// Version in the bytes.
        found: u8,
        /// Newest version that this program reads.
        supported: u8,
    },
    /// The bytes end early or contradict themselves.
    #[error("constellation is damaged: {0}; index the song again")]
    Damaged(&'static str),
}

impl Constellation {
    /// The packed form with format version and checksum, as the catalogue stores it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        Vec::new()
    }

    /// Reads the packed form.
    ///
    /// # Errors
    /// [`ConstellationError`] if the bytes are of a newer version or damaged.
    pub fn from_bytes(_bytes: &[u8]) -> Result<Self, ConstellationError> {
        Err(ConstellationError::Damaged("empty"))
    }
}
