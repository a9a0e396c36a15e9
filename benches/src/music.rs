//! Music from files.

use std::error::Error;
use std::path::{Path, PathBuf};

use refrain_core::audio::{AudioReader, Limits, supported_extension};

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
