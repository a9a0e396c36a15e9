//! Finds the files to index in folders.

use std::collections::{HashSet, VecDeque};
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use refrain_core::audio::supported_extension;

use crate::identify::escaped;

/// A file to index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SourceFile {
    /// Path from which the file is read.
    pub(crate) path: PathBuf,
    /// Source of the track in the catalog: the absolute path of the file, with symbolic links kept.
    pub(crate) source: String,
    /// Size in bytes, for the progress bar.
    pub(crate) bytes: u64,
}

/// The files to index. `failures` has one message for each path that could not be read or used, with reason and advice.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) files: Vec<SourceFile>,
    pub(super) failures: Vec<String>,
}

/// Finds the files to index among `paths` and in all their subfolders, in order of source.
///
/// If a folder can be reached by several paths, it is read once; a path without symbolic links is preferred. This also
/// ends cycles of links. Symbolic links to files are treated like files.
pub(super) fn walk(paths: &[PathBuf]) -> Result<Walk> {
    let mut walk = Walk::default();
    for path in paths {
        // Without this check, the message for a URL would be that the file does not exist.
        if path.to_str().is_some_and(|text| text.contains("://")) && !path.exists() {
            walk.failures.push(format!(
                "{}: URLs cannot be indexed; download the files and index their folder",
                path.display()
            ));
            continue;
        }
        match std::fs::metadata(path) {
            Err(error) => walk.failures.push(format!("{}: {}", escaped(path), advice(&error))),
            Ok(metadata) if metadata.is_dir() => walk.folder(path)?,
            Ok(metadata) if metadata.is_file() => walk.file(path, metadata.len())?,
            Ok(_) => {
                walk.failures
                    .push(format!("{}: not a regular file; save the audio to a file", escaped(path)));
            }
        }
    }
    // The files are sorted, so that track numbers do not depend on the file system or on the order of the arguments.
    walk.files.sort_by(|a, b| a.source.cmp(&b.source));
    walk.files.dedup_by(|a, b| a.source == b.source);
    Ok(walk)
}

impl Walk {
    fn file(&mut self, path: &Path, bytes: u64) -> Result<()> {
        match source_name(path)? {
            Some(source) => self.files.push(SourceFile { path: path.to_owned(), source, bytes }),
            None => self.failures.push(format!("{}: the name is not UTF-8; rename the file", escaped(path))),
        }
        Ok(())
    }

    fn folder(&mut self, top: &Path) -> Result<()> {
        let (before, failures) = (self.files.len(), self.failures.len());
        let mut visited = HashSet::new();
        let mut folders = vec![top.to_owned()];
        let mut links = VecDeque::new();
        // Linked folders are read after all others, so that a folder is found by its own path first.
        while let Some(folder) = folders.pop().or_else(|| links.pop_front()) {
            // Folders are compared by their real paths, so that cycles of links end.
            match std::fs::canonicalize(&folder) {
                Ok(real) if !visited.insert(real.clone()) => {}
                Ok(_) => self.entries(&folder, &mut folders, &mut links)?,
                Err(error) => self.failures.push(format!("{}: {}", escaped(&folder), advice(&error))),
            }
        }
        if self.files.len() == before && self.failures.len() == failures {
            let name = escaped(top);
            self.failures.push(format!("{name}: no audio files in this folder; name other folders or files"));
        }
        Ok(())
    }

