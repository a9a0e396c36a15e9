//! Writer of WAV files.

use std::path::{Path, PathBuf};

/// Sample format of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WavEncoding {
    /// 16-bit integers; samples beyond ±1 are clipped.
    #[default]
    Int16,
    /// 32-bit floats, not clipped.
    Float32,
}

/// Error of writing a WAV file.
#[derive(Debug)]
pub struct WavError {
    path: PathBuf,
    source: hound::Error,
}

impl std::fmt::Display for WavError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot write {}", self.path.display())
    }
}

impl std::error::Error for WavError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Writes mono `samples` at `rate` Hz as a 16-bit WAV file.
///
/// # Errors
/// Fails if the file cannot be created or written.
pub fn write_wav(path: impl AsRef<Path>, samples: &[f32], rate: u32) -> Result<(), WavError> {
    write_channels(path.as_ref(), &[samples], rate, WavEncoding::Int16)
}

/// Writes the channels `left` and `right` at `rate` Hz as a WAV file. The file is as long as the shorter channel.
///
/// # Errors
/// Fails if the file cannot be created or written.
pub fn write_wav_stereo(
    path: impl AsRef<Path>,
    left: &[f32],
    right: &[f32],
    rate: u32,
    encoding: WavEncoding,
) -> Result<(), WavError> {
    write_channels(path.as_ref(), &[left, right], rate, encoding)
}

fn write_channels(
    path: &Path,
    channels: &[&[f32]],
    rate: u32,
    encoding: WavEncoding,
) -> Result<(), WavError> {
    let (bits_per_sample, sample_format) = match encoding {
        WavEncoding::Int16 => (16, hound::SampleFormat::Int),
        WavEncoding::Float32 => (32, hound::SampleFormat::Float),
    };
    let spec =
        hound::WavSpec { channels: channels.len() as u16, sample_rate: rate, bits_per_sample, sample_format };
    // WAV has the same number of samples in every channel.
    let frames = channels.iter().map(|c| c.len()).min().unwrap_or(0);
    let write = || -> Result<(), hound::Error> {
        let mut writer = hound::WavWriter::create(path, spec)?;
        for i in 0..frames {
            for channel in channels {
                match encoding {
                    WavEncoding::Int16 => writer.write_sample(to_i16(channel[i]))?,
                    WavEncoding::Float32 => writer.write_sample(channel[i])?,
                }
            }
        }
        writer.finalize()
    };
    write().map_err(|source| WavError { path: path.to_owned(), source })
}

fn to_i16(sample: f32) -> i16 {
    let scaled = sample * 32_767.0;
    // `as` saturates and converts NaN to 0.
    (scaled + if scaled < 0.0 { -0.5 } else { 0.5 }) as i16
}
