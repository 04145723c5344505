//! The address that the class has to type, and with what.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrIn6;

/// The addresses under which a server that listens there can be reached, the
/// best one first.
#[must_use]
pub fn reachable(listening: SocketAddr) -> Vec<SocketAddr> {
    if !listening.ip().is_unspecified() {
        return vec![listening];
    }
    let both = listening.is_ipv6();
    let mut found: Vec<SocketAddr> = own_addresses()
        .into_iter()
        .filter(|ip| ip.is_ipv4() || both)
        .map(|ip| SocketAddr::new(ip, listening.port()))
        .collect();
    if found.is_empty() {
        // No network: at least this machine.
        found.push((Ipv4Addr::LOCALHOST, listening.port()).into());
    }
    found
}

/// This machine's addresses that others can use: IPv4 before IPv6, and first
/// those of the interface that leads out of the network.
fn own_addresses() -> Vec<IpAddr> {
    let way_out = procfs::net::route().ok().and_then(|routes| {
        let mut routes = routes.into_iter();
        let out = routes.find(|route| route.destination.is_unspecified());
        out.map(|route| route.iface)
    });
    let up = InterfaceFlags::IFF_UP | InterfaceFlags::IFF_RUNNING;
    let usable = |interface: InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
        // A link-local address needs the name of the reader's interface.
        let v6 = address.as_sockaddr_in6().map(SockaddrIn6::ip);
        let v6 = v6.filter(|ip| !ip.is_unicast_link_local()).map(IpAddr::V6);
        let ip = v4.or(v6)?;
        let others = interface.flags.contains(up)
            && !interface.flags.contains(InterfaceFlags::IFF_LOOPBACK);
        let leads_out = way_out.as_ref() == Some(&interface.interface_name);
        others.then_some((ip.is_ipv6(), !leads_out, ip))
    };
    let interfaces = getifaddrs().into_iter().flatten();
    let found: BTreeSet<_> = interfaces.filter_map(usable).collect();
    found.into_iter().map(|(_, _, ip)| ip).collect()
}

/// What to type on each system.
#[must_use]
pub fn commands(address: SocketAddr) -> [(&'static str, String); 3] {
    let (ip, port) = (address.ip(), address.port());
    [
        ("Linux", format!("nc -N {ip} {port}")),
        ("macOS", format!("nc {ip} {port}")),
        ("Windows", format!("ncat {ip} {port}")),
    ]
}

/// The dots of each character, five rows of them.
const GLYPHS: [(char, [&str; 5]); 21] = [
    ('0', ["###", "# #", "# #", "# #", "###"]),
    ('1', [" # ", "## ", " # ", " # ", "###"]),
    ('2', ["###", "  #", "###", "#  ", "###"]),
    ('3', ["###", "  #", " ##", "  #", "###"]),
    ('4', ["# #", "# #", "###", "  #", "  #"]),
    ('5', ["###", "#  ", "###", "  #", "###"]),
    ('6', ["###", "#  ", "###", "# #", "###"]),
    ('7', ["###", "  #", "  #", " # ", " # "]),
    ('8', ["###", "# #", "###", "# #", "###"]),
    ('9', ["###", "# #", "###", "  #", "###"]),
    ('a', ["   ", "## ", " ##", "# #", "###"]),
    ('b', ["#  ", "#  ", "###", "# #", "###"]),
    ('c', ["   ", "###", "#  ", "#  ", "###"]),
    ('d', ["  #", "  #", "###", "# #", "###"]),
    ('e', ["###", "# #", "###", "#  ", "###"]),
    ('f', [" ##", " # ", "###", " # ", " # "]),
    ('.', [" ", " ", " ", " ", "#"]),
    (':', [" ", "#", " ", "#", " "]),
    ('[', ["##", "# ", "# ", "# ", "##"]),
    (']', ["##", " #", " #", " #", "##"]),
    (' ', [" ", " ", " ", " ", " "]),
];

/// A text in large characters, three lines of blocks of two dots each.
/// Nothing where a character has no glyph.
#[must_use]
pub fn large(text: &str) -> Option<[String; 3]> {
    let mut lines: [String; 3] = Default::default();
    for character in text.chars() {
        let (_, rows) = GLYPHS.iter().find(|(known, _)| *known == character)?;
        for (at, line) in lines.iter_mut().enumerate() {
            let upper = rows[at * 2].chars();
            // The sixth row is empty.
            let lower = rows.get(at * 2 + 1).copied().unwrap_or("   ");
            let dots = upper.zip(lower.chars());
            line.extend(dots.map(|dots| match dots {
                ('#', '#') => '█',
                ('#', _) => '▀',
                (_, '#') => '▄',
                _ => ' ',
            }));
            line.push(' ');
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_its_own_is_the_one_to_type() {
        let address = "192.0.2.7:8080".parse().unwrap();
        assert_eq!(reachable(address), [address]);
        let typed = commands(address).map(|(_, line)| line);
        assert_eq!(
            typed,
            [
                "nc -N 192.0.2.7 8080",
                "nc 192.0.2.7 8080",
                "ncat 192.0.2.7 8080"
            ]
        );
    }

    #[test]
    fn of_all_addresses_none_is_unspecified_or_loopback_alone() {
        for listening in ["0.0.0.0:8080", "[::]:8080"] {
            let found = reachable(listening.parse().unwrap());
            assert!(!found.is_empty());
            for address in &found {
                assert!(!address.ip().is_unspecified());
                assert_eq!(address.port(), 8080);
                assert!(found.len() == 1 || !address.ip().is_loopback());
            }
        }
    }

    #[test]
    fn all_lines_of_a_large_text_are_equally_long() {
        let lines = large("[fe:0].192:8345").unwrap();
        let length = lines[0].chars().count();
        assert!(lines.iter().all(|line| line.chars().count() == length));
        assert_eq!(large("1").unwrap(), ["▄█  ", " █  ", "▀▀▀ "]);
        assert_eq!(large("localhost"), None);
    }
}
