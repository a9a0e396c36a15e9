//! Policy for the addresses that requests of a stream, a download or a webhook may use.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use url::{Host, Url};

use super::address_kind::{AddressKind, kind};

/// The name of this machine (RFC 6761). Permission to use this name covers loopback addresses and no other private
/// addresses, whatever a resolver returns for it.
const LOCALHOST: &str = "localhost";

/// The addresses that requests may connect to. Link-local addresses, metadata services of clouds, multicast and
/// reserved addresses are refused by every policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressPolicy {
    /// Addresses of the public internet only.
    PublicOnly,
    /// Addresses of the public internet, and the private addresses of these hosts only.
    AllowHosts(Arc<[PrivateHost]>),
    /// Addresses of the public internet, and all loopback and private addresses.
    AllowPrivate,
}

/// A host that an operator allows to have a private address: an address, or a name that may resolve to one.
///
/// # Examples
/// ```
/// use refrain_net::PrivateHost;
///
/// let host: PrivateHost = "Origin.Corp.example".parse()?;
/// assert_eq!(host.to_string(), "origin.corp.example");
/// assert!("origin.corp.example:8080".parse::<PrivateHost>().is_err());
/// # Ok::<(), refrain_net::InvalidHost>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrivateHost(HostMatch);

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostMatch {
    /// Every loopback address: this machine.
    Loopback,
    Address(IpAddr),
    Domain(String),
}

/// The error if a text is not the name or address of a host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a host; use a name or an IP address without scheme, port and path")]
pub struct InvalidHost(String);

impl AddressPolicy {
    /// Returns the policy for a URL that an operator wrote. If `url` contains a literal private address or `localhost`,
    /// access to that host is granted; the result of a name lookup grants nothing. With `allow_private`, the host of
    /// `url` may have private addresses; a loopback address or `localhost` then grants all loopback addresses. `others`
    /// are further hosts that may have private addresses.
    ///
    /// # Examples
    /// ```
    /// use refrain_net::{AddressPolicy, HttpFailure, check_address};
    /// use url::Url;
    ///
    /// let stream = Url::parse("http://10.0.0.5/live.m3u8")?;
    /// let policy = AddressPolicy::of_operator(&stream, false, &[]);
    /// // The operator wrote this address, so its segments can be fetched, but no other private host can be reached.
    /// assert_eq!(check_address(&stream.join("1.ts")?, &policy), Ok(()));
    /// assert_eq!(check_address(&Url::parse("http://10.0.0.6/")?, &policy), Err(HttpFailure::Refused));
    /// # Ok::<(), url::ParseError>(())
    /// ```
    pub fn of_operator(url: &Url, allow_private: bool, others: &[PrivateHost]) -> Self {
        // A name that merely resolves to a private address grants nothing: its owner could direct requests to any host
        // of the operator's network.
        let own = PrivateHost::of(url).filter(|host| allow_private || host.is_private());
        // All loopback addresses are the same machine, so a permission for one of them extends to the others.
        let machine = own.as_ref().filter(|host| allow_private && host.is_loopback());
        let machine = machine.map(|_| PrivateHost(HostMatch::Loopback));
        let hosts: Arc<[PrivateHost]> =
            own.iter().cloned().chain(machine).chain(others.iter().cloned()).collect();
        if hosts.is_empty() { Self::PublicOnly } else { Self::AllowHosts(hosts) }
    }

    /// Returns true if this policy admits a URL that contains `address` itself in place of a name.
    pub(super) fn admits_literal(&self, address: IpAddr) -> bool {
        self.admits(address, |host| match &host.0 {
            HostMatch::Loopback => address.to_canonical().is_loopback(),
            HostMatch::Address(granted) => *granted == address.to_canonical(),
            // `localhost` was granted, and this address is the same machine.
            HostMatch::Domain(name) => name == LOCALHOST && is_main_loopback(address),
        })
    }

