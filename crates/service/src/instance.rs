//! The identity of a process as an owner of leases.
//!
//! Each process uses owner names that no other process has, even if both have the same display name. A process with a
//! folder keeps a file in this folder, and holds a lock on the file until the process ends, even by a crash. The next
//! process that uses the folder finds the files that are not locked any more, and can expire the leases of their owners
//! at once.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError, new_owner};

/// Extension of the lock files.
const EXTENSION: &str = "instance";

/// Maximum size of a lock file, in bytes. A lock file contains two owner names and is much smaller. A larger file is
/// ignored, because this program did not write it.
const MAX_BYTES: u64 = 4_096;

/// A process as an owner of leases.
#[derive(Debug)]
pub struct Instance {
    owner: String,
    archive_owner: String,
    folder: Option<PathBuf>,
    /// The lock file with its path; `None` without a folder. The file stays locked until the process ends; `drop`
    /// removes it.
    lock: Option<(File, PathBuf)>,
}

impl Instance {
    /// Creates an identity without a folder. `name` is for display only.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let archive_owner = new_owner(&format!("{name}/archive"));
        Self { owner: new_owner(name), archive_owner, folder: None, lock: None }
    }

    /// Creates an identity with a lock file in `folder`. The folder must still exist after the process has ended; it is
    /// created if it does not exist. [`Self::expire_predecessors`] looks there for processes that have ended.
    ///
    /// # Errors
    /// The I/O error if the folder or the file cannot be written.
    pub fn in_folder(name: &str, folder: &Path) -> io::Result<Self> {
        let mut instance = Self::new(name);
        fs::create_dir_all(folder)?;
        let file_name = instance.owner.rsplit('/').next().unwrap_or_default().to_owned();
        // The file gets its final name after it is locked. Otherwise another process could take it for the file of a
        // process that has ended.
        let (hidden, path) =
            (folder.join(format!("{file_name}.new")), folder.join(format!("{file_name}.{EXTENSION}")));
        let mut file = File::create_new(&hidden)?;
        // The lock belongs to the open file, so the system releases the lock at every end of the process, also after
        // `kill -9`.
        file.lock()?;
        write!(file, "{}\n{}\n", instance.owner, instance.archive_owner)?;
        fs::rename(&hidden, &path)?;
        (instance.folder, instance.lock) = (Some(folder.to_owned()), Some((file, path)));
        Ok(instance)
    }

    /// Returns the owner of the leases of live streams.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Returns the owner of the leases of streams of segments. These leases are renewed independently of those of live
    /// streams.
    #[must_use]
    pub fn archive_owner(&self) -> &str {
        &self.archive_owner
    }

    /// Expires the leases of processes that used the same folder and have ended. Returns the number of streams whose
    /// leases were expired.
    ///
    /// # Errors
    /// [`CatalogError`] if the database fails. Another call continues with the remaining processes.
    pub async fn expire_predecessors(&self, catalog: &dyn Catalog) -> Result<usize, CatalogError> {
        let mut expired = 0;
        for (owners, path) in self.predecessors() {
            for owner in &owners {
                // The leases are expired, not released, so that the claims count as deaths.
                expired += catalog.journal().renew_leases(owner, Duration::ZERO).await?.len();
            }
            // The file is removed after the leases were expired. If this process dies before, the next one finds the
            // file again.
            let _ = fs::remove_file(path);
        }
        Ok(expired)
    }

    /// Returns, for each process that has ended, its names as an owner of leases and the path of its lock file.
    fn predecessors(&self) -> Vec<(Vec<String>, PathBuf)> {
        let entries = self.folder.as_ref().and_then(|folder| fs::read_dir(folder).ok());
        let own = self.lock.as_ref().map(|(_, path)| path);
        let paths = entries.into_iter().flatten().flatten().map(|entry| entry.path());
        let others = paths.filter(|path| {
            path.extension().is_some_and(|extension| extension == EXTENSION) && Some(path) != own
        });
        others.filter_map(|path| Some((ended_owners(&path)?, path))).collect()
    }
}

/// Returns the owners in a lock file whose process has ended. Returns `None` if the process runs or the file cannot be
/// read.
fn ended_owners(path: &Path) -> Option<Vec<String>> {
    let file = File::open(path).ok()?;
    if file.metadata().ok()?.len() > MAX_BYTES {
        return None;
    }
    // If the file cannot be locked, its process is running. On a shared folder without locks, every process seems to
    // run, which only delays take-overs.
    file.try_lock().ok()?;
    Some(fs::read_to_string(path).ok()?.lines().map(str::to_owned).collect())
}

impl Drop for Instance {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.lock {
            let _ = fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_one_name_have_different_owners() {
        let (one, other) = (Instance::new("worker-1"), Instance::new("worker-1"));
        assert_ne!(one.owner(), other.owner());
        assert_ne!(one.owner(), one.archive_owner());
        assert_eq!(refrain_catalog::worker_name(one.owner()), "worker-1");
    }

    #[test]
    fn only_processes_that_have_ended_are_predecessors() {
        let folder = tempfile::tempdir().unwrap();
        let alive = Instance::in_folder("alive", folder.path()).unwrap();
        let dead = Instance::in_folder("dead", folder.path()).unwrap();
        let owners = [dead.owner().to_owned(), dead.archive_owner().to_owned()];
        let next = Instance::in_folder("next", folder.path()).unwrap();
        assert_eq!(next.predecessors().len(), 0);
        // As after a kill: the lock is released, the file stays.
        let (file, path) = {
            let mut dead = dead;
            dead.lock.take().unwrap()
        };
        drop(file);
        let found = next.predecessors();
        assert_eq!(found, [(owners.to_vec(), path)]);
        drop(alive);
        assert_eq!(next.predecessors().len(), 1, "a graceful end leaves no file");
    }
}
