//! From a URL to a catalogue.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Catalog, CatalogError, OpenSettings, postgres, sqlite};

/// Opens the catalogue that a URL names, and makes it where there is none: `sqlite:PATH` or
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, with settings as they are by default.
///
/// The path is taken as it stands, with no escapes; folders on the way to it are made too. A database has to be
/// there, its tables are made in a schema of their own, `refrain`. Parameters of the URL are those of libpq
/// (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`, …); `statement-cache-capacity=0` turns prepared statements
/// off, as PgBouncer needs it in transaction mode.
///
/// # Errors
/// [`CatalogError::UnsupportedScheme`] for any other URL, else whatever keeps the catalogue from opening.
pub async fn open(url: &str) -> Result<Arc<dyn Catalog>, CatalogError> {
    open_with(url, &OpenSettings::default()).await
}

/// Opens a catalogue as [`open`] does, with settings.
///
/// # Errors
/// As [`open`].
pub async fn open_with(url: &str, settings: &OpenSettings) -> Result<Arc<dyn Catalog>, CatalogError> {
    open_or_make(url, settings, true).await
}

/// Opens a catalogue that is there, with settings: for whoever only asks, to whom an empty catalogue made in passing
/// would hide a mistyped name.
///
/// # Errors
/// As [`open`]; [`CatalogError::NoCatalogue`] where there is none.
pub async fn open_existing(url: &str, settings: &OpenSettings) -> Result<Arc<dyn Catalog>, CatalogError> {
    open_or_make(url, settings, false).await
}

async fn open_or_make(
    url: &str,
    settings: &OpenSettings,
    make: bool,
) -> Result<Arc<dyn Catalog>, CatalogError> {
    if let Some(path) = sqlite_path(url) {
        if !make && !path.as_os_str().is_empty() && !path.exists() {
            return Err(CatalogError::NoCatalogue { catalog: address(url)?.url });
        }
        return Ok(Arc::new(sqlite::SqliteCatalog::open(&path).await?));
    }
    match scheme(url) {
        "postgres" | "postgresql" => {
            Ok(Arc::new(postgres::PostgresCatalog::open(url, &settings.postgres, make).await?))
        }
        other => Err(CatalogError::UnsupportedScheme { scheme: other.to_owned() }),
    }
}

/// Where the index cache of a catalogue lives unless the user says otherwise: beside a `sqlite:` file, under
/// its name. `None` for catalogues that are no file.
#[must_use]
pub fn default_cache_prefix(url: &str) -> Option<PathBuf> {
    sqlite_path(url)
}

/// Where a catalogue is, as it may be shown to anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The URL without password and parameters; a path in it is absolute.
    pub url: String,
    /// What it is called in short: the file without its extension; or host, port and database.
    pub names: Vec<String>,
}

/// Reads a URL without opening anything.
///
/// # Errors
/// As [`open`] for a URL that names no catalogue.
pub fn address(url: &str) -> Result<Address, CatalogError> {
    if let Some(path) = sqlite_path(url) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = std::path::absolute(&path).unwrap_or(path);
        return Ok(Address { url: format!("sqlite:{}", path.display()), names: vec![name] });
    }
    match scheme(url) {
        "postgres" | "postgresql" => postgres::address(url),
        other => Err(CatalogError::UnsupportedScheme { scheme: other.to_owned() }),
    }
}

fn sqlite_path(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Only the scheme is ever repeated to the user: the rest of a URL may hold a password.
fn scheme(url: &str) -> &str {
    let end = url.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(url.len());
    if url[end..].starts_with(':') { &url[..end] } else { "" }
}
