//! The table `[network]`.

use std::path::PathBuf;

use super::words::SecretText;
use crate::settings::declare::settings;
use crate::settings::limit::Limit::Any;

settings! {
    /// Requests to the servers of streams, downloads and webhooks. AWS and databases are not affected.
    ///
    /// A proxy resolves names itself, so the rules for private addresses apply to literal addresses in URLs only: limit the
    /// addresses that the proxy connects to. Trusted certificates are those of the system, or those in the file of
    /// SSL_CERT_FILE if it is set, and those of ca_file.
    "network" NetworkTable {
        /// URL of an HTTP proxy; environment for HTTPS_PROXY, HTTP_PROXY and NO_PROXY; or none.
        proxy: SecretText, default(none "the proxies of the environment"), Any, example "\"http://proxy.example.internal:3128\"";
        /// Hosts that are requested without the proxy, separated by commas: names with their subdomains, addresses, or
        /// networks. With proxy = "environment" it replaces NO_PROXY.
        no_proxy: String, default(none "none"), Any, example "\"localhost,example.internal,10.0.0.0/8\"";
        /// File with certificates (PEM) of further authorities that are trusted.
        ca_file: PathBuf, default(none "none"), Any, example "\"/etc/refrain/authorities.pem\"";
    }
}
