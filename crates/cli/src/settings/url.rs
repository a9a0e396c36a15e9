//! URLs that may hold a password.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

/// URL of a catalogue. It shows itself without its secrets.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct CatalogUrl(String);

impl CatalogUrl {
    /// All of it, for whoever connects.
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
            // Nobody knows which part of it is the password.
            Err(_) => f.write_str("(a URL that names no catalogue)"),
        }
    }
}

impl fmt::Debug for CatalogUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
