//! Entry URL of a stream.

use std::fmt;
use std::sync::Arc;

use url::Url;

use refrain_net::ShownUrl;

/// Entry URL of a stream: the URL of its master playlist, or of its only media playlist.
#[derive(Clone)]
pub enum EntryUrl {
    /// The same URL for each request.
    Fixed(Url),
    /// A new URL for each request, for example because it contains a token that is valid only once.
    PerRequest(Arc<dyn Fn() -> Url + Send + Sync>),
}

impl EntryUrl {
    /// Returns the URL for the next request.
    #[must_use]
    pub fn url(&self) -> Url {
        match self {
            Self::Fixed(url) => url.clone(),
            Self::PerRequest(make) => make(),
        }
    }
}

impl fmt::Debug for EntryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(url) => write!(f, "Fixed({})", ShownUrl::from(url)),
            Self::PerRequest(_) => f.write_str("PerRequest(..)"),
        }
    }
}
