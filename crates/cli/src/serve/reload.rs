//! Reads the settings again when their file changes or SIGHUP arrives.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use refrain_service::settings::ReloadableSettings;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::signals::Hangups;
use crate::output::error_chain;
use crate::settings::{Role, Settings, SettingsSource};

/// Interval at which the file is checked for a change. A change is applied when two checks in a row find the same file,
/// so that a file that is being written is not read in parts. At half this value, a change is applied 1 s earlier; at
/// twice this value, a person who edits the file waits up to 8 s.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// Time of the last change and length of a file.
type FileVersion = (SystemTime, u64);

/// Reads the settings of a running service again.
pub(super) struct SettingsReader {
    source: SettingsSource,
    /// Roles in the flags; `None` for those in the settings.
    roles: Option<Vec<Role>>,
    /// The settings that were read last.
    last: Settings,
    reloaded: watch::Sender<ReloadableSettings>,
}

impl SettingsReader {
    pub(super) fn new(
        source: SettingsSource,
        roles: Option<&[Role]>,
        settings: &Settings,
        reloaded: watch::Sender<ReloadableSettings>,
    ) -> Self {
        Self { source, roles: roles.map(<[Role]>::to_vec), last: settings.clone(), reloaded }
    }

    /// Reads the settings after each change of their file and after each SIGHUP, without an end.
    pub(super) async fn run(mut self, mut hangups: Hangups) {
        let mut file = self.last.config.clone().map(WatchedFile::new);
        let mut checks = interval_at(Instant::now() + CHECK_INTERVAL, CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let reason = tokio::select! {
                () = hangups.next() => "SIGHUP",
                _ = checks.tick() => {
                    let Some(file) = &mut file else { continue };
                    if !file.has_changed().await {
                        continue;
                    }
                    "the file has changed"
                }
            };
            self.read(reason).await;
        }
    }

    async fn read(&mut self, reason: &str) {
        let (source, roles) = (self.source.clone(), self.roles.clone());
        // The files of the settings can be on a slow disk.
        let read = tokio::task::spawn_blocking(move || read_settings(&source, roles.as_deref())).await;
        let (settings, reloadable) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => {
                let error = error_chain(&error);
                tracing::error!(reason, error, "cannot use the changed settings, keeping the previous ones");
                return;
            }
            Err(error) => return tracing::error!(%error, "reading the settings failed, a bug in refrain"),
        };
        if !settings.differs_in_reloadable_settings_only(&self.last) {
            tracing::warn!(
                reason,
                "settings other than [[streams]] and [[sinks]] have changed; restart the service to use them"
            );
        }
        self.last = settings;
        let has_changed = self.reloaded.send_if_modified(|current| {
            let has_changed = *current != reloadable;
            *current = reloadable;
            has_changed
        });
        if !has_changed {
            tracing::info!(reason, "settings read again, the streams and sinks are unchanged");
        }
    }
}

fn read_settings(source: &SettingsSource, roles: Option<&[Role]>) -> Result<(Settings, ReloadableSettings)> {
    let settings = source.resolve()?;
    let reloadable = settings.service(roles)?.reloadable();
    Ok((settings, reloadable))
}

/// A file that is checked for changes.
struct WatchedFile {
    path: PathBuf,
    /// The version that was read last; `None` if the file could not be read.
    read: Option<FileVersion>,
    /// The version at the last check.
    seen: Option<FileVersion>,
}

impl WatchedFile {
    fn new(path: PathBuf) -> Self {
        let version = version(&path);
        Self { path, read: version, seen: version }
    }

    /// Returns true if the file has changed since it was read, and is the same as at the last check.
    async fn has_changed(&mut self) -> bool {
        let path = self.path.clone();
        let now = tokio::task::spawn_blocking(move || version(&path)).await.ok().flatten();
        let is_stable = self.seen == now;
        self.seen = now;
        // A missing file is one that is being replaced, or a mistake: the settings stay as they are.
        let has_changed = is_stable && now.is_some() && self.read != now;
        if has_changed {
            self.read = now;
        }
        has_changed
    }
}

fn version(path: &Path) -> Option<FileVersion> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.modified().ok()?, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn file_has_changed_when_it_is_complete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("service.toml");
        std::fs::write(&path, "a").unwrap();
        let mut file = WatchedFile::new(path.clone());
        assert!(!file.has_changed().await);
        std::fs::write(&path, "ab").unwrap();
        assert!(!file.has_changed().await, "it may be incomplete");
        std::fs::write(&path, "abc").unwrap();
        assert!(!file.has_changed().await, "it was incomplete");
        assert!(file.has_changed().await);
        assert!(!file.has_changed().await, "a change is reported once");
        std::fs::remove_file(&path).unwrap();
        assert!(!file.has_changed().await && !file.has_changed().await, "a missing file is no change");
        std::fs::write(&path, "abcd").unwrap();
        assert!(!file.has_changed().await && file.has_changed().await);
    }
}
