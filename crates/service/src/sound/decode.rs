//! From an open audio reader to a constellation.

use refrain_core::audio::{AudioError, AudioReader, DecodeReport, Limits, Tags};
use refrain_core::fingerprint::{Constellation, Density, Fingerprinter};

/// Everything that is kept of a sound after it was decoded once.
#[derive(Debug)]
pub struct Sound {
    /// Its peaks.
    pub constellation: Constellation,
    /// Greatest absolute sample; full scale is 1.
    pub peak: f32,
    /// What was read and lost.
    pub report: DecodeReport,
    /// What it says about itself.
    pub tags: Tags,
}

/// Limits of files.
#[must_use]
pub fn limits() -> Limits {
    Limits::default()
}

/// Decodes to the end and fingerprints; holds one chunk of samples at a time, which `tap` is shown.
///
/// # Errors
/// [`AudioError`] as [`AudioReader::next_chunk`].
pub fn fingerprint(
    mut reader: AudioReader,
    density: Density,
    mut tap: impl FnMut(&[f32]),
) -> Result<Sound, AudioError> {
    let mut fingerprinter = Fingerprinter::new(density);
    let mut peak = 0.0f32;
    while let Some(chunk) = reader.next_chunk()? {
        peak = chunk.iter().fold(peak, |peak, sample| peak.max(sample.abs()));
        fingerprinter.push(chunk);
        tap(chunk);
    }
    let constellation = fingerprinter.finish();
    let report = reader.report().clone();
    Ok(Sound { peak, constellation, report, tags: reader.tags().clone() })
}
