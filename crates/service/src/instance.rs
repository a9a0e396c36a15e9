//! The identity of a process in leases.
//!
//! Each process has owners of leases of its own, whatever it is called. Where it has a folder, it keeps a file there that it
//! locks until its end, in whatever way that comes. So the next process that uses the folder knows which owners are gone,
//! and need not wait for their leases to expire.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use refrain_catalog::{Catalog, CatalogError, new_owner};

/// Extension of the files that processes lock.
const EXTENSION: &str = "instance";

/// A file of owners is shorter than this, bytes.
const MAX_BYTES: u64 = 4_096;

/// A process.
#[derive(Debug)]
pub struct Instance {
    owner: String,
    archive_owner: String,
    folder: Option<PathBuf>,
    /// Locked until the process ends. Its path is for the orderly end.
    lock: Option<(File, PathBuf)>,
}

impl Instance {
    /// A process of this name, which is for display only.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let archive_owner = new_owner(&format!("{name}/archive"));
        Self { owner: new_owner(name), archive_owner, folder: None, lock: None }
    }

    /// A process with a folder that outlives it, in which it finds the processes that have ended. The folder is created.
    ///
    /// # Errors
    /// What the system says if the folder cannot be written.
    pub fn in_folder(name: &str, folder: &Path) -> io::Result<Self> {
        let mut instance = Self::new(name);
        fs::create_dir_all(folder)?;
        let file_name = instance.owner.rsplit('/').next().unwrap_or_default().to_owned();
        // Locked before it has its name, so that no other process takes it for the file of one that has ended.
        let (hidden, path) =
            (folder.join(format!("{file_name}.new")), folder.join(format!("{file_name}.{EXTENSION}")));
        let mut file = File::create_new(&hidden)?;
        file.lock()?;
        write!(file, "{}\n{}\n", instance.owner, instance.archive_owner)?;
        fs::rename(&hidden, &path)?;
        (instance.folder, instance.lock) = (Some(folder.to_owned()), Some((file, path)));
        Ok(instance)
    }

    /// Owner of the leases of live streams.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Owner of the leases of streams of segments, which are renewed apart.
    #[must_use]
    pub fn archive_owner(&self) -> &str {
        &self.archive_owner
    }

    /// Lets the leases of processes expire that used the same folder and have ended. Returns the number of streams.
    ///
    /// # Errors
    /// [`CatalogError`] if the database cannot be asked; calling it again does the rest.
    pub async fn expire_predecessors(&self, catalog: &dyn Catalog) -> Result<usize, CatalogError> {
        let mut expired = 0;
        for (owners, path) in self.predecessors() {
            for owner in &owners {
                // Expired and not released: their claims count as deaths.
                expired += catalog.journal().renew_leases(owner, Duration::ZERO).await?.len();
            }
            let _ = fs::remove_file(path);
        }
        Ok(expired)
    }

    /// Owners that have ended, with the file of each process.
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

/// The owners in a file whose process has ended; `None` if it has not.
fn ended_owners(path: &Path) -> Option<Vec<String>> {
    let file = File::open(path).ok()?;
    if file.metadata().ok()?.len() > MAX_BYTES {
        return None;
    }
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
        // As the system does it for a killed process: the lock goes, the file stays.
        let (file, path) = {
            let mut dead = dead;
            dead.lock.take().unwrap()
        };
        drop(file);
        let found = next.predecessors();
        assert_eq!(found, [(owners.to_vec(), path)]);
        drop(alive);
        assert_eq!(next.predecessors().len(), 1, "an orderly end leaves no file");
    }
}
