//! Where a stream is entered.

use std::fmt;
use std::sync::Arc;

use url::Url;

use crate::http::ShownUrl;

/// The URL that a stream is entered by: its master playlist, or the only media playlist.
#[derive(Clone)]
pub enum Entry {
    /// Always the same.
    Fixed(Url),
    /// Another one for each look, for example because a token in it is good for one use only.
    Fresh(Arc<dyn Fn() -> Url + Send + Sync>),
}

impl Entry {
    /// The URL for the next look.
    #[must_use]
    pub fn url(&self) -> Url {
        match self {
            Self::Fixed(url) => url.clone(),
            Self::Fresh(make) => make(),
        }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(url) => write!(f, "Fixed({})", ShownUrl::from(url)),
            Self::Fresh(_) => f.write_str("Fresh(..)"),
        }
    }
}
