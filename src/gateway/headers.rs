//! Headers that belong to one connection and are not forwarded: RFC 9110, section 7.6.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// Headers of a WebSocket handshake, which have no meaning without `Upgrade`.
const WEBSOCKET: [&str; 5] = [
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "sec-websocket-accept",
];
/// The warning about a payload. It is removed from Svix's responses: only the gateway sets it.
pub(super) const WARNING: HeaderName = HeaderName::from_static("svix-operator-warning");

/// This gateway's name in `Via`.
const PSEUDONYM: &str = "svix-operator";

/// Removes the headers that belong to the connection over which a request or response arrived.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = headers
            .get_all(CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
    for name in WEBSOCKET {
        headers.remove(name);
    }
}

/// Prepares the headers of a request for Svix. The client sets the length of the body; a caller that expects
/// `100 Continue` has received it from the gateway.
pub(super) fn to_upstream(headers: &mut HeaderMap, host: &HeaderValue) {
    remove_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    headers.insert(hyper::header::HOST, host.clone());
    headers.append(VIA, HeaderValue::from_static("1.1 svix-operator"));
}

/// Returns how many gateways like this one a request has passed.
pub(super) fn hops(headers: &HeaderMap) -> usize {
    headers
        .get_all(VIA)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(|value| value.matches(PSEUDONYM).count())
        .sum()
}

/// Returns whether a body has no content encoding.
pub(super) fn is_identity(headers: &HeaderMap) -> bool {
    headers
        .get_all(hyper::header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Returns whether a body has no transfer encoding other than `chunked`.
pub(super) fn has_plain_framing(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let plain =
        encodings.next().is_none_or(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    plain && encodings.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_headers_of_the_connection_are_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("keep-alive", "5"),
            ("te", "trailers"),
            ("upgrade", "websocket"),
            ("proxy-authorization", "Basic x"),
            ("content-length", "3"),
            ("expect", "100-continue"),
            ("host", "gateway"),
            ("authorization", "Bearer t"),
            ("x-end", "2"),
            ("sec-websocket-key", "k"),
            ("via", "1.1 somebody"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        to_upstream(&mut headers, &HeaderValue::from_static("svix.example"));
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "host", "via", "x-end"]);
        assert_eq!(headers["host"], "svix.example");
        assert_eq!(hops(&headers), 1);
    }
}
