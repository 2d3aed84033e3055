//! Which requests a server accepts that is meant for programs on the same machine, such as those of `dev`: none that a web
//! page makes. Pure.
//!
//! A browser lets a page send requests to loopback addresses. It does not show the response to the page, unless the page
//! comes from a name that its owner resolved to a loopback address after the page was loaded (DNS rebinding). Such a
//! request has that name in `Host`. Any other request of a page has `Origin` or `Sec-Fetch-Site`, which a page cannot
//! remove.

use std::net::IpAddr;

use hyper::{
    HeaderMap, StatusCode, Uri,
    header::{HOST, HeaderName, HeaderValue, ORIGIN},
    http::uri::Authority,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Maximum length of a value in a message, in characters.
const MAX_SHOWN: usize = 100;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It does not name one host.
    #[error("The Host header: found {found}, expected one, with {}.", expected(*.listen))]
    Hosts {
        /// How many there are.
        found: usize,
        /// The address that the server listens on.
        listen: IpAddr,
    },
    /// It names another host.
    #[error("The host: found {found:?}, expected {}. Use one of them in the address of the server.", expected(*.listen))]
    OtherHost {
        /// The host, shortened.
        found: String,
        /// The address that the server listens on.
        listen: IpAddr,
    },
    /// A web page made it.
    #[error(
        "The {header} header: found {found:?}, expected no request of a web page. Send it from a program."
    )]
    Page {
        /// The header that shows this.
        header: &'static str,
        /// Its value, shortened.
        found: String,
    },
}

impl Refusal {
    /// Returns the status of the response.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Hosts { .. } | Self::OtherHost { .. } => StatusCode::MISDIRECTED_REQUEST,
            Self::Page { .. } => StatusCode::FORBIDDEN,
        }
    }

    /// Returns the code of the response, for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Hosts { .. } | Self::OtherHost { .. } => "misdirected_request",
            Self::Page { .. } => "page_request",
        }
    }
}

/// Returns the hosts that are accepted, for messages.
fn expected(listen: IpAddr) -> String {
    if listen.is_loopback() {
        "localhost or a loopback address".to_owned()
    } else if listen.is_unspecified() {
        "localhost or an IP address".to_owned()
    } else {
        format!("localhost, a loopback address or {listen}")
    }
}

/// Checks a request to a server that listens on this address.
pub fn check(uri: &Uri, headers: &HeaderMap, listen: IpAddr) -> Result<(), Refusal> {
    let hosts: Vec<&HeaderValue> = headers.get_all(HOST).iter().collect();
    let [host] = hosts[..] else { return Err(Refusal::Hosts { found: hosts.len(), listen }) };
    let is_accepted = |host: &[u8]| Authority::try_from(host).is_ok_and(|host| is_local(&host, listen));
    if !is_accepted(host.as_bytes()) {
        return Err(Refusal::OtherHost { found: shown(host.as_bytes()), listen });
    }
    // A request line with a whole address has a second host.
    if let Some(authority) = uri.authority()
        && !is_accepted(authority.as_str().as_bytes())
    {
        return Err(Refusal::OtherHost { found: shown(authority.as_str().as_bytes()), listen });
    }
    let page = |header, value: &HeaderValue| Refusal::Page { header, found: shown(value.as_bytes()) };
    if let Some(origin) = headers.get(ORIGIN) {
        return Err(page("Origin", origin));
    }
    // `none`: a person entered the address.
    match headers.get_all(SEC_FETCH_SITE).iter().find(|site| site.as_bytes() != b"none") {
        Some(site) => Err(page("Sec-Fetch-Site", site)),
        None => Ok(()),
    }
}

fn is_local(authority: &Authority, listen: IpAddr) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // An address literal is resolved by nobody. On all interfaces, each of them is an address of the server.
    literal.parse::<IpAddr>().is_ok_and(|address| {
        let address = address.to_canonical();
        address.is_loopback() || listen.is_unspecified() || address == listen.to_canonical()
    })
}

fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).chars().take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LOOPBACK: &str = "127.0.0.1";

    fn check_headers(headers: &[(&'static str, &str)], listen: &str) -> Result<(), Refusal> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        check(&Uri::from_static("/api/v1/app"), &map, listen.parse().unwrap())
    }

    fn status(headers: &[(&'static str, &str)], listen: &str) -> u16 {
        check_headers(headers, listen).map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    }

    #[test]
    fn hosts_that_no_page_can_have_are_accepted() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:8071",
            "127.8.9.1",
            "[::1]:9",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert_eq!(status(&[("host", host)], LOOPBACK), 200, "{host}");
            assert_eq!(status(&[("host", host)], "192.0.2.7"), 200, "{host}");
        }
        assert_eq!(status(&[("host", "192.0.2.7:80")], "192.0.2.7"), 200);
        assert_eq!(status(&[("host", "192.0.2.7:80")], "0.0.0.0"), 200);
        assert_eq!(status(&[("host", "[2001:db8::1]")], "::"), 200);
    }

    #[test]
    fn other_hosts_are_misdirected() {
        for host in [
            "evil.example",
            "evil.example:8071",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost.",
            "x.localhost",
            "127.1",
            "0x7f.0.0.1",
            "2130706433",
            "127.0.0.1@evil.example",
            "evil@127.0.0.1",
            "192.0.2.7",
            "0.0.0.0",
            "[2001:db8::1]",
            "::1",
            "",
            " ",
            "a b",
        ] {
            assert_eq!(status(&[("host", host)], LOOPBACK), 421, "{host}");
        }
        assert_eq!(status(&[("host", "evil.example")], "0.0.0.0"), 421);
        assert_eq!(status(&[], LOOPBACK), 421, "no host");
        assert_eq!(status(&[("host", "localhost"), ("host", "localhost")], LOOPBACK), 421, "two hosts");
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        let uri = Uri::from_static("http://evil.example/api/v1/app");
        assert!(check(&uri, &headers, LOOPBACK.parse().unwrap()).is_err(), "the host of the request line");
    }

    #[test]
    fn requests_of_pages_are_refused() {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8071"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-site", ""),
        ] {
            assert_eq!(status(&[("host", "localhost"), (name, value)], LOOPBACK), 403, "{name}: {value}");
        }
        assert_eq!(status(&[("host", "localhost"), ("sec-fetch-site", "none")], LOOPBACK), 200);
    }

    #[test]
    fn a_refusal_says_what_is_expected() {
        let text = |headers: &[(&'static str, &str)], listen| {
            check_headers(headers, listen).unwrap_err().to_string()
        };

        let host = text(&[("host", "evil.example")], "192.0.2.7");
        let page = text(&[("host", "localhost"), ("origin", "https://evil.example")], LOOPBACK);

        assert!(
            host.contains(r#""evil.example", expected localhost, a loopback address or 192.0.2.7"#),
            "{host}"
        );
        assert!(page.contains("Origin") && page.contains("https://evil.example"), "{page}");
    }
}
