//! From a URL to a catalogue.

use std::path::PathBuf;
use std::sync::Arc;

use crate::{Catalog, CatalogError, sqlite};

/// Opens the catalogue that a URL names, and makes it where there is none: `sqlite:PATH`.
///
/// The path is taken as it stands, with no escapes; folders on the way to it are made too.
///
/// # Errors
/// [`CatalogError::UnsupportedScheme`] for any other URL, else whatever keeps the catalogue from opening.
pub async fn open(url: &str) -> Result<Arc<dyn Catalog>, CatalogError> {
    match sqlite_path(url) {
        Some(path) => Ok(Arc::new(sqlite::SqliteCatalog::open(&path).await?)),
        None => Err(CatalogError::UnsupportedScheme { scheme: scheme(url).to_owned() }),
    }
}

/// Where the index cache of a catalogue lives unless the user says otherwise: beside a `sqlite:` file, under
/// its name. `None` for catalogues that are no file.
#[must_use]
pub fn default_cache_prefix(url: &str) -> Option<PathBuf> {
    sqlite_path(url)
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
