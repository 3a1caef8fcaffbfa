//! Which addresses an agent may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// Metadata services of clouds that are not link-local.
const METADATA: [IpAddr; 4] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16)),
    IpAddr::V4(Ipv4Addr::new(192, 0, 0, 192)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254)),
];

/// Whether an address is one of the open network: global unicast and nothing that stands for
/// another address.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

/// Whether an agent may be connected to an address: never to this machine or what is private.
pub(super) fn may_be_reached(address: IpAddr) -> bool {
    is_public(address) && !is_our_own(address)
}

/// Whether an address is one of this machine: nothing else can be bound. Where the system lets
/// foreign addresses be bound, every address counts as our own.
fn is_our_own(address: IpAddr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a == 0
        || (a == 100 && (64..128).contains(&b)) // shared by carriers
        || (a == 192 && b == 0 && c == 0) // protocol assignments
        || (a == 192 && b == 88 && c == 99) // 6to4 relays
        || (a == 198 && (b == 18 || b == 19)) // benchmarks
        || a >= 224; // multicast, reserved, broadcast
    !special && !METADATA.contains(&IpAddr::V4(v4))
}

/// Only 2000::/3, without what is documentation or carries an IPv4 address (6to4, Teredo; NAT64,
/// mapped and compatible addresses lie outside of it).
fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [a, b, ..] = v6.segments();
    let global = (0x2000..0x4000).contains(&a);
    // Protocol assignments, Teredo among them, and documentation.
    let special =
        (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    global && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_open_network_are_public() {
        for public in [
            "1.1.1.1",
            "104.16.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "2001:4860::8",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for other in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.8.8.8",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(other.parse().unwrap()), "{other}");
        }
    }

    #[test]
    fn this_machines_own_addresses_are_known() {
        assert!(is_our_own("127.0.0.1".parse().unwrap()));
        assert!(!is_our_own("192.0.2.1".parse().unwrap()));
    }
}