    fn entries(
        &mut self,
        folder: &Path,
        folders: &mut Vec<PathBuf>,
        links: &mut VecDeque<PathBuf>,
    ) -> Result<()> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                self.failures.push(format!("{}: {}", escaped(folder), advice(&error)));
                return Ok(());
            }
        };
        let mut paths = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => paths.push(entry.path()),
                Err(error) => self.failures.push(format!("{}: {}", escaped(folder), advice(&error))),
            }
        }
        // File systems return entries in any order. Sorting gives the messages a fixed order.
        paths.sort();
        for path in paths {
            match std::fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() && path.is_symlink() => links.push_back(path),
                Ok(metadata) if metadata.is_dir() => folders.push(path),
                Ok(metadata) if metadata.is_file() && is_audio_path(&path) => {
                    self.file(&path, metadata.len())?;
                }
                // A broken link is reported only if its name is that of an audio file.
                Err(error) if is_audio_path(&path) => {
                    self.failures.push(format!("{}: {}", escaped(&path), advice(&error)));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns true if the file name has the extension of an audio format. Returns false for names such as `._song.mp3`:
/// macOS creates these files next to `song.mp3` on disks of other systems, and they contain no audio.
fn is_audio_path(path: &Path) -> bool {
    let resource_fork = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"._"));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !resource_fork && extension.is_some_and(supported_extension)
}

fn advice(error: &std::io::Error) -> String {
    use std::io::ErrorKind as K;
    let what = match error.kind() {
        K::NotFound => "check the path",
        K::PermissionDenied => "allow reading it",
        _ => "check the disk",
    };
    format!("{error}; {what}")
}

/// Returns the absolute path without `.` and `..`, with symbolic links kept. Returns `None` if the path is not UTF-8.
pub(crate) fn source_name(path: &Path) -> Result<Option<String>> {
    let absolute = std::path::absolute(path).with_context(|| {
        format!(
            "cannot resolve the path {:?}; check that the current folder exists",
            path.display().to_string()
        )
    })?;
    let mut plain = PathBuf::new();
    for component in absolute.components() {
        if component == Component::ParentDir {
            // The parent of a linked folder is the parent of the folder to which the link points.
            if plain.is_symlink() {
                plain = std::fs::canonicalize(&plain)
                    .with_context(|| format!("cannot follow link {}", plain.display()))?;
            }
            plain.pop();
        } else {
            plain.push(component);
        }
    }
    Ok(plain.into_os_string().into_string().ok())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(walk: &Walk, below: &Path) -> Vec<String> {
        let below = format!("{}/", below.display());
        walk.files.iter().map(|file| file.source.replace(&below, "")).collect()
    }

    #[test]
    fn folders_are_walked_once_in_order_with_links_followed() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path();
        std::fs::create_dir_all(top.join("m/b")).unwrap();
        std::fs::create_dir_all(top.join("outside")).unwrap();
        for name in ["m/z.MP3", "m/b/a.flac", "m/notes.txt", "m/._z.mp3", "outside/o.wav"] {
            std::fs::write(top.join(name), "x").unwrap();
        }
        symlink(top.join("m"), top.join("m/b/cycle")).unwrap();
        symlink(top.join("m/b"), top.join("m/a-link-to-b")).unwrap();
        symlink(top.join("outside"), top.join("m/elsewhere")).unwrap();
        symlink(top.join("outside/o.wav"), top.join("m/alias.wav")).unwrap();
        symlink(top.join("nowhere"), top.join("m/broken.mp3")).unwrap();
        let walk = walk(&[top.join("m"), top.join("m/b/../z.MP3")]).unwrap();
        assert_eq!(names(&walk, top), ["m/alias.wav", "m/b/a.flac", "m/elsewhere/o.wav", "m/z.MP3"]);
        assert_eq!(walk.failures.len(), 1, "{:?}", walk.failures);
        assert!(walk.failures[0].contains("broken.mp3"));
    }

    #[test]
    fn paths_that_cannot_be_indexed_are_reported() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("empty")).unwrap();
        let bad = folder.path().join(std::ffi::OsStr::from_bytes(b"b\xffd.mp3"));
        std::fs::write(&bad, "x").unwrap();
        let paths =
            [folder.path().join("empty"), bad, folder.path().join("gone.mp3"), "s3://bucket/x".into()];
        let walk = walk(&paths).unwrap();
        assert!(walk.files.is_empty());
        for (failure, part) in
            walk.failures.iter().zip(["no audio files", "b\\xFFd.mp3", "gone.mp3", "s3://"])
        {
            assert!(failure.contains(part), "{failure}");
        }
        assert_eq!(walk.failures.len(), 4);
    }
}
