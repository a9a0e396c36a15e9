//! Names into addresses, without those that are not allowed.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::Reach;

/// The system's resolver behind a filter: a public name that leads to a private address leads nowhere.
#[derive(Debug)]
pub(super) struct Filtered(pub(super) Reach);

/// All addresses of a name are private or reserved.
#[derive(Debug, thiserror::Error)]
#[error("the name leads to a private or reserved address")]
pub(super) struct PrivateAddress;

impl Resolve for Filtered {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let none_at_all = found.is_empty();
            let admitted: Vec<SocketAddr> =
                found.into_iter().filter(|address| reach.admits(address.ip())).collect();
            if admitted.is_empty() && !none_at_all {
                return Err(PrivateAddress.into());
            }
            Ok(Box::new(admitted.into_iter()) as Addrs)
        })
    }
}
