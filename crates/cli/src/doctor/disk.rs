//! Checks of the free disk space for the catalog and the index cache.

use anyhow::Result;

use super::cache::{folder_of, nearest_existing};
use super::check::{Check, HealthReport};
use crate::output::bytes;
use crate::settings::Settings;

/// Free space in bytes below which the check is a warning (1 GiB). Indexing for an evening can use this much. With half
/// of it, such a run could fill the disk without a warning; with twice as much, small machines would always get the
/// warning.
const WARNING_BYTES: u64 = 1 << 30;

/// Free space in bytes below which the check fails (50 MiB). One batch of new tracks (16 MiB of constellations), its
/// copy in the write-ahead log and the merged index files need this space. With half of it, the next batch could fail
/// although the check was successful.
const FAILING_BYTES: u64 = 50 << 20;

/// Checks the free space of the folders of the catalog file and the index cache. If both are the same folder, it is
/// checked once.
pub(super) fn add_checks(settings: &Settings, report: &mut HealthReport<'_>) -> Result<()> {
    let file = refrain_catalog::default_cache_prefix(settings.catalog.expose());
    let mut folders: Vec<_> =
        file.into_iter().chain(settings.cache_prefix().ok()).map(|file| folder_of(&file)).collect();
    // The list has at most two folders, so equal folders are adjacent.
    folders.dedup();
    for folder in folders {
        if let Some(free_bytes) = nearest_existing(&folder).and_then(|existing| free_bytes(&existing)) {
            let found = format!("{} for {}", bytes(free_bytes), folder.display());
            report.add(match free_bytes {
                ..FAILING_BYTES => Check::failing("free disk", found, "free disk space, or move the folder"),
                FAILING_BYTES..WARNING_BYTES => {
                    Check::warning("free disk", found, "free disk space before you index more")
                }
                _ => Check::fine("free disk", found),
            })?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    // `f_bavail` excludes the space that is reserved for root; `f_bfree` includes it.
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free_bytes(_: &std::path::Path) -> Option<u64> {
    None
}
