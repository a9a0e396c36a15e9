//! Settings of the HTTP client: proxies and certificates.

use anyhow::{Context, Result, bail};
use refrain_net::{HttpSettings, ProxySettings};
use url::Url;

use super::Settings;
use super::tables::SecretText;
use crate::limited_file::read_limited;

/// Value of `network.proxy` that selects the proxies in the environment, which is the default.
const FROM_ENVIRONMENT: &str = "environment";

/// Value of `network.proxy` that turns proxies off.
const WITHOUT_PROXY: &str = "none";

/// Hosts that the proxies in the environment are never used for: a proxy cannot connect to this machine.
const LOOPBACK_HOSTS: &str = "localhost,127.0.0.0/8,::1";

/// Maximum size of a file with certificates in bytes (8 MiB), about thirty times the size of the file of a system. The
/// limit is needed because a device such as `/dev/zero` has no end.
const MAX_CERTIFICATES_BYTES: u64 = 8 << 20;

/// The proxies in the environment, by their conventional names.
#[derive(Debug, Default, Clone, PartialEq)]
pub(super) struct EnvironmentProxies {
    pub(super) http: Option<SecretText>,
    pub(super) https: Option<SecretText>,
    pub(super) no_proxy: Option<String>,
}

impl Settings {
    /// Returns the settings of the HTTP client for streams, downloads and webhooks.
    ///
    /// # Errors
    /// If the URL of a proxy is invalid, or if the file of certificates cannot be read. The errors contain no URL.
    pub(crate) fn http_client(&self) -> Result<HttpSettings> {
        let certificates = match &self.layer.network.ca_file {
            None => None,
            Some(path) => {
                let bytes = read_limited(path, MAX_CERTIFICATES_BYTES, "use a file with certificates in PEM");
                Some(
                    bytes.with_context(|| format!("network.ca_file: cannot read {}", path.display()))?.into(),
                )
            }
        };
        Ok(HttpSettings { proxy: self.proxies()?, certificates, ..HttpSettings::default() })
    }

    fn proxies(&self) -> Result<Option<ProxySettings>> {
        let table = &self.layer.network;
        match table.proxy.as_ref().map_or(FROM_ENVIRONMENT, |SecretText(proxy)| proxy) {
            WITHOUT_PROXY => return Ok(None),
            FROM_ENVIRONMENT => {}
            proxy => {
                let url = proxy_url("network.proxy", proxy)?;
                let no_proxy = table.no_proxy.clone().unwrap_or_default();
                return Ok(Some(ProxySettings { http: Some(url.clone()), https: Some(url), no_proxy }));
            }
        }
        let EnvironmentProxies { http, https, no_proxy } = &self.environment_proxies;
        let of = |name, text: &Option<SecretText>| {
            text.as_ref().map(|SecretText(text)| proxy_url(name, text)).transpose()
        };
        let (http, https) = (of("HTTP_PROXY", http)?, of("HTTPS_PROXY", https)?);
        if http.is_none() && https.is_none() {
            return Ok(None);
        }
        let own = table.no_proxy.as_ref().or(no_proxy.as_ref());
        let no_proxy = own.map_or_else(|| LOOPBACK_HOSTS.to_owned(), |own| format!("{LOOPBACK_HOSTS},{own}"));
        Ok(Some(ProxySettings { http, https, no_proxy }))
    }
}

/// Parses the URL of a proxy; `name` is the setting for messages. As in other programs, `HOST:PORT` is accepted too.
fn proxy_url(name: &str, text: &str) -> Result<Url> {
    let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    match Url::parse(&with_scheme) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        // The URL is not shown, because it can contain a password.
        _ => bail!("{name} is not the URL of an HTTP proxy; use http://HOST:PORT"),
    }
}
