//! Responses as files: whole, on the disk, and none over another.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use chrono::Local;
use tempfile::{Builder, NamedTempFile};

use super::name::file_name;

/// Most files of one asset and second.
const MAX_NUMBER: u32 = 100_000;

/// A response could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write a response to {}: {source}; {advice}", folder.display(), advice = advice(source))]
pub struct FileError {
    folder: PathBuf,
    source: io::Error,
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
    /// Responses go to `folder`. They are written under another name in `temporary` first, if that is given and on the
    /// same file system, else in `folder`.
    #[must_use]
    pub fn new(folder: PathBuf, temporary: Option<PathBuf>) -> Self {
        Self { folder, temporary }
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
        self.put(asset_id, json).map_err(|source| FileError { folder: self.folder.clone(), source })
    }

    fn put(&self, asset_id: &str, json: &str) -> io::Result<PathBuf> {
        // Checked first, so that a missing folder is not taken for a missing name later.
        fs::metadata(&self.folder)?;
        if let Some(temporary) = &self.temporary {
            match prepare(temporary, json).and_then(|file| self.name(file, asset_id)) {
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {}
                done => return done,
            }
        }
        self.name(prepare(&self.folder, json)?, asset_id)
    }

    /// Gives a file that is written its name.
    fn name(&self, mut file: NamedTempFile, asset_id: &str) -> io::Result<PathBuf> {
        let now = Local::now();
        for number in 1..=MAX_NUMBER {
            let path = self.folder.join(file_name(asset_id, &now, number));
            match place(file, &path)? {
                None => return Ok(path),
                Some(unplaced) => file = unplaced,
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

/// Gives a file that is written its name, and makes that outlive a power cut; gives it back where something has the name.
pub(crate) fn place(file: NamedTempFile, path: &Path) -> io::Result<Option<NamedTempFile>> {
    match file.persist_noclobber(path) {
        Ok(_) => {
            if let Some(folder) = path.parent() {
                sync_folder(folder);
            }
            Ok(None)
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Some(error.file)),
        Err(error) => Err(error.error),
    }
}

/// Writes under a name that begins with a dot, which readers of responses do not look at.
pub(crate) fn prepare(folder: &Path, json: &str) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(".refrain-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // Less what the process's mask takes: others are to read it.
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(json.as_bytes())?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes the new name outlive a power cut. Some file systems know no such thing, and the file itself is safe.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}
