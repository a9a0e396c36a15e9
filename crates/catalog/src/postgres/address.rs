//! The parts of a PostgreSQL URL that are not secret.

use super::error::PostgresName;
use super::open::options;
use crate::{Address, CatalogError};

/// Returns the address in a PostgreSQL URL. Parts that are missing from the URL come from the environment variables of
/// libpq (`PGHOST`, `PGPORT`, …) or are the defaults of libpq.
pub(crate) fn address(url: &str) -> Result<Address, CatalogError> {
    let options = options(url)?;
    let socket = options.get_socket().map(|folder| folder.display().to_string());
    // If the URL names no database, libpq and the server use the name of the user.
    let database = options.get_database().unwrap_or(options.get_username());
    let names = vec![
        socket.unwrap_or_else(|| options.get_host().to_owned()),
        options.get_port().to_string(),
        database.to_owned(),
    ];
    Ok(Address { url: PostgresName::new(&options).url, names })
}
