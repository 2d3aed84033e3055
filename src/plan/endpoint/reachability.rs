//! Addresses that Svix never delivers to, unless its operator permits it.
//!
//! Svix accepts such an address when an endpoint is created, and refuses it at each delivery. The ranges are those of the
//! open-source server (`is_allowed` in `core/webhook_http_client.rs`): it checks an address in the URL, and each address
//! that the name in the URL resolves to. Names are not resolved here; those that only resolve inside a machine, a cluster
//! or a private network lead to such addresses, or nowhere.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Why an address is never reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreachable {
    /// The host is an address in a range that Svix refuses.
    #[error(
        "Svix does not deliver to {address}, {range}, unless its SVIX_WHITELIST_SUBNETS permits it; {ADVICE}"
    )]
    Address {
        /// The address, as the URL parser reads it.
        address: IpAddr,
        /// The range, with its article.
        range: &'static str,
    },
    /// The host is a name that the public DNS does not have.
    #[error(
        "{host:?} is a name {kind}; Svix does not deliver there unless its SVIX_WHITELIST_SUBNETS permits it; {ADVICE}"
    )]
    Name {
        /// The name.
        host: String,
        /// The kind of name, as a part of a sentence.
        kind: &'static str,
    },
}

impl Unreachable {
    /// Returns the message without the host, for an address that comes from a Secret.
    #[must_use]
    pub fn without_host(&self) -> String {
        let what = match self {
            Self::Address { address: _, range } => (*range).to_owned(),
            Self::Name { host: _, kind } => format!("a name {kind}"),
        };
        format!(
            "Svix does not deliver to {what} (not shown), unless its SVIX_WHITELIST_SUBNETS permits it; {ADVICE}"
        )
    }
}

const ADVICE: &str = "use an address that Svix can reach";

/// Longest name in a message.
const MAX_NAME: usize = 48;

/// Returns why the address of an endpoint is never reached; `None`: nothing is known against it, or it is not a URL.
#[must_use]
pub fn unreachable(url: &str) -> Option<Unreachable> {
    match Url::parse(url.trim()).ok()?.host()? {
        Host::Ipv4(address) => of_address(IpAddr::V4(address)),
        Host::Ipv6(address) => of_address(IpAddr::V6(address)),
        Host::Domain(name) => of_name(name),
    }
}

fn of_address(address: IpAddr) -> Option<Unreachable> {
    // An IPv4 address in IPv6 notation is the IPv4 address.
    let range = match address.to_canonical() {
        IpAddr::V4(address) => ipv4_range(address),
        IpAddr::V6(address) => ipv6_range(address),
    };
    range.map(|range| Unreachable::Address { address, range })
}

fn ipv4_range(address: Ipv4Addr) -> Option<&'static str> {
    let range = match address.octets() {
        [0, ..] => "an address of this network",
        [127, ..] => "a loopback address",
        _ if address.is_private() => "a private address",
        _ if address.is_link_local() => "a link-local address",
        [100, 64..=127, ..] => "an address shared by customers of a provider",
        _ if address.is_documentation() => "an address for documentation",
        [198, 18 | 19, ..] => "an address for benchmarks",
        [192, 0, 0, _] => "a reserved address",
        [192, 88, 99, _] => "an address of 6to4 relays",
        _ if address.is_multicast() => "a multicast address",
        _ if address.is_broadcast() => "the broadcast address",
        [240..=255, ..] => "a reserved address",
        _ => return None,
    };
    Some(range)
}

fn ipv6_range(address: Ipv6Addr) -> Option<&'static str> {
    let range = match address.segments() {
        _ if address.is_unspecified() => "the unspecified address",
        _ if address.is_loopback() => "a loopback address",
        [0xff00..=0xffff, ..] => "a multicast address",
        [0xfe80..=0xfebf, ..] => "a link-local address",
        [0xfc00..=0xfdff, ..] => "a private address",
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => "an address for documentation",
        [0x100, 0, 0, 0, ..] => "an address that discards",
        [0x2002, ..] => "a 6to4 address",
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0x64, 0xff9b, 1, ..] => "a NAT64 address",
        [0x5f00, ..] => "a segment-routing address",
        _ => return None,
    };
    Some(range)
}

