//! Responses as files: complete, synced to disk, and without overwriting other files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::Local;

use super::complete_file::create_complete;
use super::name::file_name;

/// Maximum number of files of one asset in the same second. The numbers are tested in order, so it also bounds the time
/// of a write. A stream writes a few files per second; half or twice the value changes nothing in practice.
const MAX_NUMBER: u32 = 100_000;

/// An error of the folder for responses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// A response could not be written.
    #[error("cannot write a response to {}: {source}; {advice}", folder.display(), advice = advice(source))]
    Write {
        /// The folder for responses.
        folder: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A folder could not be created.
    #[error("cannot create the folder {}: {source}", folder.display())]
    Create {
        /// The folder for responses or for temporary files.
        folder: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Returns the remedy for an error of a file.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "make the folder",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "grant write permission",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free disk space",
        _ => "check the disk",
    }
}

/// The folder that responses are written to.
#[derive(Debug, Clone)]
pub struct ResponseFolder {
    folder: PathBuf,
    temporary: Option<PathBuf>,
}

impl ResponseFolder {
    /// Creates a writer of responses to `folder`, where only complete files are visible. `temporary` is for files that
    /// are being written, on systems that cannot write them without a name.
    #[must_use]
    pub fn new(folder: PathBuf, temporary: Option<PathBuf>) -> Self {
        Self { folder, temporary }
    }

    /// Creates the folder for responses and the one for temporary files where they are missing.
    ///
    /// # Errors
    /// [`FileError`] with the folder that cannot be created.
    pub fn create(&self) -> Result<(), FileError> {
        for folder in [Some(&self.folder), self.temporary.as_ref()].into_iter().flatten() {
            fs::create_dir_all(folder)
                .map_err(|source| FileError::Create { folder: folder.clone(), source })?;
        }
        Ok(())
    }

    /// Returns the folder for responses.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes a response to a file named after its asset and the current time, and returns the path. When this returns,
    /// the file is complete and on the disk.
    ///
    /// # Errors
    /// [`FileError`]. In this case no file was created.
    pub fn write(&self, asset_id: &str, json: &str) -> Result<PathBuf, FileError> {
        self.put(asset_id, json).map_err(|source| FileError::Write { folder: self.folder.clone(), source })
    }

    fn put(&self, asset_id: &str, json: &str) -> io::Result<PathBuf> {
        // Checked first, so that a missing folder is not mistaken for a missing file later.
        fs::metadata(&self.folder)?;
        // One time for all attempts: the number must be the only difference between the names.
        let now = Local::now();
        for number in 1..=MAX_NUMBER {
            let path = self.folder.join(file_name(asset_id, &now, number));
            match create_complete(&path, json, self.temporary.as_deref()) {
                Ok(()) => return Ok(path),
                // Two processes can write to one folder in the same second. The next number is tried.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
