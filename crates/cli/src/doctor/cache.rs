//! Checks of the index cache: that its folder is writable, and that it is up to date with the catalog.

use std::path::{Path, PathBuf};

use anyhow::Result;
use refrain_core::index::CacheState;
use refrain_index_sync::IndexSync;

use super::catalogue::Catalogue;
use super::check::{Check, Report};
use crate::settings::Settings;

/// Number of changes behind the catalog from which on the check is a warning, because the next search has to wait until
/// they are indexed.
const FAR_BEHIND: u64 = 1000;

pub(super) fn look(
    settings: &Settings,
    catalogue: Option<&Catalogue>,
    report: &mut Report<'_>,
) -> Result<()> {
    let prefix = match settings.cache_prefix() {
        Ok(prefix) => prefix,
        // The check of the catalog has already reported the error in its URL.
        Err(_) if catalogue.is_none() => return Ok(()),
        Err(error) => return report.add(Check::error("cache folder", &error)),
    };
    report.add(folder(&prefix))?;
    match catalogue {
        Some(catalogue) => report.add(index(catalogue, &prefix)),
        None => Ok(()),
    }
}

fn folder(prefix: &Path) -> Check {
    let folder = folder_of(prefix);
    let (there, will_be) = match nearest(&folder) {
        Some(there) if there == folder => (there, ""),
        Some(there) => (there, ", will be created"),
        None => return Check::failing("cache folder", folder.display().to_string(), "use another folder"),
    };
    let found = format!("{}{will_be}", folder.display());
    match tempfile::Builder::new().prefix(".refrain-doctor-").tempfile_in(&there) {
        Ok(_) => Check::fine("cache folder", found),
        Err(error) => Check::failing(
            "cache folder",
            format!("{found}: {error}"),
            "allow writing to it, or use another folder with --cache-dir",
        ),
    }
}

/// Returns the absolute path of the folder that contains the files of the cache.
pub(super) fn folder_of(prefix: &Path) -> PathBuf {
    let absolute = std::path::absolute(prefix).unwrap_or_else(|_| prefix.to_owned());
    absolute.parent().map_or_else(|| absolute.clone(), Path::to_owned)
}

/// Returns the folder if it exists, else its nearest ancestor that exists.
pub(super) fn nearest(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.exists()).map(Path::to_owned)
}

fn index(catalogue: &Catalogue, prefix: &Path) -> Check {
    const NAME: &str = "index cache";
    let Catalogue { store, tracks, position } = catalogue;
    let (library, state) = match store.wait(IndexSync::open(store.shared_catalog(), prefix)) {
        Ok(opened) => opened,
        Err(error) => return Check::error(NAME, &error.into()),
    };
    let (searchable, behind) =
        (library.snapshot().tracks() as u64, position.saturating_sub(library.position()));
    match state {
        CacheState::Missing if *position == 0 => Check::fine(NAME, "empty, the catalog has no tracks yet"),
        CacheState::Missing => Check::warning(NAME, "not found", "the next search builds it"),
        CacheState::Discarded(why) => Check::warning(NAME, why, "the next search rebuilds it"),
        CacheState::Ready if behind >= FAR_BEHIND => Check::warning(
            NAME,
            format!("{searchable} tracks, {behind} changes behind"),
            "the next search indexes these changes first",
        ),
        CacheState::Ready if behind > 0 => Check::fine(
            NAME,
            format!("{searchable} tracks, {behind} changes behind, which the next search indexes"),
        ),
        CacheState::Ready if searchable < *tracks => Check::warning(
            NAME,
            format!("{searchable} of {tracks} tracks are searchable"),
            "the other tracks have damaged fingerprints; `refrain tracks reindex` rebuilds the cache and lists them",
        ),
        CacheState::Ready => Check::fine(NAME, format!("{searchable} tracks, up to date with the catalog")),
    }
}
