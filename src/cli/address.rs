//! The address at which a command reaches a listener of the service on the same machine.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Returns the address to connect to: loopback where the listener is bound to every address.
pub(super) fn reachable(bind: SocketAddr) -> SocketAddr {
    let mut at = bind;
    match bind {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => at.set_ip(Ipv4Addr::LOCALHOST.into()),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => at.set_ip(Ipv6Addr::LOCALHOST.into()),
        SocketAddr::V4(_) | SocketAddr::V6(_) => {}
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcard_address_is_reached_through_loopback() {
        let at = |bind: &str| reachable(bind.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:9300"), "127.0.0.1:9300");
        assert_eq!(at("[::]:9300"), "[::1]:9300");
        assert_eq!(at("10.0.0.7:9300"), "10.0.0.7:9300");
    }
}
