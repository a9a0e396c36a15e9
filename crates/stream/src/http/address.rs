//! Which addresses a stranger's URL may lead to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far the requests of a stream may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reach {
    /// Addresses of the public internet only.
    Public,
    /// Also this machine and private networks: the operator named such a host, or allowed it.
    Private,
}

impl Reach {
    /// Whether `address` may be connected to.
    pub fn admits(self, address: IpAddr) -> bool {
        match kind(address) {
            Kind::Public => true,
            Kind::Private => self == Self::Private,
            Kind::Never => false,
        }
    }
}

/// Whether `address` is this machine's or a private network's.
pub(crate) fn is_private(address: IpAddr) -> bool {
    kind(address) == Kind::Private
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Public,
    Private,
    /// Link-local (where clouds keep credentials), multicast, broadcast, reserved: no stream is served from there.
    Never,
}

fn kind(address: IpAddr) -> Kind {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

/// By the special-purpose registries of IANA (RFC 6890 and its updates).
fn kind_v4(v4: Ipv4Addr) -> Kind {
    let [a, b, c, _] = v4.octets();
    match (a, b, c) {
        _ if v4.is_link_local() || v4.is_multicast() || a >= 240 => Kind::Never,
        // On Linux 0.0.0.0 is this machine; 100.64/10 is a carrier's or a cloud's own network.
        (0 | 10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Kind::Private,
        (192, 0, 0 | 2) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => Kind::Private,
        _ => Kind::Public,
    }
}

fn kind_v6(v6: Ipv6Addr) -> Kind {
    if let Some(v4) = inner_v4(v6) {
        return kind_v4(v4);
    }
    let [first, second, ..] = v6.segments();
    if first & 0xffc0 == 0xfe80 || v6.is_multicast() || v6 == METADATA_V6 {
        Kind::Never
    } else if v6.is_loopback() || v6.is_unspecified() || first & 0xfe00 == 0xfc00 || first & 0xffc0 == 0xfec0
    {
        Kind::Private
    } else if first == 0x2001 && (second == 0 || second == 0xdb8) {
        Kind::Never
    } else {
        Kind::Public
    }
}

/// Where Amazon's instances find their credentials over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The IPv4 address that an IPv6 address stands for: mapped or compatible (RFC 4291), NAT64 (RFC 6052), 6to4 (RFC 3056).
fn inner_v4(v6: Ipv6Addr) -> Option<Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = v6.segments();
    let pair = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match (s0, s1, s2, s3, s4, s5) {
        (0, 0, 0, 0, 0, 0) if s6 != 0 => Some(pair(s6, s7)),
        (0, 0, 0, 0, 0, 0xffff) | (0, 0, 0, 0, 0xffff, 0) | (0x64, 0xff9b, 0, 0, 0, 0) => Some(pair(s6, s7)),
        (0x64, 0xff9b, 1, ..) => Some(pair(s6, s7)),
        (0x2002, ..) => Some(pair(s1, s2)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> Kind {
        kind(text.parse().unwrap())
    }

    #[test]
    fn private_and_public_addresses_are_told_apart() {
        for text in [
            "127.0.0.1",
            "127.8.8.8",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "0.0.0.0",
            "100.64.0.1",
            "198.18.0.1",
            "::1",
            "::",
            "fc00::1",
            "fd12:3456::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
        ] {
            assert_eq!(kind_of(text), Kind::Private, "{text}");
        }
        for text in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "ff02::1",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert_eq!(kind_of(text), Kind::Never, "{text}");
        }
        for text in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert_eq!(kind_of(text), Kind::Public, "{text}");
        }
    }

    #[test]
    fn a_private_reach_ends_before_the_metadata_service() {
        let metadata = "169.254.169.254".parse().unwrap();
        let loopback = "127.0.0.1".parse().unwrap();
        assert!(!Reach::Private.admits(metadata) && !Reach::Public.admits(metadata));
        assert!(Reach::Private.admits(loopback) && !Reach::Public.admits(loopback));
    }
}
