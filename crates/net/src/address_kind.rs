//! Classes of IP addresses, by the special-purpose registries of IANA and the metadata services of clouds.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How an address may be used as the target of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AddressKind {
    /// An address of the public internet.
    Public,
    /// This machine, a private network, or a network for documentation or benchmarks: allowed only if an
    /// [`AddressPolicy`](super::AddressPolicy) grants the address.
    Private,
    /// Link-local, cloud metadata, multicast, broadcast or reserved: refused whatever the settings are.
    Refused,
}

/// Returns the class of `address`. An IPv6 address that carries IPv4 addresses has the strictest class of these.
pub(super) fn kind(address: IpAddr) -> AddressKind {
    match address {
        IpAddr::V4(v4) => kind_v4(v4),
        IpAddr::V6(v6) => kind_v6(v6),
    }
}

/// Metadata services outside of 169.254.0.0/16: Alibaba Cloud, Azure (a public address) and Oracle Cloud.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];

/// Networks (first two groups, a /32) of metadata services over IPv6: Amazon, Google and Scaleway. The whole network is
/// refused, because clouds add services to it (Amazon: ::23 for pods, ::123 for time, ::253 for DNS, ::254).
const METADATA_V6: [[u16; 2]; 3] = [[0xfd00, 0xec2], [0xfd20, 0xce], [0xfd00, 0x42]];

/// Returns the class of an IPv4 address by RFC 6890 and its updates.
fn kind_v4(v4: Ipv4Addr) -> AddressKind {
    let [a, b, c, _] = v4.octets();
    if v4.is_link_local() || v4.is_multicast() || a >= 240 || METADATA_V4.contains(&v4) {
        return AddressKind::Refused;
    }
    match (a, b, c) {
        // On Linux 0.0.0.0 is this machine; 100.64/10 is the internal network of a carrier or cloud.
        (0 | 10 | 127, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => AddressKind::Private,
        (192, 0, 0 | 2) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => AddressKind::Private,
        _ => AddressKind::Public,
    }
}

fn kind_v6(v6: Ipv6Addr) -> AddressKind {
    let [first, second, ..] = v6.segments();
    if v6.is_loopback() || v6.is_unspecified() {
        return AddressKind::Private;
    }
    // An IPv6 address can be read as several IPv4 addresses, depending on the network: the strictest class counts.
    if let Some(strictest) = embedded_v4(v6).map(kind_v4).max() {
        return strictest;
    }
    let unique_local = first & 0xfe00 == 0xfc00;
    let site_local = first & 0xffc0 == 0xfec0;
    if METADATA_V6.contains(&[first, second]) {
        AddressKind::Refused
    } else if unique_local || site_local {
        AddressKind::Private
    } else if first & 0xe000 != 0x2000 || is_reserved(first, second) {
        // Outside of 2000::/3 IANA assigned no global unicast address.
        AddressKind::Refused
    } else {
        AddressKind::Public
    }
}

/// Returns true if an IPv6 address whose first two groups are `first` and `second` is in a reserved network of
/// 2000::/3: Teredo, benchmarking, ORCHID and documentation.
fn is_reserved(first: u16, second: u16) -> bool {
    let protocol = first == 0x2001 && (second <= 2 || (0x10..=0x3f).contains(&second) || second == 0xdb8);
    protocol || (first == 0x3fff && second < 0x1000)
}

/// Returns the IPv4 addresses that an IPv6 address can carry: compatible and mapped (RFC 4291), translated (RFC 2765),
/// NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056) and ISATAP (RFC 5214).
fn embedded_v4(v6: Ipv6Addr) -> impl Iterator<Item = Ipv4Addr> {
    let groups = v6.segments();
    let bytes = v6.octets();
    let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|place| bytes.get(place).copied().unwrap_or(0)));
    let last = [12, 13, 14, 15];
    let places: &[[usize; 4]] = match groups {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            &[last]
        }
        // The prefix of a local NAT64 can have 48, 56, 64 or 96 bits; byte 8 carries no address.
        [0x64, 0xff9b, 1, ..] => &[[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], last],
        [0x2002, ..] => &[[2, 3, 4, 5]],
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => &[last],
        _ => &[],
    };
    places.iter().map(move |places| at(*places)).collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(text: &str) -> AddressKind {
        kind(text.parse().unwrap())
    }

    #[test]
    fn loopback_and_private_networks_are_private() {
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
            "::2",
            "fc00::1",
            "fd12:3456::1",
            "fec0::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::127.0.0.1",
            "2001:4860::5efe:10.0.0.1",
            "64:ff9b:1::10.0.0.1",
        ] {
            assert_eq!(kind_of(text), AddressKind::Private, "{text}");
        }
    }

    #[test]
    fn metadata_services_are_refused_in_every_notation() {
        for text in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "::ffff:169.254.169.254",
            "::ffff:0:169.254.169.254",
            "::169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::a9fe:a9fe",
            "64:ff9b:1:a9fe:a9:fe00::",
            "2002:a9fe:a9fe::",
            "2002:a9fe:a9fe::1",
            "2001:4860::5efe:169.254.169.254",
            "::ffff:100.100.100.200",
            "fe80::1",
            "fe80::a9fe:a9fe",
            "febf::1",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd00:ec2:ffff::1",
            "fd20:ce::254",
            "fd00:42::42",
        ] {
            assert_eq!(kind_of(text), AddressKind::Refused, "{text}");
        }
    }

    #[test]
    fn multicast_and_reserved_addresses_are_refused() {
        for text in [
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "ff02::1",
            "100::1",
            "2001:db8::1",
            "2001::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
        ] {
            assert_eq!(kind_of(text), AddressKind::Refused, "{text}");
        }
    }

    #[test]
    fn other_addresses_are_public() {
        for text in [
            "8.8.8.8",
            "172.15.0.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2001:4860:4860::8888",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
            "2002:808:808::",
        ] {
            assert_eq!(kind_of(text), AddressKind::Public, "{text}");
        }
    }
}
