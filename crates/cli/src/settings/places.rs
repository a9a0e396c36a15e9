//! Where things are when nobody says so: the XDG folders.

use std::ffi::OsString;
use std::path::PathBuf;

use refrain_catalog::Address;

/// Characters of a catalogue's name in that of a folder, which may have 255 bytes in all.
const LONGEST_NAME: usize = 60;

/// The catalogue in the user's data folder, if the environment tells of one.
pub(super) fn catalog_file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_DATA_HOME", ".local/share")?.join("refrain/catalog.db"))
}

/// The settings file in the user's configuration folder, if the environment tells of one.
pub(super) fn config_file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_CONFIG_HOME", ".config")?.join("refrain/config.toml"))
}

/// The folder of index caches in the user's cache folder, if the environment tells of one.
pub(super) fn cache_folder(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_CACHE_HOME", ".cache")?.join("refrain"))
}

/// A name for the folder of a catalogue's cache: for people what it is called, and a hash so that no two are the same.
pub(super) fn cache_name(address: &Address) -> String {
    let hash = blake3::hash(address.url.as_bytes()).to_hex();
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let name: String = address.names.join("-").chars().map(plain).take(LONGEST_NAME).collect();
    format!("{name}-{}", &hash[..8])
}

/// The XDG rules: a relative path in the variable is ignored, as is an empty one.
fn folder(variables: &[(OsString, OsString)], name: &str, below_home: &str) -> Option<PathBuf> {
    let get = |name: &str| {
        let value = &variables.iter().find(|(key, _)| key == name)?.1;
        Some(PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    get(name).or_else(|| Some(get("HOME")?.join(below_home)))
}