    /// Returns true if a request for the name `domain` may connect to `address`, to which the name resolved.
    pub(super) fn admits_resolved(&self, domain: &str, address: IpAddr) -> bool {
        // A resolver can be configured to return any address for this name; the grant must not extend to it.
        if normalized(domain) == LOCALHOST && !address.to_canonical().is_loopback() {
            return kind(address) == AddressKind::Public;
        }
        self.admits(address, |host| host.is_domain(domain))
    }

    /// Returns true if the name `domain` may resolve to private addresses.
    pub(super) fn grants_domain(&self, domain: &str) -> bool {
        match self {
            Self::PublicOnly => false,
            Self::AllowHosts(hosts) => hosts.iter().any(|host| host.is_domain(domain)),
            Self::AllowPrivate => true,
        }
    }

    fn admits(&self, address: IpAddr, granted: impl Fn(&PrivateHost) -> bool) -> bool {
        match (kind(address), self) {
            (AddressKind::Public, _) | (AddressKind::Private, Self::AllowPrivate) => true,
            (AddressKind::Private, Self::AllowHosts(hosts)) => hosts.iter().any(granted),
            (AddressKind::Private, Self::PublicOnly) | (AddressKind::Refused, _) => false,
        }
    }
}

impl PrivateHost {
    /// Returns the host of `url`, or `None` if it has none.
    fn of(url: &Url) -> Option<Self> {
        Some(Self(match url.host()? {
            Host::Ipv4(v4) => HostMatch::Address(v4.into()),
            Host::Ipv6(v6) => HostMatch::Address(IpAddr::from(v6).to_canonical()),
            Host::Domain(name) => HostMatch::Domain(normalized(name).to_owned()),
        }))
    }

    /// Returns true if this host is known to be private without a name lookup: it is a private or loopback address, or
    /// `localhost`.
    fn is_private(&self) -> bool {
        match &self.0 {
            HostMatch::Loopback => true,
            HostMatch::Address(address) => kind(*address) == AddressKind::Private,
            HostMatch::Domain(name) => name == LOCALHOST,
        }
    }

    fn is_loopback(&self) -> bool {
        match &self.0 {
            HostMatch::Loopback => true,
            HostMatch::Address(address) => address.is_loopback(),
            HostMatch::Domain(name) => name == LOCALHOST,
        }
    }

    fn is_domain(&self, domain: &str) -> bool {
        matches!(&self.0, HostMatch::Domain(name) if name == normalized(domain))
    }
}

impl FromStr for PrivateHost {
    type Err = InvalidHost;

    /// Parses a name or an IP address; an IPv6 address may have brackets.
    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(HostMatch::Address(address.to_canonical())));
        }
        // The rules of URLs normalize case, international names and unusual notations of IPv4 addresses.
        let url = Url::parse(&format!("http://{text}/")).map_err(|_| invalid())?;
        // Grants compare hosts only. A port is rejected, because it would look like a restriction and have no effect.
        let port = if text.starts_with('[') { !text.ends_with(']') } else { text.contains(':') };
        if port || text.contains(['/', '\\', '?', '#', '@']) {
            return Err(invalid());
        }
        Self::of(&url).ok_or_else(invalid)
    }
}

impl fmt::Display for PrivateHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            HostMatch::Loopback => f.write_str("loopback"),
            HostMatch::Address(address) => address.fmt(f),
            HostMatch::Domain(name) => f.write_str(name),
        }
    }
}

/// Returns a name without the dot of the root zone. The parser of URLs has already converted it to lower case.
fn normalized(domain: &str) -> &str {
    domain.strip_suffix('.').unwrap_or(domain)
}

