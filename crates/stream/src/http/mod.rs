//! Questions to strangers' web servers.
//!
//! All streams of a process share one [`HttpClient`] and thereby its connections. Whatever a server answers, a
//! request ends: connecting, silence, the whole transfer and its rate have limits, and so has the size of a body.
//! Redirects are followed here and not by reqwest, because each of their targets is checked like a first address
//! ([`Reach`]): a playlist of the public internet leads to nothing behind our own walls, be it by an address, by a name
//! that resolves to one, or by a redirect. What errors tell holds no tokens.

mod address;
mod download;
mod error;
mod request;
mod resolve;
mod settings;

pub use address::Reach;
pub use download::{DownloadError, Downloaded};
pub use error::{HttpError, HttpFailure, ShownUrl};
pub use request::{Answer, Question};
pub use reqwest::header::HeaderName;
pub use settings::{HttpSettings, Limits};

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use url::{Host, Url};

/// The HTTP client of a process. Clones share its connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    public: reqwest::Client,
    private: reqwest::Client,
    settings: Arc<HttpSettings>,
}

/// A client could not be made.
#[derive(Debug, thiserror::Error)]
#[error("no HTTP client: the system's certificates or its TLS cannot be set up")]
pub struct ClientError(#[source] reqwest::Error);

impl HttpClient {
    /// A client with these limits.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn new(settings: HttpSettings) -> Result<Self, ClientError> {
        // Two, because names are resolved deep inside, where nobody knows whose request it is.
        let public = build(&settings, Reach::Public)?;
        let private = build(&settings, Reach::Private)?;
        Ok(Self { public, private, settings: Arc::new(settings) })
    }

    /// How far an operator's own `url` reaches: whoever names a host of a private network means it. `None` if its name
    /// cannot be looked up now.
    pub async fn reach_of(&self, url: &Url) -> Option<Reach> {
        let private = match url.host() {
            Some(Host::Ipv4(v4)) => address::is_private(v4.into()),
            Some(Host::Ipv6(v6)) => address::is_private(v6.into()),
            Some(Host::Domain(name)) => {
                let looked_up =
                    tokio::time::timeout(self.settings.connect, tokio::net::lookup_host((name, 0)));
                match looked_up.await {
                    Ok(Ok(mut found)) => found.any(|address| address::is_private(address.ip())),
                    _ => return None,
                }
            }
            None => false,
        };
        Some(if private { Reach::Private } else { Reach::Public })
    }

    /// A client for answers without end ([`crate::RadioSource`]): it follows redirects itself, each checked like a first
    /// address, and understands the oldest servers, which answer without a version of HTTP.
    ///
    /// # Errors
    /// If TLS cannot be set up.
    pub fn listening(&self, reach: Reach) -> Result<reqwest::Client, ClientError> {
        let followed = Policy::custom(move |attempt| {
            if attempt.previous().len() > request::MAX_REDIRECTS {
                return attempt.error(HttpFailure::Redirects(request::MAX_REDIRECTS));
            }
            match check(attempt.url(), reach) {
                Ok(()) => attempt.follow(),
                Err(failure) => attempt.error(failure),
            }
        });
        builder(&self.settings, reach).redirect(followed).http09_responses().build().map_err(ClientError)
    }

    fn of(&self, reach: Reach) -> &reqwest::Client {
        match reach {
            Reach::Public => &self.public,
            Reach::Private => &self.private,
        }
    }
}

fn build(settings: &HttpSettings, reach: Reach) -> Result<reqwest::Client, ClientError> {
    builder(settings, reach).redirect(Policy::none()).build().map_err(ClientError)
}

fn builder(settings: &HttpSettings, reach: Reach) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .connect_timeout(settings.connect)
        .pool_idle_timeout(settings.keep_idle)
        .tcp_keepalive(Duration::from_secs(30))
        // A proxy would resolve names itself, past the filter.
        .no_proxy()
        .dns_resolver(Arc::new(resolve::Filtered(reach)))
}

/// Whether `url` may be asked for at all; names are checked when they are resolved.
pub(crate) fn check(url: &Url, reach: Reach) -> Result<(), HttpFailure> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(HttpFailure::Scheme(url.scheme().to_owned()));
    }
    let admitted = match url.host() {
        Some(Host::Ipv4(v4)) => reach.admits(v4.into()),
        Some(Host::Ipv6(v6)) => reach.admits(v6.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if admitted { Ok(()) } else { Err(HttpFailure::Refused) }
}
