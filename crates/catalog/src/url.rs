//! Opening a catalog by its URL.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Catalog, CatalogError, OpenSettings, postgres, sqlite};

/// Opens the catalog of a URL with default settings, and creates it if it does not exist: `sqlite:PATH` or
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
///
/// The path of an SQLite file is taken literally, without escapes; missing parent folders are created. A PostgreSQL
/// database must exist; the tables are created in a separate schema, `refrain`. The parameters of the URL are those of
/// libpq (`sslmode`, `sslrootcert`, `sslcert`, `sslkey`, …); `statement-cache-capacity=0` turns prepared statements
/// off, which PgBouncer requires in transaction mode.
///
/// # Errors
/// [`CatalogError::UnsupportedScheme`] for a URL with another scheme, or the error that prevented opening the catalog.
pub async fn open(url: &str) -> Result<Arc<dyn Catalog>, CatalogError> {
    open_with(url, &OpenSettings::default()).await
}

/// Opens a catalog as [`open`] does, with the given settings.
///
/// # Errors
/// As for [`open`].
pub async fn open_with(url: &str, settings: &OpenSettings) -> Result<Arc<dyn Catalog>, CatalogError> {
    open_or_create(url, settings, true).await
}

/// Opens an existing catalog with the given settings. Commands that only read use this function, because creating an
/// empty catalog would hide a mistyped name.
///
/// # Errors
/// As for [`open`]; [`CatalogError::NoCatalog`] if the catalog does not exist.
pub async fn open_existing(url: &str, settings: &OpenSettings) -> Result<Arc<dyn Catalog>, CatalogError> {
    open_or_create(url, settings, false).await
}

async fn open_or_create(
    url: &str,
    settings: &OpenSettings,
    create: bool,
) -> Result<Arc<dyn Catalog>, CatalogError> {
    if let Some(path) = sqlite_path(url) {
        // SQLite creates missing files, so existence is checked first. `open` returns a clear error for an empty path.
        if !create && !path.as_os_str().is_empty() && !path.exists() {
            return Err(CatalogError::NoCatalog { catalog: address(url)?.url });
        }
        return Ok(Arc::new(sqlite::SqliteCatalog::open(&path).await?));
    }
    match scheme(url) {
        // libpq accepts both names of the scheme.
        "postgres" | "postgresql" => {
            Ok(Arc::new(postgres::PostgresCatalog::open(url, &settings.postgres, create).await?))
        }
        other => Err(CatalogError::UnsupportedScheme { scheme: other.to_owned() }),
    }
}

/// Returns the default path prefix of the index cache of a catalog: the path of a `sqlite:` file. Returns `None` for
/// catalogs that are not files.
#[must_use]
pub fn default_cache_prefix(url: &str) -> Option<PathBuf> {
    sqlite_path(url)
}

/// Location of a catalog, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// URL without password and parameters; a path in it is absolute.
    pub url: String,
    /// Parts for a short name of the catalog. For SQLite, the file name without its extension; for PostgreSQL, host (or
    /// socket folder), port and database.
    pub names: Vec<String>,
}

/// Returns the address of the catalog with this URL, without opening the catalog.
///
/// # Errors
/// As for [`open`] if the URL does not name a catalog.
pub fn address(url: &str) -> Result<Address, CatalogError> {
    if let Some(path) = sqlite_path(url) {
        // The text is for display and for file names only, so characters that are not UTF-8 may be replaced.
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        // Fails only without a working folder or for an empty path; the relative path identifies the catalog then.
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
    // `sqlite://PATH` is the form of other programs. The path begins after the slashes, because there is no host.
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Returns the scheme of a URL, or an empty string if it has none. Messages repeat only the scheme, because the rest of
/// a URL can contain a password.
fn scheme(url: &str) -> &str {
    let end = url.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c)).unwrap_or(url.len());
    if url[end..].starts_with(':') { &url[..end] } else { "" }
}
