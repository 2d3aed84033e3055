//! Addresses, as RFC 3986 and RFC 3987 have them.

use referencing::{Iri, IriRef, Uri, UriRef};

pub(super) fn is_uri_reference(text: &str) -> bool {
    UriRef::parse(text).is_ok()
}

pub(super) fn is_iri(text: &str) -> bool {
    Iri::parse(text).is_ok()
}

pub(super) fn is_iri_reference(text: &str) -> bool {
    IriRef::parse(text).is_ok()
}

/// The address of something on the web: `http`, `https` or `ftp`, with a host.
pub(super) fn is_url(text: &str) -> bool {
    Uri::parse(text).is_ok_and(|uri| {
        let is_web =
            ["http", "https", "ftp"].iter().any(|scheme| uri.scheme().as_str().eq_ignore_ascii_case(scheme));
        is_web && uri.authority().is_some_and(|authority| !authority.host().is_empty())
    })
}
