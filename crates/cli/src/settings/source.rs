//! The sources of the settings, from which they can be read again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::{Layer, Settings};

/// The flags, the path of the file and the environment variables of a command. The variables do not change while it
/// runs, but the file and the files that it names can.
#[derive(Debug, Clone)]
pub(crate) struct SettingsSource {
    flags: Layer,
    config: Option<PathBuf>,
    variables: Vec<(OsString, OsString)>,
}

impl SettingsSource {
    /// Creates the sources. `config` is the path of the file in the flags.
    pub(crate) fn new(flags: Layer, config: Option<&Path>, variables: Vec<(OsString, OsString)>) -> Self {
        Self { flags, config: config.map(Path::to_owned), variables }
    }

    /// Reads the settings.
    ///
    /// # Errors
    /// The same as those of [`Settings::resolve`].
    pub(crate) fn resolve(&self) -> Result<Settings> {
        Settings::resolve(self.flags.clone(), self.config.as_deref(), &self.variables)
    }
}
