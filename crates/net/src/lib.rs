//! HTTP requests to servers that Refrain does not control.
//!
//! All streams of a process share one [`HttpClient`] and its connections. The time to connect, the silence between
//! bytes, the duration and rate of a transfer, and the size of a body are limited. The target of each redirect is
//! checked like the URL of the request ([`AddressPolicy`]). So a playlist of the public internet cannot lead to private
//! addresses, neither by a literal address, nor by a name that resolves to one, nor by a redirect. Errors contain no
//! tokens.

mod address_kind;
mod backoff;
mod budget;
mod download;
mod error;
mod policy;
mod request;
mod resolve;
mod settings;
mod shown_url;

pub use backoff::Backoff;
pub use download::{DownloadError, TransferProgress};
pub use error::{HttpError, HttpFailure};
pub use policy::{AddressPolicy, InvalidHost, PrivateHost};
pub use request::{HttpRequest, PostResponse, ServerResponse};
pub use reqwest::header::HeaderName;
pub use settings::{HttpSettings, TransferLimits};
pub use shown_url::ShownUrl;

use std::sync::Arc;
use std::time::Duration;

use budget::ByteBudget;
use reqwest::redirect::Policy;
use url::{Host, Url};

/// The HTTP client of a process. Clones share its connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    public: reqwest::Client,
    private: reqwest::Client,
    settings: Arc<HttpSettings>,
    budget: ByteBudget,
}

/// The HTTP client could not be created.
#[derive(Debug, thiserror::Error)]
#[error("cannot create the HTTP client: TLS or the certificates of the system cannot be set up")]
pub struct ClientError(#[source] reqwest::Error);

impl HttpClient {
    /// Creates a client with the limits in `settings`.
    ///
    /// # Errors
    /// [`ClientError`] if TLS cannot be set up.
    pub fn new(settings: HttpSettings) -> Result<Self, ClientError> {
        // The resolver sees only the name and not the policy of the request, so each class of policy needs its own
        // client.
        let public = build(&settings, AddressPolicy::PublicOnly)?;
        let private = build(&settings, AddressPolicy::AllowPrivate)?;
        Ok(Self { public, private, settings: Arc::new(settings), budget: ByteBudget::default() })
    }

    /// Creates a reqwest client for endless responses, such as those of a radio station. The client follows redirects
    /// itself and checks each target against `policy`. It also accepts responses of very old servers, which have no
    /// version of HTTP.
    ///
    /// # Errors
    /// [`ClientError`] if TLS cannot be set up.
    pub fn streaming_client(&self, policy: &AddressPolicy) -> Result<reqwest::Client, ClientError> {
        let redirects = policy.clone();
        let followed = Policy::custom(move |attempt| {
            // The previous URLs include the first one, so the limit is the same as that of `HttpClient::get`.
            if attempt.previous().len() > request::MAX_REDIRECTS {
                return attempt.error(HttpFailure::Redirects(request::MAX_REDIRECTS));
            }
            match check_address(attempt.url(), &redirects) {
                Ok(()) => attempt.follow(),
                Err(failure) => attempt.error(failure),
            }
        });
        builder(&self.settings, policy.clone())
            .redirect(followed)
            .http09_responses()
            .build()
            .map_err(ClientError)
    }

    /// Returns the reqwest client for a request to `url`. If `policy` grants the name in `url`, this client can connect
    /// to private addresses of the name; otherwise it connects only to public ones.
    fn client_for(&self, url: &Url, policy: &AddressPolicy) -> &reqwest::Client {
        // A literal address is never resolved, so `check_address` alone decides about it, and either client can be
        // used.
        match url.host() {
            Some(Host::Domain(name)) if policy.grants_domain(name) => &self.private,
            _ => &self.public,
        }
    }
}

fn build(settings: &HttpSettings, policy: AddressPolicy) -> Result<reqwest::Client, ClientError> {
    builder(settings, policy).redirect(Policy::none()).build().map_err(ClientError)
}

fn builder(settings: &HttpSettings, policy: AddressPolicy) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(&settings.user_agent)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(settings.pool_idle_timeout)
        // Probes find connections of the pool that a router has dropped, before a request runs into its timeout.
        .tcp_keepalive(Duration::from_secs(30))
        // A proxy would resolve names by itself, without the filter.
        .no_proxy()
        .dns_resolver(Arc::new(resolve::FilteredResolver(policy)))
}

/// Checks the scheme and a literal address of `url`; names are checked when they are resolved.
///
/// # Errors
/// [`HttpFailure::Scheme`] if the scheme is neither `http` nor `https`; [`HttpFailure::Refused`] if `policy` refuses
/// the address.
///
/// # Examples
/// ```
/// use refrain_net::{AddressPolicy, HttpFailure, check_address};
/// use url::Url;
///
/// let router = Url::parse("http://192.168.0.1/live.m3u8")?;
/// assert_eq!(check_address(&router, &AddressPolicy::PublicOnly), Err(HttpFailure::Refused));
/// assert_eq!(check_address(&router, &AddressPolicy::AllowPrivate), Ok(()));
/// // The metadata service of a cloud is refused by every policy.
/// let metadata = Url::parse("http://169.254.169.254/latest/")?;
/// assert_eq!(check_address(&metadata, &AddressPolicy::AllowPrivate), Err(HttpFailure::Refused));
/// # Ok::<(), url::ParseError>(())
/// ```
pub fn check_address(url: &Url, policy: &AddressPolicy) -> Result<(), HttpFailure> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(HttpFailure::Scheme(url.scheme().to_owned()));
    }
    let admitted = match url.host() {
        Some(Host::Ipv4(v4)) => policy.admits_literal(v4.into()),
        Some(Host::Ipv6(v6)) => policy.admits_literal(v6.into()),
        Some(Host::Domain(_)) => true,
        None => false,
    };
    if admitted { Ok(()) } else { Err(HttpFailure::Refused) }
}
