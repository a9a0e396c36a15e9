//! Space that is left where files of ours grow.

use anyhow::Result;

use super::cache::{folder_of, nearest};
use super::check::{Check, Report};
use crate::output::bytes;
use crate::settings::Settings;

/// Less than this is used up by one evening of indexing.
const LITTLE: u64 = 1 << 30;

/// Less than this is used up by anything.
const NONE: u64 = 50 << 20;

/// Looks at the disks of catalogue and cache; where they are one, once.
pub(super) fn look(settings: &Settings, report: &mut Report<'_>) -> Result<()> {
    let file = refrain_catalog::default_cache_prefix(settings.catalog.expose());
    let mut folders: Vec<_> =
        file.into_iter().chain(settings.cache_prefix().ok()).map(|file| folder_of(&file)).collect();
    folders.dedup();
    for folder in folders {
        if let Some(free) = nearest(&folder).and_then(|there| free(&there)) {
            let found = format!("{} for {}", bytes(free), folder.display());
            report.add(match free {
                ..NONE => Check::failing("free disk", found, "free some, or move what is in it"),
                NONE..LITTLE => Check::warning("free disk", found, "free some before you index more"),
                _ => Check::fine("free disk", found),
            })?;
        }
    }
    Ok(())
}

#[cfg(unix)]
fn free(folder: &std::path::Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    // What this user may use: some of the free space is root's.
    disk.f_bavail.checked_mul(disk.f_frsize)
}

#[cfg(not(unix))]
fn free(_: &std::path::Path) -> Option<u64> {
    None
}