/// Returns true if `address` is 127.0.0.1 or ::1, to which `localhost` resolves.
fn is_main_loopback(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4 == std::net::Ipv4Addr::LOCALHOST,
        IpAddr::V6(v6) => v6.is_loopback(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(url: &str, allow_private: bool, others: &[&str]) -> AddressPolicy {
        let others: Vec<PrivateHost> = others.iter().map(|host| host.parse().unwrap()).collect();
        AddressPolicy::of_operator(&Url::parse(url).unwrap(), allow_private, &others)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn literal_private_address_grants_only_itself() {
        let policy = policy("http://10.0.0.1:8080/x", false, &[]);
        assert!(policy.admits_literal(ip("10.0.0.1")) && policy.admits_literal(ip("::ffff:10.0.0.1")));
        for other in ["10.0.0.2", "127.0.0.1", "::1", "169.254.169.254"] {
            assert!(!policy.admits_literal(ip(other)), "{other}");
        }
        assert!(!policy.admits_resolved("name.example", ip("10.0.0.1")));
    }

    #[test]
    fn lookup_result_never_grants_a_private_address() {
        let policy = policy("http://public.example/x", false, &[]);
        assert_eq!(policy, AddressPolicy::PublicOnly);
        assert!(!policy.admits_resolved("public.example", ip("127.0.0.1")));
        assert!(policy.admits_resolved("public.example", ip("8.8.8.8")));
    }

    #[test]
    fn setting_grants_the_named_host_only() {
        let policy = policy("http://Origin.Corp.example/x", true, &["edge.corp.example", "10.0.0.9"]);
        for (domain, admitted) in [
            ("origin.corp.example", true),
            ("origin.corp.example.", true),
            ("edge.corp.example", true),
            ("other.corp.example", false),
        ] {
            assert_eq!(policy.admits_resolved(domain, ip("10.1.1.1")), admitted, "{domain}");
            assert!(!policy.admits_resolved(domain, ip("169.254.169.254")), "{domain}");
        }
        assert!(policy.admits_literal(ip("10.0.0.9")) && !policy.admits_literal(ip("10.1.1.1")));
    }

    #[test]
    fn localhost_grants_loopback_addresses_only() {
        let policy = policy("http://localhost:1/x", false, &[]);
        assert!(policy.admits_resolved("localhost", ip("127.0.0.1")));
        assert!(policy.admits_resolved("localhost.", ip("::1")));
        assert!(!policy.admits_resolved("localhost", ip("10.0.0.1")));
        assert!(policy.admits_literal(ip("127.0.0.1")) && !policy.admits_literal(ip("127.0.0.2")));
        assert!(!policy.admits_resolved("a.localhost", ip("127.0.0.1")));
        assert!(!AddressPolicy::AllowPrivate.admits_resolved("localhost", ip("10.0.0.1")));
    }

    #[test]
    fn setting_for_a_loopback_address_grants_this_machine_only() {
        let policy = policy("http://127.0.0.1:1/x", true, &[]);
        assert!(policy.admits_literal(ip("127.0.0.2")) && policy.admits_literal(ip("::1")));
        assert!(!policy.admits_literal(ip("10.0.0.1")) && !policy.admits_literal(ip("169.254.169.254")));
        assert!(!policy.admits_resolved("name.example", ip("127.0.0.1")));
    }

    #[test]
    fn metadata_address_is_refused_by_every_policy() {
        for policy in
            [policy("http://169.254.169.254/", true, &["169.254.169.254"]), AddressPolicy::AllowPrivate]
        {
            assert!(!policy.admits_literal(ip("169.254.169.254")));
            assert!(!policy.admits_resolved("metadata.example", ip("fd00:ec2::23")));
        }
    }

    #[test]
    fn only_names_and_addresses_parse_as_hosts() {
        for text in ["origin.example", "10.0.0.1", "::1", "[::1]", "fd00::1", "ÖRIGIN.example"] {
            assert!(text.parse::<PrivateHost>().is_ok(), "{text}");
        }
        for text in ["", "http://a/", "a:80", "a/b", "a?b", "me@a", "a b", ":80", "a:"] {
            assert!(text.parse::<PrivateHost>().is_err(), "{text}");
        }
    }
}
