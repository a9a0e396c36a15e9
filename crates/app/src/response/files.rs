//! Writes responses to files. Each file is complete and synced to disk, and never overwrites another file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::Local;

use super::complete_file::create_complete;
use super::name::file_name;

/// Maximum number of files of one asset in the same second, which is far more than a stream writes. Free numbers are
/// searched from 1 upwards, so the limit also bounds the time of a write.
const MAX_NUMBER: u32 = 100_000;

/// An error of the folder for responses or of the folder for temporary files.
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

/// Returns advice for the user about an error of a file or folder, for example to free disk space.
pub fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "make the folder",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => "grant write permission",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "free disk space",
        _ => "check the disk",
    }
}

/// The folder to which responses are written, and the folder for incomplete files.
#[derive(Debug, Clone)]
pub struct ResponseFolder {
    folder: PathBuf,
    temporary: Option<PathBuf>,
}

impl ResponseFolder {
    /// Creates a writer of responses to `folder`, in which only complete files are visible. Incomplete files are
    /// written to the folder `temporary` on systems that cannot write files without a name; with `None`, the parent of
    /// `folder` is used.
    #[must_use]
    pub fn new(folder: PathBuf, temporary: Option<PathBuf>) -> Self {
        Self { folder, temporary }
    }

    /// Creates the folder for responses and the folder for temporary files if they do not exist.
    ///
    /// # Errors
    /// [`FileError::Create`] with the folder that cannot be created.
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

    /// Writes the response `json` to a new file, named after its asset and the current local time, and returns the
    /// path. When this method returns, the file is complete and on the disk.
    ///
    /// # Errors
    /// [`FileError::Write`]. In this case no file was created.
    pub fn write(&self, asset_id: &str, json: &str) -> Result<PathBuf, FileError> {
        self.put(asset_id, json).map_err(|source| FileError::Write { folder: self.folder.clone(), source })
    }

    fn put(&self, asset_id: &str, json: &str) -> io::Result<PathBuf> {
        // The folder is checked first, so that the error for a missing folder is unambiguous.
        fs::metadata(&self.folder)?;
        // All attempts use the same time, so that their names differ only in the number.
        let now = Local::now();
        for number in 1..=MAX_NUMBER {
            let path = self.folder.join(file_name(asset_id, &now, number));
            match create_complete(&path, json, self.temporary.as_deref()) {
                Ok(()) => return Ok(path),
                // Two processes can write to the same folder in the same second. The next number is tried.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
