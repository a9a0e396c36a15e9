//! Settings of the HTTP client: proxies and certificates.

use anyhow::{Context, Result, bail};
use refrain_net::{HttpSettings, ProxySettings};
use url::Url;

use super::Settings;
use super::tables::SecretText;
use crate::limited_file::read_limited;

/// Value of `network.proxy` that selects the proxies in the environment.
const FROM_ENVIRONMENT: &str = "environment";

/// Maximum size of a file with certificates in bytes (8 MiB), about thirty times the size of the file of a system. The
/// limit is needed because a device such as `/dev/zero` has no end.
const MAX_CERTIFICATES_BYTES: u64 = 8 << 20;

/// The proxies in the environment, by their conventional names. They are used only if a setting selects them: a process
/// that inherits them by accident must not send its requests past the address policy.
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
        let Some(SecretText(proxy)) = &table.proxy else { return Ok(None) };
        if proxy != FROM_ENVIRONMENT {
            let url = proxy_url("network.proxy", proxy)?;
            let no_proxy = table.no_proxy.clone().unwrap_or_default();
            return Ok(Some(ProxySettings { http: Some(url.clone()), https: Some(url), no_proxy }));
        }
        let EnvironmentProxies { http, https, no_proxy } = &self.environment_proxies;
        let of = |name, text: &Option<SecretText>| {
            text.as_ref().map(|SecretText(text)| proxy_url(name, text)).transpose()
        };
        Ok(Some(ProxySettings {
            http: of("HTTP_PROXY", http)?,
            https: of("HTTPS_PROXY", https)?,
            no_proxy: table.no_proxy.clone().or_else(|| no_proxy.clone()).unwrap_or_default(),
        }))
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
