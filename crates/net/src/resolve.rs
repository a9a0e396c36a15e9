//! Name resolution that returns only the addresses that a policy admits.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::policy::AddressPolicy;

/// The resolver of the system behind a filter. The HTTP client connects to the addresses that this resolver returns and
/// never resolves a name by itself, so that a name server cannot return another address after the check.
#[derive(Debug)]
pub(super) struct FilteredResolver {
    pub(super) policy: AddressPolicy,
    /// Names of the proxies. They may have private addresses, because the operator has set them.
    pub(super) proxies: Vec<String>,
}

/// The error if the policy admits none of the addresses of a name.
#[derive(Debug, thiserror::Error)]
#[error("the name resolves to a private or reserved address")]
pub(super) struct PrivateAddress;

impl Resolve for FilteredResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_proxy = self.proxies.iter().any(|proxy| proxy == name.as_str());
        let policy = if is_proxy { AddressPolicy::AllowPrivate } else { self.policy.clone() };
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // A name without any address is a failed lookup, which can be temporary, and not a refusal.
            let resolved = !found.is_empty();
            let admitted: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| policy.admits_resolved(name.as_str(), address.ip()))
                .collect();
            if admitted.is_empty() && resolved {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}
