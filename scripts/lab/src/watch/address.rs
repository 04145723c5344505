//! The address that the class has to type, and with what.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

/// The addresses to type, the best one first, of a server that listens there
/// and has listed these: IPv4 before IPv6, and first that of the interface
/// which leads out of the network.
pub fn to_type(
    listening: SocketAddr,
    listed: &[SocketAddr],
) -> Vec<SocketAddr> {
    if !listening.ip().is_unspecified() {
        return vec![listening];
    }
    let way_out = way_out();
    let mut found = listed.to_vec();
    found.sort_by_key(|it| (it.is_ipv6(), Some(it.ip()) != way_out));
    if found.is_empty() {
        // No network: at least this machine.
        found.push((Ipv4Addr::LOCALHOST, listening.port()).into());
    }
    found
}

/// The address by which this machine would reach others. No packet is sent:
/// the kernel only looks up the route.
fn way_out() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// What to type on each system.
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
        assert_eq!(to_type(address, &[]), [address]);
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
    fn of_all_addresses_ipv4_comes_first_and_loopback_only_alone() {
        let all = "[::]:8080".parse().unwrap();
        let address = |text: &str| text.parse().unwrap();
        let [v6, v4] = ["[2001:db8::7]:8080", "192.0.2.7:8080"].map(address);
        assert_eq!(to_type(all, &[v6, v4]), [v4, v6]);
        assert_eq!(to_type(all, &[]), [address("127.0.0.1:8080")]);
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
