//! The URL of the catalog, which can contain a password.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// URL of a catalog. Its display and debug output contain no secrets.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct CatalogUrl(String);

impl CatalogUrl {
    /// Returns the complete URL, including its password, for connecting to the database.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for CatalogUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl FromStr for CatalogUrl {
    type Err = Infallible;

    fn from_str(url: &str) -> Result<Self, Infallible> {
        Ok(Self(url.to_owned()))
    }
}

impl fmt::Display for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match refrain_catalog::address(&self.0) {
            Ok(address) => f.write_str(&address.url),
            // In an invalid URL, the password cannot be located, so no part of the URL is shown.
            Err(_) => f.write_str("(an invalid catalog URL)"),
        }
    }
}

impl fmt::Debug for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
