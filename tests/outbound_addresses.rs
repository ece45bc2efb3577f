//! Which addresses the library connects to: one verdict for an address, however it is spelt.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::net::{IpAddr, Ipv4Addr};

use grantwell::outbound::is_public;
use url::{Host, Url};

/// What lies right before and after each special range, and a few well-known ones.
const PUBLIC: &str = "
    1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0 169.253.255.255 169.255.0.0
    172.15.255.255 172.32.0.0 191.255.255.255 192.0.1.0 192.0.1.255 192.0.3.0 192.31.195.255 192.31.197.0
    192.52.192.255 192.52.194.0 192.88.98.255 192.88.100.0 192.167.255.255 192.169.0.0 192.175.47.255 192.175.49.0
    198.17.255.255 198.20.0.0 198.51.99.255 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255 8.8.8.8
    2000:: 2000:ffff:ffff:ffff::1 2001:200:: 2001:db7:ffff:: 2001:db9:: 2001:ffff:: 2003:: 2001:4860:4860::8888
    2620:4f:7fff:ffff:: 2620:4f:8001:: 3ffe:ffff:: 3fff:1000:: 3fff:ffff:ffff:: ::ffff:8.8.8.8";

/// The first and last address of each special range, and what lies in it.
const SPECIAL: [(&str, &str); 25] = [
    ("this network", "0.0.0.0 0.0.0.1 0.255.255.255"),
    ("private", "10.0.0.0 10.255.255.255 172.16.0.0 172.31.255.255 192.168.0.0 192.168.255.255"),
    ("shared", "100.64.0.0 100.127.255.255"),
    ("loopback", "127.0.0.0 127.0.0.1 127.255.255.255 ::1"),
    ("link-local", "169.254.0.0 169.254.169.254 169.254.255.255 fe80:: fe80::1 febf:ffff::"),
    ("protocol assignments", "192.0.0.0 192.0.0.8 192.0.0.170 192.0.0.255 2001:1::1 2001:3:: 2001:1ff:ffff::"),
    ("documentation", "192.0.2.0 192.0.2.255 198.51.100.0 198.51.100.255 203.0.113.0 203.0.113.255"),
    ("documentation", "2001:db8:: 2001:db8:ffff::1 3fff:: 3fff:fff:ffff::"),
    ("AS112, AMT", "192.31.196.0 192.31.196.255 192.52.193.0 192.52.193.255 2001:4:112:: 2001:3::1"),
    ("AS112", "192.175.48.0 192.175.48.255 2620:4f:8000:: 2620:4f:8000:ffff::"),
    ("6to4", "192.88.99.0 192.88.99.255 2002:: 2002:7f00:1:: 2002:808:808::1 2002:ffff:ffff::"),
    ("benchmarking", "198.18.0.0 198.19.255.255 2001:2::"),
    ("multicast", "224.0.0.0 239.255.255.255 ff00:: ff02::1 ff0e::1 ffff::1"),
    ("reserved, broadcast", "240.0.0.0 255.255.255.254 255.255.255.255"),
    ("unspecified", "::"),
    ("IPv4-compatible", "::8.8.8.8 ::127.0.0.1"),
    ("IPv4-mapped", "::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0.0.0.0"),
    ("IPv4-translated", "::ffff:0:8.8.8.8"),
    ("NAT64", "64:ff9b:: 64:ff9b::8.8.8.8 64:ff9b::127.0.0.1 64:ff9b:1:: 64:ff9b:1::8.8.8.8"),
    ("discard-only", "100:: 100:0:0:1::"),
    ("Teredo", "2001:: 2001:0:4136:e378::1"),
    ("ORCHID", "2001:10:: 2001:1f:: 2001:20:: 2001:2f::"),
    ("SRv6 identifiers, not assigned", "5f00:: 1fff:ffff:: 4000:: 8000::"),
    ("unique local", "fc00:: fd00:ec2::254 fdff:ffff::"),
    ("site-local", "fec0:: fec0::1 feff:ffff::"),
];

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn only_global_unicast_is_public() {
    for text in PUBLIC.split_whitespace() {
        assert!(is_public(address(text)), "{text} is public");
    }
    for (what, addresses) in SPECIAL {
        for text in addresses.split_whitespace() {
            assert!(!is_public(address(text)), "{text} is {what}");
        }
    }
}

#[test]
fn an_ipv4_address_inside_an_ipv6_one_gets_its_own_verdict() {
    let special = SPECIAL.iter().flat_map(|(_, addresses)| addresses.split_whitespace());
    for text in PUBLIC.split_whitespace().chain(special) {
        if let Ok(plain) = text.parse::<Ipv4Addr>() {
            assert_eq!(is_public(plain.into()), is_public(plain.to_ipv6_mapped().into()), "{text}");
        }
    }
}

#[test]
fn every_spelling_that_a_url_parser_reads_gets_the_verdict_of_its_address() {
    let table = [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.0.1.", "127.0.0.1"),
        ("0x7f.1", "127.0.0.1"),
        ("0X7F.0x0.0x0.0x1", "127.0.0.1"),
        ("0177.0.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("%31%32%37.0.0.1", "127.0.0.1"),
        ("\u{ff11}\u{ff12}\u{ff17}.0.0.1", "127.0.0.1"),
        ("127\u{3002}0\u{3002}0\u{3002}1", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("10.1", "10.0.0.1"),
        ("3232235777", "192.168.1.1"),
        ("[::ffff:7f00:1]", "::ffff:127.0.0.1"),
        ("[0:0:0:0:0:FFFF:127.0.0.1]", "::ffff:127.0.0.1"),
        ("[::1]", "::1"),
        ("[0000:0000::0001]", "::1"),
        ("[::127.0.0.1]", "::127.0.0.1"),
        ("[64:ff9b::7f00:1]", "64:ff9b::127.0.0.1"),
        ("[2002:7f00:0001::]", "2002:7f00:1::"),
    ];
    for (host, meant) in table {
        let url = Url::parse(&format!("https://{host}/")).unwrap();
        let read = match url.host().unwrap() {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(name) => panic!("{host} is read as the name {name}"),
        };
        assert_eq!(read, address(meant), "{host}");
        assert!(!is_public(read), "{host}");
    }
}
