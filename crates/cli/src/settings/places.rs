//! Where things are when nobody says so: the XDG folders.

use std::ffi::OsString;
use std::path::PathBuf;

/// The catalogue in the user's data folder, if the environment tells of one.
pub(super) fn catalog_file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_DATA_HOME", ".local/share")?.join("refrain/catalog.db"))
}

/// The settings file in the user's configuration folder, if the environment tells of one.
pub(super) fn config_file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_CONFIG_HOME", ".config")?.join("refrain/config.toml"))
}

/// The XDG rules: a relative path in the variable is ignored, as is an empty one.
fn folder(variables: &[(OsString, OsString)], name: &str, below_home: &str) -> Option<PathBuf> {
    let get = |name: &str| {
        let value = &variables.iter().find(|(key, _)| key == name)?.1;
        Some(PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    get(name).or_else(|| Some(get("HOME")?.join(below_home)))
}
