//! Music from files.

use std::error::Error;
use std::path::{Path, PathBuf};

use refrain_core::audio::{AudioReader, Limits, SAMPLE_RATE, supported_extension};

/// Any error that ends a bench program. It can be passed between threads.
pub type BenchError = Box<dyn Error + Send + Sync>;

/// Returns the audio files below a folder, in the order of their paths.
///
/// # Errors
/// Fails if the folder cannot be read or contains no music.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>, BenchError> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().and_then(|e| e.to_str()).is_some_and(supported_extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    if files.is_empty() { Err(format!("no music in {}", folder.display()).into()) } else { Ok(files) }
}

/// Decodes a file to 44.1 kHz mono, chunk by chunk.
///
/// # Errors
/// Fails if the file cannot be read or decoded.
pub fn decode(path: &Path, mut sink: impl FnMut(&[f32])) -> Result<(), BenchError> {
    let mut reader = AudioReader::open(path, &Limits::default())?;
    while let Some(chunk) = reader.next_chunk()? {
        sink(chunk);
    }
    Ok(())
}

/// Returns the length of a file in seconds: the declared one, or otherwise the decoded one.
///
/// # Errors
/// Fails if the file cannot be read or decoded.
pub fn seconds(path: &Path) -> Result<f64, BenchError> {
    let declared = AudioReader::open(path, &Limits::default())?.report().declared_seconds;
    if let Some(seconds) = declared {
        return Ok(seconds);
    }
    let mut samples = 0;
    decode(path, |chunk| samples += chunk.len())?;
    Ok(samples as f64 / f64::from(SAMPLE_RATE))
}

/// Decodes an excerpt of a file to 44.1 kHz mono: `count` samples from sample `from` on, or fewer at the end of the file.
///
/// # Errors
/// Fails if the file cannot be read or decoded.
pub fn excerpt(path: &Path, from: usize, count: usize) -> Result<Vec<f32>, BenchError> {
    let mut reader = AudioReader::open(path, &Limits::default())?;
    let (mut at, mut samples) = (0, Vec::with_capacity(count));
    while samples.len() < count
        && let Some(chunk) = reader.next_chunk()?
    {
        let skipped = from.saturating_sub(at).min(chunk.len());
        let wanted = (count - samples.len()).min(chunk.len() - skipped);
        samples.extend(chunk.iter().skip(skipped).take(wanted));
        at += chunk.len();
    }
    Ok(samples)
}
