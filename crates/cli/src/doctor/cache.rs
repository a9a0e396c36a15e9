//! Checks of the index cache: that its folder is writable, and that it is up to date with the catalog.

use std::path::{Path, PathBuf};

use anyhow::Result;
use refrain_core::index::CacheState;
use refrain_index_sync::IndexSync;

use super::catalog::OpenCatalog;
use super::check::{Check, HealthReport};
use crate::settings::Settings;

/// Minimum number of missing changes at which an index cache that is behind the catalog causes a warning. The next
/// search has to index them before it returns a result. With 500, `doctor` would warn after every larger import; with
/// 2,000, a search can be slow without a warning.
const WARNING_CHANGES: u64 = 1000;

pub(super) fn add_checks(
    settings: &Settings,
    catalog: Option<&OpenCatalog>,
    report: &mut HealthReport<'_>,
) -> Result<()> {
    let prefix = match settings.cache_prefix() {
        Ok(prefix) => prefix,
        // If the catalog could not be opened, its check has already reported the error.
        Err(_) if catalog.is_none() => return Ok(()),
        Err(error) => return report.add(Check::error("cache folder", &error)),
    };
    report.add(folder(&prefix))?;
    match catalog {
        Some(catalog) => report.add(index(catalog, &prefix)),
        None => Ok(()),
    }
}

fn folder(prefix: &Path) -> Check {
    let folder = folder_of(prefix);
    let (existing, suffix) = match nearest_existing(&folder) {
        Some(existing) if existing == folder => (existing, ""),
        Some(existing) => (existing, ", will be created"),
        None => return Check::failing("cache folder", folder.display().to_string(), "use another folder"),
    };
    let found = format!("{}{suffix}", folder.display());
    // Permission bits show neither read-only mounts nor quotas, so a file is created and deleted.
    match tempfile::Builder::new().prefix(".refrain-doctor-").tempfile_in(&existing) {
        Ok(_) => Check::fine("cache folder", found),
        Err(error) => Check::failing(
            "cache folder",
            format!("{found}: {error}"),
            "allow writing to it, or use another folder with --cache-dir",
        ),
    }
}

/// Returns the absolute path of the folder that contains the files with the path prefix `prefix`.
pub(super) fn folder_of(prefix: &Path) -> PathBuf {
    // The parent of a relative path with a single part is empty, so the path is made absolute first.
    let absolute = std::path::absolute(prefix).unwrap_or_else(|_| prefix.to_owned());
    absolute.parent().map_or_else(|| absolute.clone(), Path::to_owned)
}

/// Returns `folder` if it exists, otherwise its nearest ancestor that exists. Returns `None` if no ancestor exists.
pub(super) fn nearest_existing(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.exists()).map(Path::to_owned)
}

fn index(catalog: &OpenCatalog, prefix: &Path) -> Check {
    const NAME: &str = "index cache";
    let OpenCatalog { context, tracks, position } = catalog;
    // The index is opened but not brought up to date, so that `doctor` changes nothing.
    let (index_sync, state) = match context.wait(IndexSync::open(context.catalog_handle(), prefix)) {
        Ok(opened) => opened,
        Err(error) => return Check::error(NAME, &error.into()),
    };
    let (searchable, behind) =
        (index_sync.snapshot().tracks() as u64, position.saturating_sub(index_sync.position()));
    match state {
        // An empty catalog needs no index.
        CacheState::Missing if *position == 0 => Check::fine(NAME, "empty, the catalog has no tracks yet"),
        CacheState::Missing => Check::warning(NAME, "not found", "the next search builds it"),
        CacheState::Discarded(why) => Check::warning(NAME, why, "the next search rebuilds it"),
        CacheState::Ready if behind >= WARNING_CHANGES => Check::warning(
            NAME,
            format!("{searchable} tracks, {behind} changes behind"),
            "the next search indexes these changes first",
        ),
        CacheState::Ready if behind > 0 => Check::fine(
            NAME,
            format!("{searchable} tracks, {behind} changes behind, which the next search indexes"),
        ),
        // This is checked last: while the index is behind the catalog, the two numbers of tracks differ anyway.
        CacheState::Ready if searchable < *tracks => Check::warning(
            NAME,
            format!("{searchable} of {tracks} tracks are searchable"),
            "the other tracks have damaged fingerprints; `refrain tracks reindex` rebuilds the cache and lists them",
        ),
        CacheState::Ready => Check::fine(NAME, format!("{searchable} tracks, up to date with the catalog")),
    }
}
