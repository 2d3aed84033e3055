//! Headers that belong to one connection and not to the message: RFC 9110, 7.6.

use hyper::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// What a WebSocket's beginning says; without `Upgrade` it means nothing.
const WEBSOCKET: [&str; 5] = [
    "sec-websocket-key",
    "sec-websocket-version",
    "sec-websocket-protocol",
    "sec-websocket-extensions",
    "sec-websocket-accept",
];
/// The payload's own warning, which Svix must not be able to say.
pub(super) const WARNING: HeaderName = HeaderName::from_static("svix-operator-warning");

/// What this gateway is called in `Via`.
const PSEUDONYM: &str = "svix-operator";

/// Takes away what belongs to the connection that a message came over.
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

/// Prepares the headers of a request for Svix. Its length is that of the body that is sent, and who asked for
/// `100 Continue` has had it from us.
pub(super) fn to_upstream(headers: &mut HeaderMap, host: &HeaderValue) {
    remove_hop_by_hop(headers);
    headers.remove(CONTENT_LENGTH);
    headers.remove(EXPECT);
    headers.insert(hyper::header::HOST, host.clone());
    headers.append(VIA, HeaderValue::from_static("1.1 svix-operator"));
}

/// How often a request has come through gateways like this one.
pub(super) fn times_through(headers: &HeaderMap) -> usize {
    headers
        .get_all(VIA)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .map(|value| value.matches(PSEUDONYM).count())
        .sum()
}

/// Whether a body is sent as it is.
pub(super) fn is_identity(headers: &HeaderMap) -> bool {
    headers
        .get_all(hyper::header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity"))
}

/// Whether a body is framed in a way that leaves it as it is: `chunked` alone, or a length.
pub(super) fn is_plainly_framed(headers: &HeaderMap) -> bool {
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    let plain =
        encodings.next().is_none_or(|value| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked"));
    plain && encodings.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_the_connection_goes_and_the_rest_stays() {
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
        assert_eq!(times_through(&headers), 1);
    }
}
