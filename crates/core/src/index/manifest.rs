//! The manifest lists the run files of a cache, and the change of the catalog up to which they are complete.
//!
//! It is a text file that is replaced atomically by renaming, so that a reader sees either the old or the new content:
//! ```text
//! refrain-index 1
//! catalog 0123…
//! position 42
//! next 7
//! run 3
//! removed 17
//! checksum 89ab…
//! ```

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use xxhash_rust::xxh3::xxh3_64;

use super::{IndexError, TrackNumber};

const HEADING: &str = "refrain-index 1";

/// Content of the manifest file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    pub(crate) catalog: u128,
    /// Number of the change of the catalog up to which the cache is complete; 0 for an empty cache.
    pub(crate) position: u64,
    /// Number of the next run file to write. Numbers are never reused.
    pub(crate) next: u64,
    /// Numbers of the run files of the cache.
    pub(crate) runs: Vec<u64>,
    /// Removed tracks whose data is still in a run file.
    pub(crate) removed: HashSet<TrackNumber>,
}

/// Makes the paths of the files of a cache, which all begin with the same prefix.
#[derive(Debug, Clone)]
pub(crate) struct CacheFiles {
    prefix: PathBuf,
}

impl CacheFiles {
    pub(crate) fn new(prefix: &Path) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    fn with(&self, ending: &str) -> PathBuf {
        let mut path = self.prefix.clone().into_os_string();
        path.push(ending);
        path.into()
    }

    pub(crate) fn manifest(&self) -> PathBuf {
        self.with("-index")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.with("-index.lock")
    }

    pub(crate) fn run(&self, number: u64) -> PathBuf {
        self.with(&format!("-run-{number}"))
    }

    /// Reads the manifest. Returns `None` if the file does not exist.
    pub(crate) fn read_manifest(&self) -> Result<Option<Manifest>, IndexError> {
        let path = self.manifest();
        match fs::read(&path) {
            Ok(bytes) => {
                let text =
                    String::from_utf8(bytes).map_err(|_| IndexError::Damaged { path: path.clone() })?;
                if !Manifest::is_intact(&text) {
                    return Err(IndexError::Damaged { path });
                }
                let unusable = || IndexError::Unusable { path, reason: "of another version" };
                Manifest::parse(&text).map(Some).ok_or_else(unusable)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(IndexError::Io { action: "read", path, source }),
        }
    }

    /// Replaces the manifest atomically.
    pub(crate) fn write_manifest(&self, manifest: &Manifest) -> Result<(), IndexError> {
        let path = self.manifest();
        // Renaming replaces the file at once, so a reader never sees half of a manifest.
        let temporary = self.with("-index.new");
        fs::write(&temporary, manifest.to_text()).and_then(|()| fs::rename(&temporary, &path)).map_err(
            |source| {
                let _ = fs::remove_file(&temporary);
                IndexError::Io { action: "write", path, source }
            },
        )
    }
}

impl Manifest {
    fn to_text(&self) -> String {
        let mut text = format!(
            "{HEADING}\ncatalog {:032x}\nposition {}\nnext {}\n",
            self.catalog, self.position, self.next
        );
        // Writing to a string cannot fail.
        for run in &self.runs {
            let _ = writeln!(text, "run {run}");
        }
        let mut removed: Vec<_> = self.removed.iter().collect();
        // A set has no order; sorting gives equal manifests equal texts.
        removed.sort();
        for track in removed {
            let _ = writeln!(text, "removed {}", track.0);
        }
        let checksum = xxh3_64(text.as_bytes());
        let _ = writeln!(text, "checksum {checksum:016x}");
        text
    }

    /// Returns the text before the last line, which contains the checksum, and that checksum.
    fn split(text: &str) -> Option<(&str, u64)> {
        let (body, end) = text.split_at(text.rfind("checksum ")?);
        let checksum = u64::from_str_radix(end.strip_prefix("checksum ")?.trim_end(), 16).ok()?;
        Some((body, checksum))
    }

    /// Returns true if the last line contains the checksum of the text before it.
    fn is_intact(text: &str) -> bool {
        Self::split(text).is_some_and(|(body, checksum)| checksum == xxh3_64(body.as_bytes()))
    }

    /// Reads the text of a manifest without verifying the checksum. Returns `None` if the text is not a manifest or
    /// contains lines that this version does not support.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (body, _) = Self::split(text)?;
        let mut lines = body.lines();
        if lines.next()? != HEADING {
            return None;
        }
        let mut this = Self::default();
        for line in lines {
            let (key, value) = line.split_once(' ')?;
            match key {
                "catalog" => this.catalog = u128::from_str_radix(value, 16).ok()?,
                "position" => this.position = value.parse().ok()?,
                "next" => this.next = value.parse().ok()?,
                "run" => this.runs.push(value.parse().ok()?),
                "removed" => _ = this.removed.insert(TrackNumber(value.parse().ok()?)),
                // An unknown line may change the meaning of the others, so the whole manifest is treated as another
                // version.
                _ => return None,
            }
        }
        Some(this)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_read_back_and_damage_is_detected() {
        let manifest = Manifest {
            catalog: 0x1234 << 90,
            position: 42,
            next: 7,
            runs: vec![3, 6],
            removed: HashSet::from([TrackNumber(9), TrackNumber(4)]),
        };
        let text = manifest.to_text();
        assert!(Manifest::is_intact(&text));
        assert_eq!(Manifest::parse(&text), Some(manifest));
        assert!(!Manifest::is_intact(&text.replace("position 42", "position 43")));
        assert!(!Manifest::is_intact(&text[..text.len() / 2]));
        assert!(!Manifest::is_intact(""));
    }
}