/// The names that are known to be local, by their last labels.
fn of_name(name: &str) -> Option<Unreachable> {
    let labels: Vec<&str> = name.trim_end_matches('.').split('.').collect();
    let kind = match labels.as_slice() {
        [.., "localhost"] | [.., "localhost", "localdomain"] => "of the machine itself",
        [.., "svc"] | [.., "cluster", "local"] => "of a Kubernetes Service, which only its cluster resolves",
        [.., "local" | "internal" | "localdomain"] | [.., "home", "arpa"] => "of a private network",
        [one] if !one.is_empty() => "without a domain, which only a private network resolves",
        _ => return None,
    };
    let host = match name.char_indices().nth(MAX_NAME) {
        None => name.to_owned(),
        Some((end, _)) => format!("{}…", &name[..end]),
    };
    Some(Unreachable::Name { host, kind })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_refused_ranges_are_found() {
        for (host, range) in [
            ("0.1.2.3", "an address of this network"),
            ("10.254.0.0", "a private address"),
            ("172.16.10.65", "a private address"),
            ("172.31.255.255", "a private address"),
            ("192.168.10.65", "a private address"),
            ("127.254.254.254", "a loopback address"),
            ("169.254.169.254", "a link-local address"),
            ("100.64.0.1", "an address shared by customers of a provider"),
            ("100.127.255.255", "an address shared by customers of a provider"),
            ("192.0.0.255", "a reserved address"),
            ("192.0.2.255", "an address for documentation"),
            ("198.51.100.65", "an address for documentation"),
            ("203.0.113.6", "an address for documentation"),
            ("192.88.99.3", "an address of 6to4 relays"),
            ("198.18.0.0", "an address for benchmarks"),
            ("198.19.255.255", "an address for benchmarks"),
            ("224.1.2.3", "a multicast address"),
            ("239.255.255.255", "a multicast address"),
            ("240.240.240.240", "a reserved address"),
            ("255.255.255.255", "the broadcast address"),
            ("[::]", "the unspecified address"),
            ("[::1]", "a loopback address"),
            ("[ff02::1]", "a multicast address"),
            ("[fe80::1]", "a link-local address"),
            ("[febf:ffff::1]", "a link-local address"),
            ("[fc00::1]", "a private address"),
            ("[fd7a:115c:a1e0::1]", "a private address"),
            ("[2001:db8::1]", "an address for documentation"),
            ("[3fff::1]", "an address for documentation"),
            ("[3fff:fff::1]", "an address for documentation"),
            ("[100::1]", "an address that discards"),
            ("[2002:c000:204::1]", "a 6to4 address"),
            ("[64:ff9b::808:808]", "a NAT64 address"),
            ("[64:ff9b:1::1]", "a NAT64 address"),
            ("[5f00::1]", "a segment-routing address"),
            // Other notations of an IPv4 address.
            ("[::ffff:10.0.0.1]", "a private address"),
            ("[::ffff:a00:1]", "a private address"),
            ("2130706433", "a loopback address"),
            ("0x7f000001", "a loopback address"),
            ("017700000001", "a loopback address"),
            ("127.1", "a loopback address"),
            ("0x7f.1", "a loopback address"),
            ("10.0x0.0.01", "a private address"),
            ("１２７.0.0.1", "a loopback address"),
            ("127.0.0.1.", "a loopback address"),
        ] {
            for url in [format!("http://{host}/x"), format!("https://user:pw@{host}:8443/x?y#z")] {
                match unreachable(&url) {
                    Some(Unreachable::Address { range: found, .. }) => assert_eq!(found, range, "{url}"),
                    other => assert_eq!(other, None, "{url} is {range}"),
                }
                assert!(unreachable(&url).is_some(), "{url}");
            }
        }
    }

    #[test]
    fn names_that_only_resolve_locally_are_found() {
        for host in [
            "localhost",
            "LOCALHOST",
            "localhost.",
            "api.localhost",
            "localhost.localdomain",
            "receiver.team.svc",
            "receiver.team.svc.",
            "receiver.team.svc.cluster.local",
            "x.pod.cluster.local.",
            "printer.local",
            "host.docker.internal",
            "metadata.google.internal",
            "nas.home.arpa",
            "receiver",
            "receiver:8080",
        ] {
            let found = unreachable(&format!("http://{host}/"));
            assert!(matches!(found, Some(Unreachable::Name { .. })), "{host}: {found:?}");
        }
    }

    #[test]
    fn public_addresses_and_names_are_not() {
        for url in [
            "https://hooks.example.org/x",
            "https://a.example/",
            "https://svc.example.org/",
            "https://localhost.example.org/",
            "https://internal.example.org/",
            "https://local.example/",
            "http://1.1.1.1/",
            "http://8.8.8.8/",
            "http://100.128.0.1/",
            "http://172.32.0.1/",
            "http://192.0.1.1/",
            "http://198.20.0.1/",
            "http://[2001:4860:4860::8888]/",
            "http://[::ffff:8.8.8.8]/",
            "http://[64:ff9b:2::1]/",
            "http://[100:0:0:1::1]/",
            "http://[4000::1]/",
            "not a URL",
        ] {
            assert_eq!(unreachable(url), None, "{url}");
        }
    }

    #[test]
    fn the_message_of_a_secret_address_shows_no_host() {
        for (url, what) in [
            ("http://10.1.2.3/hunter2", "to a private address (not shown)"),
            ("http://hunter2.team.svc/", "to a name of a Kubernetes Service, which"),
            ("http://hunter2/", "to a name without a domain, which"),
        ] {
            let message = unreachable(url).map(|found| found.without_host()).unwrap_or_default();

            assert!(message.contains(what), "{message}");
            assert!(!message.contains("hunter2") && !message.contains("10.1.2.3"), "{message}");
        }
    }

    #[test]
    fn a_message_is_short_and_shows_the_host_only() {
        let urls = [
            "https://user:hunter2@10.0.0.1/hunter2?hunter2".to_owned(),
            format!("https://user:hunter2@{}.svc.cluster.local/hunter2", "x".repeat(63)),
        ];
        for url in urls {
            let message = unreachable(&url).map(|found| found.to_string()).unwrap_or_default();
            assert!(!message.contains("hunter2"), "{message}");
            // The API server passes on 256 characters of a warning.
            assert!(!message.is_empty() && message.chars().count() < 240, "{}: {message}", message.len());
        }
    }
}
