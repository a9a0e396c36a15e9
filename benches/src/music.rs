//! Music from files.

use std::error::Error;
use std::path::{Path, PathBuf};

use refrain_core::audio::{AudioReader, Limits, SAMPLE_RATE, supported_extension};

/// Anything that ends a program; threads hand it over.
pub type Failure = Box<dyn Error + Send + Sync>;

/// The audio files below a folder, in order of path.
///
/// # Errors
/// If the folder cannot be read or holds no music.
pub fn walk(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
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
/// If it cannot be read or decoded.
pub fn decode(path: &Path, mut sink: impl FnMut(&[f32])) -> Result<(), Failure> {
    let mut reader = AudioReader::open(path, &Limits::default())?;
    while let Some(chunk) = reader.next_chunk()? {
        sink(chunk);
    }
    Ok(())
}

/// Length of a file, seconds: what it says, or else what it has.
///
/// # Errors
/// If it cannot be read or decoded.
pub fn seconds(path: &Path) -> Result<f64, Failure> {
    let told = AudioReader::open(path, &Limits::default())?.report().declared_seconds;
    if let Some(seconds) = told {
        return Ok(seconds);
    }
    let mut samples = 0;
    decode(path, |chunk| samples += chunk.len())?;
    Ok(samples as f64 / f64::from(SAMPLE_RATE))
}

/// Decodes a stretch of a file to 44.1 kHz mono: `count` samples from sample `from` on, or what there is of it.
///
/// # Errors
/// If it cannot be read or decoded.
pub fn stretch(path: &Path, from: usize, count: usize) -> Result<Vec<f32>, Failure> {
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
