//! HTTP requests to servers that Refrain does not control.
//!
//! All streams of a process share one [`HttpClient`] and its connections. The time to connect, the silence between
//! bytes, the duration and rate of a transfer, and the size of a body are limited. The target of each redirect is
//! checked like the URL of the request ([`AddressPolicy`]). So a playlist of the public internet cannot lead to private
//! addresses, neither by a literal address, nor by a name that resolves to one, nor by a redirect. Errors contain no
//! tokens. The headers and cookies of a stream ([`StreamAccess`]) are sent to the origin of the stream only.

mod access;
mod address_kind;
mod backoff;
mod budget;
mod download;
mod error;
mod follow;
mod policy;
mod proxy;
mod request;
mod resolve;
mod settings;
mod shown_url;
mod streaming;

pub use access::{InvalidHeader, RequestHeaders, StreamAccess};
pub use backoff::Backoff;
pub use download::{DownloadError, TransferProgress};
pub use error::{HttpError, HttpFailure};
pub use policy::{AddressPolicy, InvalidHost, PrivateHost};
pub use proxy::ProxySettings;
pub use request::{HttpRequest, PostResponse, ServerResponse};
pub use reqwest::header::HeaderName;
pub use settings::{HttpSettings, TransferLimits};
pub use shown_url::ShownUrl;
pub use streaming::StreamingClient;

use std::sync::Arc;
use std::time::Duration;

use budget::ByteBudget;
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue};
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
#[non_exhaustive]
pub enum ClientError {
    /// TLS cannot be set up.
    #[error("cannot create the HTTP client: TLS or the certificates of the system cannot be set up")]
    Tls(#[source] reqwest::Error),
    /// [`HttpSettings::certificates`] contains no certificate.
    #[error("the file in network.ca_file contains no valid certificate; use a file with certificates in PEM")]
    Certificates,
    /// The URL of a proxy is invalid.
    #[error("the URL of the proxy is invalid ({0}); use http://HOST:PORT")]
    Proxy(ShownUrl),
}

impl HttpClient {
    /// Creates a client with the limits in `settings`.
    ///
    /// # Errors
    /// [`ClientError`] if TLS, the certificates or the proxy in `settings` cannot be set up.
    pub fn new(settings: HttpSettings) -> Result<Self, ClientError> {
        // The resolver sees only the name and not the policy of the request, so each class of policy needs its own
        // client.
        let public = build(&settings, AddressPolicy::PublicOnly)?;
        let private = build(&settings, AddressPolicy::AllowPrivate)?;
        Ok(Self { public, private, settings: Arc::new(settings), budget: ByteBudget::default() })
    }

    /// Creates a client for endless responses, such as those of a radio station. It resolves names with `policy`, which
    /// must be the policy of its requests.
    ///
    /// # Errors
    /// [`ClientError`] if TLS cannot be set up.
    pub fn streaming_client(&self, policy: &AddressPolicy) -> Result<StreamingClient, ClientError> {
        let builder = builder(&self.settings, policy.clone())?.http09_responses();
        builder.build().map(StreamingClient).map_err(ClientError::Tls)
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
    builder(settings, policy)?.build().map_err(ClientError::Tls)
}

fn builder(settings: &HttpSettings, policy: AddressPolicy) -> Result<reqwest::ClientBuilder, ClientError> {
    let proxies = settings.proxy.as_ref().map(ProxySettings::names).unwrap_or_default();
    // Deflate and Brotli are decoded if a server sends them, but not requested: some servers send deflate without the zlib
    // header, and Brotli saves little of a short playlist.
    let encodings = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static("gzip"))]);
    let builder = reqwest::Client::builder()
        .default_headers(encodings)
        .user_agent(&settings.user_agent)
        .connect_timeout(settings.connect_timeout)
        .pool_idle_timeout(settings.pool_idle_timeout)
        // Probes find connections of the pool that a router has dropped, before a request runs into its timeout.
        .tcp_keepalive(Duration::from_secs(30))
        // Redirects are followed by `follow`, which checks each target and selects its headers.
        .redirect(Policy::none())
        .dns_resolver(Arc::new(resolve::FilteredResolver { policy, proxies }));
    proxy::configure(builder, settings)
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
