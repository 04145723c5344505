//! Under which addresses other machines can reach a server that listens on
//! all addresses of this one.

// The interfaces of this machine and their addresses.
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

// getifaddrs(3), with the types of its answer.
use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

/// The addresses that others can use to reach a server that listens on
/// `bound`; none if that is one address of its own, not `0.0.0.0` or `::`.
pub fn reachable(bound: SocketAddr) -> Vec<SocketAddr> {
    // The first line has shown such an address already.
    if !bound.ip().is_unspecified() {
        return Vec::new();
    }
    // Without the list (the kernel is short of memory, for example) the
    // server works as well.
    let Ok(interfaces) = getifaddrs() else {
        return Vec::new();
    };
    // An interface that is down receives nothing.
    let addresses = interfaces
        .filter(|one| one.flags.contains(InterfaceFlags::IFF_UP))
        .filter_map(|one| ip_address(&one.address?));
    // The order is that of the interfaces.
    let mut found: Vec<SocketAddr> = Vec::new();
    let usable = addresses.filter(|ip| is_usable(*ip, bound.ip()));
    for address in usable.map(|ip| SocketAddr::new(ip, bound.port())) {
        // One address may belong to two interfaces; the user needs it once.
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

/// The IP address in what getifaddrs(3) gives; an interface has addresses of
/// other kinds too, such as that of its hardware.
fn ip_address(address: &SockaddrStorage) -> Option<IpAddr> {
    match (address.as_sockaddr_in(), address.as_sockaddr_in6()) {
        (Some(v4), _) => Some(v4.ip().into()),
        (_, Some(v6)) => Some(v6.ip().into()),
        _ => None,
    }
}

/// Whether another machine can type this address to reach a server that
/// listens on `0.0.0.0` or `::`.
fn is_usable(ip: IpAddr, bound: IpAddr) -> bool {
    match ip {
        // A socket of `::` takes IPv4 clients too.
        IpAddr::V4(ip) => !ip.is_loopback(),
        // A link-local address works only with the name of the client's own
        // interface behind it (`fe80::1%eth0`), which this machine cannot know.
        IpAddr::V6(ip) => {
            bound == Ipv6Addr::UNSPECIFIED
                && !ip.is_loopback()
                && !ip.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_its_own_has_no_others() {
        assert!(reachable("127.0.0.1:80".parse().unwrap()).is_empty());
        assert!(reachable("[::1]:80".parse().unwrap()).is_empty());
    }

    #[test]
    fn what_is_listed_can_be_typed_by_others() {
        for bound in ["0.0.0.0:8080", "[::]:8080"] {
            let bound: SocketAddr = bound.parse().unwrap();
            for address in reachable(bound) {
                assert_eq!(address.port(), 8080);
                assert!(!address.ip().is_loopback());
                assert!(!address.ip().is_unspecified());
                assert!(bound.is_ipv6() || address.is_ipv4());
            }
        }
    }

    #[test]
    fn loopback_and_link_local_addresses_are_left_out() {
        let usable = |ip: &str, bound: &str| {
            is_usable(ip.parse().unwrap(), bound.parse().unwrap())
        };
        assert!(usable("192.0.2.7", "0.0.0.0"));
        assert!(usable("192.0.2.7", "::"));
        assert!(usable("2001:db8::7", "::"));
        assert!(!usable("2001:db8::7", "0.0.0.0"));
        assert!(!usable("fe80::7", "::"));
        assert!(!usable("::1", "::"));
        assert!(!usable("127.0.0.1", "0.0.0.0"));
    }
}
