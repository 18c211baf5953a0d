//! Addresses and networks in CIDR form, for the proxies whose word about a client's address is
//! taken.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Serialize, Serializer};

const ALLOWED: &str = r#"an address or a network, such as "10.1.2.3" or "10.0.0.0/8""#;

/// All addresses that begin with the same bits; a single address is the network of all its bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address is of this network. An IPv4 address is the same in its IPv6 form.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4()
            && leading(address, self.prefix) == leading(self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ALLOWED)?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            // `u8` alone would take `+8` too.
            Some(prefix) if prefix.bytes().all(|byte| byte.is_ascii_digit()) => prefix
                .parse()
                .ok()
                .filter(|prefix| *prefix <= width)
                .ok_or(ALLOWED)?,
            Some(_) => return Err(ALLOWED),
            None => width,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Network {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// The first `prefix` bits of an address; the network of no bits at all is everybody.
fn leading(address: IpAddr, prefix: u8) -> u128 {
    match address {
        IpAddr::V4(address) => address
            .to_bits()
            .checked_shr(32 - u32::from(prefix))
            .unwrap_or(0)
            .into(),
        IpAddr::V6(address) => address
            .to_bits()
            .checked_shr(128 - u32::from(prefix))
            .unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(network: &str, address: &str) -> bool {
        network
            .parse::<Network>()
            .unwrap()
            .contains(address.parse().unwrap())
    }

    #[test]
    fn a_network_holds_the_addresses_that_begin_like_it() {
        assert!(contains("10.0.0.0/8", "10.255.0.1"));
        assert!(!contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("10.1.2.3/8", "10.9.9.9"));
        assert!(contains("192.168.4.0/23", "192.168.5.7"));
        assert!(!contains("192.168.4.0/23", "192.168.6.0"));
        assert!(contains("2001:db8::/32", "2001:db8:1::1"));
        assert!(!contains("2001:db8::/32", "2001:db9::1"));
    }

    #[test]
    fn a_single_address_is_only_itself() {
        assert!(contains("127.0.0.1", "127.0.0.1"));
        assert!(!contains("127.0.0.1", "127.0.0.2"));
        assert!(contains("::1", "::1"));
    }

    #[test]
    fn no_bits_are_everybody_of_one_family() {
        assert!(contains("0.0.0.0/0", "203.0.113.9"));
        assert!(contains("::/0", "2001:db8::1"));
        assert!(!contains("0.0.0.0/0", "2001:db8::1"));
    }

    #[test]
    fn an_ipv4_peer_on_an_ipv6_socket_is_still_itself() {
        assert!(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in [
            "",
            "proxy.example.com",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-1",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(ALLOWED), "{text}");
        }
    }
}
