//! The index cache: can it be written, and does it know what the catalogue knows?

use std::path::{Path, PathBuf};

use anyhow::Result;
use refrain_catalog::Library;
use refrain_core::index::CacheState;

use super::catalogue::Catalogue;
use super::check::{Check, Report};
use crate::settings::Settings;

/// An index that is this many changes behind keeps the next search waiting.
const FAR_BEHIND: u64 = 1000;

pub(super) fn look(
    settings: &Settings,
    catalogue: Option<&Catalogue>,
    report: &mut Report<'_>,
) -> Result<()> {
    let prefix = match settings.cache_prefix() {
        Ok(prefix) => prefix,
        // The catalogue's check has said already what its URL lacks.
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
        Some(there) => (there, ", to be made"),
        None => return Check::failing("cache folder", folder.display().to_string(), "name another one"),
    };
    let found = format!("{}{will_be}", folder.display());
    match tempfile::Builder::new().prefix(".refrain-doctor-").tempfile_in(&there) {
        Ok(_) => Check::fine("cache folder", found),
        Err(error) => Check::failing(
            "cache folder",
            format!("{found}: {error}"),
            "allow writing to it, or name another one with --cache-dir",
        ),
    }
}

/// The folder that the files of the cache are in.
pub(super) fn folder_of(prefix: &Path) -> PathBuf {
    let absolute = std::path::absolute(prefix).unwrap_or_else(|_| prefix.to_owned());
    absolute.parent().map_or_else(|| absolute.clone(), Path::to_owned)
}

/// The folder, or the nearest one above it that is there.
pub(super) fn nearest(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().find(|folder| folder.exists()).map(Path::to_owned)
}

fn index(catalogue: &Catalogue, prefix: &Path) -> Check {
    const NAME: &str = "index cache";
    let Catalogue { store, tracks, position } = catalogue;
    let (library, state) = match store.wait(Library::open(store.shared_catalog(), prefix)) {
        Ok(opened) => opened,
        Err(error) => return Check::error(NAME, &error.into()),
    };
    let (searchable, behind) =
        (library.snapshot().tracks() as u64, position.saturating_sub(library.position()));
    match state {
        CacheState::Missing if *position == 0 => Check::fine(NAME, "nothing to be searched yet"),
        CacheState::Missing => Check::warning(NAME, "is not there", "the next search builds it first"),
        CacheState::Discarded(why) => Check::warning(NAME, why, "the next search builds it again first"),
        CacheState::Ready if behind >= FAR_BEHIND => Check::warning(
            NAME,
            format!("{searchable} tracks, {behind} changes behind"),
            "the next search takes these in first",
        ),
        CacheState::Ready if behind > 0 => Check::fine(
            NAME,
            format!("{searchable} tracks, {behind} changes behind, which the next search takes in"),
        ),
        CacheState::Ready if searchable < *tracks => Check::warning(
            NAME,
            format!("{searchable} of {tracks} tracks can be found"),
            "the others have damaged fingerprints; `refrain index` says which when it builds the cache anew",
        ),
        CacheState::Ready => Check::fine(NAME, format!("{searchable} tracks, in step with the catalogue")),
    }
}
