//! The address of an endpoint: the form in which Svix keeps it, and the part that messages may show.

use url::Url;

/// An address that an endpoint cannot have. No message contains it: it may be a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It does not parse.
    #[error("not a URL ({0}); {EXPECTED_URL}")]
    Syntax(#[from] url::ParseError),
    /// It has no host.
    #[error("the URL has no host; {EXPECTED_URL}")]
    NoHost,
    /// It is neither http nor https.
    #[error("found scheme {0:?}; {EXPECTED_URL}")]
    Scheme(String),
}

const EXPECTED_URL: &str = "expected an absolute http or https URL";

/// Returns a URL in the form in which Svix keeps it (`https://a.example` becomes `https://a.example/`): Svix parses
/// it by the same WHATWG rules.
pub fn normal_url(text: &str) -> Result<String, InvalidUrl> {
    let url = Url::parse(text)?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(host)) if !host.is_empty() => Ok(url.into()),
        ("http" | "https", _) => Err(InvalidUrl::NoHost),
        (scheme, _) => Err(InvalidUrl::Scheme(scheme.to_owned())),
    }
}

/// The part of a URL that messages, logs and metrics may show: its scheme and host. The rest can be a credential.
#[must_use]
pub fn host_of(url: &str) -> String {
    match Url::parse(url) {
        Ok(url) => format!("{}://{}/…", url.scheme(), url.host_str().unwrap_or("?")),
        Err(_) => "(not a URL)".to_owned(),
    }
}

/// Two URLs that differ, for messages: scheme, host and port of each. Where these are equal, the message names
/// the part that differs, and does not show it.
pub(super) fn display_urls(found: &str, expected: &str) -> (String, String) {
    let display = |text: &str| match Url::parse(text) {
        Ok(url) => {
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{}{port}/…", url.scheme(), url.host_str().unwrap_or("?"))
        }
        Err(_) => "(not a URL)".to_owned(),
    };
    let (found, expected) = (display(found), display(expected));
    let what = if found == expected { " (the path, query or user differs, and is not shown)" } else { "" };
    (found, format!("{expected}{what}"))
}
