//! Files that get a name only when they are complete, so that a program that lists the folder never sees an incomplete
//! file.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

/// Permissions of a new file: every user can read and write it, except where the umask of the process removes a
/// permission.
#[cfg(unix)]
const MODE: u32 = 0o666;

/// Creates the file `path` with `text` and a line end. When this function returns, the file is complete and synced to
/// disk. `temporary` is a folder for the incomplete file; `None` if none exists.
///
/// On Linux the file has no name while it is written (`O_TMPFILE`). On file systems that do not support this, the file
/// is written under a hidden name and then renamed. The hidden file is in the first of these folders from which it can
/// be moved to `path`: `temporary`, the parent of the target folder, and the target folder itself.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if a file of this name exists; that file does not change. Otherwise the error of
/// the last folder that was tried.
pub fn create_complete(path: &Path, text: &str, temporary: Option<&Path>) -> io::Result<()> {
    // The name is checked first, so that nothing is written if it is in use.
    if fs::symlink_metadata(path).is_ok() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match create_unnamed(folder, path, text) {
        // The other methods would fail too if the name is in use.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(error),
        Err(_) => create_renamed(folder, path, text, temporary)?,
        Ok(()) => {}
    }
    // The content was synced before the file got its name. The folder stores the name, so it has to be synced too.
    sync_folder(folder);
    Ok(())
}

#[cfg(target_os = "linux")]
fn create_unnamed(folder: &Path, path: &Path, text: &str) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat};

    let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    let mut file = File::from(openat(CWD, folder, flags, Mode::from_raw_mode(MODE))?);
    write(&mut file, text)?;
    // Linking by descriptor (`AT_EMPTY_PATH`) needs a capability that services usually lack.
    let own = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

#[cfg(not(target_os = "linux"))]
fn create_unnamed(_folder: &Path, _path: &Path, _text: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Writes the file under a hidden name in the first folder from which it can be moved to `path`, and moves it there.
fn create_renamed(folder: &Path, path: &Path, text: &str, temporary: Option<&Path>) -> io::Result<()> {
    let sibling = fs::canonicalize(folder).ok().and_then(|folder| folder.parent().map(Path::to_owned));
    let candidates = [temporary.map(Path::to_owned), sibling, Some(folder.to_owned())];
    let mut failed = io::Error::from(io::ErrorKind::NotFound);
    for candidate in candidates.into_iter().flatten() {
        match create_from(&candidate, path, text) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => failed = error,
            done => return done,
        }
    }
    Err(failed)
}

fn create_from(candidate: &PathBuf, path: &Path, text: &str) -> io::Result<()> {
    let mut builder = Builder::new();
    builder.prefix(".refrain-").suffix(".tmp");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(fs::Permissions::from_mode(MODE));
    }
    let mut file: NamedTempFile = builder.tempfile_in(candidate)?;
    write(file.as_file_mut(), text)?;
    // The move must not overwrite: another process may have created the name since the check.
    file.persist_noclobber(path).map(drop).map_err(|error| error.error)
}

fn write(file: &mut File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

/// Syncs the folder, so that the new name survives a power failure. Errors are ignored: some file systems cannot sync
/// folders, and the content of the file is already on disk.
fn sync_folder(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Creates files while another thread lists the folder repeatedly, and returns all names that the thread listed.
    fn listed_while(create: impl Fn(&Path) -> io::Result<()>, folder: &Path) -> Vec<String> {
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let listing = scope.spawn(|| {
                let mut seen = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    seen.extend(names(folder));
                    seen.sort();
                    seen.dedup();
                }
                seen
            });
            for number in 0..100 {
                create(&folder.join(format!("{number}.json"))).unwrap();
            }
            done.store(true, Ordering::Relaxed);
            listing.join().unwrap()
        })
    }

    #[test]
    fn incomplete_files_are_never_listed() {
        let root = tempfile::tempdir().unwrap();
        let (folder, same) = (root.path().join("results"), root.path().join("tmp"));
        fs::create_dir(&same).unwrap();
        // On most machines, `/dev/shm` and the temporary folder are on different file systems.
        let other = Path::new("/dev/shm");
        let missing = root.path().join("missing");
        for temporary in [None, Some(&*same), Some(other), Some(&*missing)] {
            for renamed in [false, true] {
                fs::create_dir(&folder).unwrap();
                let create = |path: &Path| match renamed {
                    true => create_renamed(&folder, path, "{}", temporary),
                    false => create_complete(path, "{}", temporary),
                };
                let seen = listed_while(create, &folder);
                assert!(seen.iter().all(|name| name.ends_with(".json")), "{seen:?}");
                assert_eq!(names(&folder).len(), 100);
                assert_eq!(fs::read_to_string(folder.join("7.json")).unwrap(), "{}\n");
                fs::remove_dir_all(&folder).unwrap();
                assert_eq!(names(root.path()), ["tmp"], "no temporary file is left");
                assert_eq!(names(&same), [""; 0]);
            }
        }
    }

    #[test]
    fn existing_files_stay_as_they_are() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("a.json");
        fs::write(&path, "first").unwrap();
        for result in [
            create_complete(&path, "second", None),
            create_unnamed(root.path(), &path, "second"),
            create_renamed(root.path(), &path, "second", None),
        ] {
            let kind = result.unwrap_err().kind();
            assert!(matches!(kind, io::ErrorKind::AlreadyExists | io::ErrorKind::Unsupported), "{kind:?}");
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "first");
    }

    #[test]
    fn missing_folder_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let error = create_complete(&root.path().join("missing/a.json"), "{}", None).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_do_not_depend_on_the_method() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(root.path().join(name)).unwrap().permissions().mode();
        create_complete(&root.path().join("a"), "", None).unwrap();
        create_renamed(root.path(), &root.path().join("b"), "", None).unwrap();
        assert_eq!(mode("a"), mode("b"));
    }
}
