//! Proxy and certificates of the HTTP client.

use std::fmt;

use reqwest::{Certificate, ClientBuilder, NoProxy, Proxy};
use url::Url;

use super::{ClientError, HttpSettings, ShownUrl};

/// The proxies that requests use. A proxy resolves the names of servers itself, so the address policy cannot check the
/// addresses of these names; it applies to literal addresses in URLs and to direct requests only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ProxySettings {
    /// Proxy of `http` URLs; `None` for direct requests.
    pub http: Option<Url>,
    /// Proxy of `https` URLs; `None` for direct requests.
    pub https: Option<Url>,
    /// Hosts that are requested directly, separated by commas: names with their subdomains, addresses, networks such as
    /// `10.0.0.0/8`, or `*`.
    pub no_proxy: String,
}

impl ProxySettings {
    /// Returns the names of the proxies. Addresses are left out, because they are not resolved.
    pub(super) fn names(&self) -> Vec<String> {
        let urls = [&self.http, &self.https];
        urls.into_iter().flatten().filter_map(|url| url.domain().map(str::to_owned)).collect()
    }
}

impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL of a proxy can contain a password.
        f.debug_struct("ProxySettings")
            .field("http", &self.http.as_ref().map(ShownUrl::from))
            .field("https", &self.https.as_ref().map(ShownUrl::from))
            .field("no_proxy", &self.no_proxy)
            .finish()
    }
}

/// Adds the proxies and the certificates in `settings` to a client.
pub(super) fn configure(
    mut builder: ClientBuilder,
    settings: &HttpSettings,
) -> Result<ClientBuilder, ClientError> {
    // Without this call, the client would use the proxies of the environment even if no setting permits it.
    builder = builder.no_proxy();
    if let Some(ProxySettings { http, https, no_proxy }) = &settings.proxy {
        let direct = || NoProxy::from_string(no_proxy);
        if let Some(url) = http {
            let proxy = Proxy::http(url.clone()).map_err(|_| ClientError::Proxy(url.into()))?;
            builder = builder.proxy(proxy.no_proxy(direct()));
        }
        if let Some(url) = https {
            let proxy = Proxy::https(url.clone()).map_err(|_| ClientError::Proxy(url.into()))?;
            builder = builder.proxy(proxy.no_proxy(direct()));
        }
    }
    if let Some(pem) = &settings.certificates {
        let certificates = Certificate::from_pem_bundle(pem).map_err(|_| ClientError::Certificates)?;
        if certificates.is_empty() {
            return Err(ClientError::Certificates);
        }
        builder = builder.tls_certs_merge(certificates);
    }
    Ok(builder)
}
