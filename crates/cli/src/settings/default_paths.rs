//! Default paths in the XDG folders of the user.

use std::ffi::OsString;
use std::path::PathBuf;

use refrain_catalog::Address;

/// Maximum number of characters of the catalog's name in the name of its cache folder. File systems allow 255 bytes; 60
/// characters have at most 240 bytes in UTF-8, and the hyphen and the hash take 9.
const MAX_NAME_CHARS: usize = 60;

/// Returns the path of the catalog in the user's data folder. Returns `None` if the environment does not define this
/// folder.
pub(super) fn catalog_file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_DATA_HOME", ".local/share")?.join("refrain/catalog.db"))
}

/// Returns the path of the settings file in the user's configuration folder. Returns `None` if the environment does not
/// define this folder.
pub(super) fn config_file(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_CONFIG_HOME", ".config")?.join("refrain/config.toml"))
}

/// Returns the folder of index caches in the user's cache folder. Returns `None` if the environment does not define
/// this folder.
pub(super) fn cache_folder(variables: &[(OsString, OsString)]) -> Option<PathBuf> {
    Some(folder(variables, "XDG_CACHE_HOME", ".cache")?.join("refrain"))
}

/// Returns the name of the cache folder of a catalog: its readable name, and a hash of its URL that makes it unique.
pub(super) fn cache_name(address: &Address) -> String {
    let hash = blake3::hash(address.url.as_bytes()).to_hex();
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    let name: String = address.names.join("-").chars().map(plain).take(MAX_NAME_CHARS).collect();
    format!("{name}-{}", &hash[..8])
}

/// Returns a folder by the XDG rules: the path in the variable `name`, or else `below_home` in the home folder. Empty
/// and relative paths count as missing. Returns `None` if the variable `HOME` is missing too.
fn folder(variables: &[(OsString, OsString)], name: &str, below_home: &str) -> Option<PathBuf> {
    let get = |name: &str| {
        let value = &variables.iter().find(|(key, _)| key == name)?.1;
        Some(PathBuf::from(value)).filter(|path| path.is_absolute())
    };
    get(name).or_else(|| Some(get("HOME")?.join(below_home)))
}
