//! Responses as files: whole, on the disk, and none over another.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use chrono::Local;

use super::complete::create_complete;
use super::name::file_name;

/// Most files of one asset and second.
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
        /// The reason of the system.
        source: io::Error,
    },
    /// A folder could not be created.
    #[error("cannot create the folder {}: {source}", folder.display())]
    Create {
        /// The folder for responses or for temporary files.
        folder: PathBuf,
        /// The reason of the system.
        source: io::Error,
    },
}

/// What to do about it.
pub(crate) fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => "make the folder",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "give the right to write there"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "make room on the disk",
        _ => "see whether the disk is well",
    }
}

/// The folder that responses are written to.
#[derive(Debug, Clone)]
pub struct ResponseFolder {
    folder: PathBuf,
    temporary: Option<PathBuf>,
}

impl ResponseFolder {
    /// Responses are written to `folder`, where only complete files are visible. `temporary` is for files that are being
    /// written, on systems that cannot write them without a name.
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

    /// Where responses go.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.folder
    }

    /// Writes a response under the name of its asset and the time of day, and gives the path. When this returns, the file
    /// is whole and on the disk.
    ///
    /// # Errors
    /// [`FileError`]; there is no file then.
    pub fn write(&self, asset_id: &str, json: &str) -> Result<PathBuf, FileError> {
        self.put(asset_id, json).map_err(|source| FileError::Write { folder: self.folder.clone(), source })
    }

    fn put(&self, asset_id: &str, json: &str) -> io::Result<PathBuf> {
        // Checked first, so that a missing folder is not taken for a missing name later.
        fs::metadata(&self.folder)?;
        let now = Local::now();
        for number in 1..=MAX_NUMBER {
            let path = self.folder.join(file_name(asset_id, &now, number));
            match create_complete(&path, json, self.temporary.as_deref()) {
                Ok(()) => return Ok(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}
