//! The address of an endpoint: the form in which Svix keeps it, and the part that messages may show.

use url::Url;

use crate::plan::single_line::{self, InvalidLine};

/// An address that an endpoint cannot have. No message contains it: it may be a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    /// It is not one line of text. The URL parser removes line breaks, and some invisible characters from a host.
    #[error(transparent)]
    Line(#[from] InvalidLine),
    /// It has white space inside.
    #[error("found white space inside; {EXPECTED_URL}: remove it, or encode a space as %20")]
    WhiteSpace,
    /// It is in quotes.
    #[error("found an address in quotes; {EXPECTED_URL}: remove the quotes")]
    Quotes,
    /// It is a line of a file of variables.
    #[error("found NAME=value; {EXPECTED_URL}: remove the name and the equals sign")]
    Assignment,
    /// It is a placeholder that nothing has replaced.
    #[error(
        "found a placeholder such as ${{NAME}} or {{{{ .name }}}}; {EXPECTED_URL}: replace it before the object is applied"
    )]
    Placeholder,
    /// `http:` or `https:` without two slashes.
    #[error("found http: or https: without // behind it; {EXPECTED_URL}")]
    NoSlashes,
    /// It does not begin with a scheme.
    #[error("found a text without http:// or https:// at its beginning; {EXPECTED_URL}")]
    NoScheme,
    /// It does not parse.
    #[error("not a URL: {}; {EXPECTED_URL}", describe(*.0))]
    Syntax(#[source] url::ParseError),
    /// It has no host.
    #[error("the URL has no host; {EXPECTED_URL}")]
    NoHost,
    /// It is neither http nor https.
    #[error("found scheme {0:?}; {EXPECTED_URL}")]
    Scheme(&'static str),
    /// It has a scheme that is not known. It may be a part of a credential, such as the user of `user:password`.
    #[error("found another scheme than http and https (not shown); {EXPECTED_URL}")]
    UnknownScheme,
}

/// The schemes that messages show.
const KNOWN_SCHEMES: [&str; 8] = ["ftp", "ftps", "ws", "wss", "file", "mailto", "tcp", "ssh"];

const EXPECTED_URL: &str = "expected an absolute http or https URL";

/// Returns a URL in the form in which Svix keeps it (`https://a.example` becomes `https://a.example/`): Svix parses
/// it by the same WHATWG rules.
pub fn normal_url(text: &str) -> Result<String, InvalidUrl> {
    single_line::check(text)?;
    if let Some(mistake) = mistake_at_beginning(text) {
        return Err(mistake);
    }
    if text.contains(char::is_whitespace) {
        return Err(InvalidUrl::WhiteSpace);
    }
    let url = Url::parse(text).map_err(syntax)?;
    match (url.scheme(), url.host_str()) {
        ("http" | "https", Some(host)) if !host.is_empty() => Ok(url.into()),
        ("http" | "https", _) => Err(InvalidUrl::NoHost),
        (scheme, _) => {
            let known = KNOWN_SCHEMES.into_iter().find(|known| *known == scheme);
            Err(known.map_or(InvalidUrl::UnknownScheme, InvalidUrl::Scheme))
        }
    }
}

/// Finds a mistake that the beginning of a text shows.
fn mistake_at_beginning(text: &str) -> Option<InvalidUrl> {
    let is_name = |name: &str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    let assignment = text.strip_prefix("export ").unwrap_or(text).split_once('=');
    if text.starts_with(['"', '\'', '`', '\u{201c}', '\u{2018}', '<']) {
        Some(InvalidUrl::Quotes)
    } else if text.starts_with('$') || text.starts_with("{{") {
        Some(InvalidUrl::Placeholder)
    } else if assignment.is_some_and(|(name, _)| is_name(name)) {
        Some(InvalidUrl::Assignment)
    } else {
        None
    }
}

/// Finds the mistake in a text that the URL parser refuses.
fn syntax(error: url::ParseError) -> InvalidUrl {
    match error {
        url::ParseError::RelativeUrlWithoutBase => InvalidUrl::NoScheme,
        url::ParseError::EmptyHost => InvalidUrl::NoHost,
        other => InvalidUrl::Syntax(other),
    }
}

/// Describes why the pattern of an address in a custom resource refuses a text. `None`: for nothing that is known here.
#[must_use]
pub fn pattern_mistake(text: &str) -> Option<InvalidUrl> {
    let after_scheme = ["http:", "https:"].into_iter().find_map(|scheme| text.strip_prefix(scheme));
    match normal_url(text) {
        Err(error) => Some(error),
        Ok(_) => after_scheme.filter(|rest| !rest.starts_with("//")).map(|_| InvalidUrl::NoSlashes),
    }
}

/// Describes a mistake of which the parser says only the kind. It shows no part of the address.
fn describe(error: url::ParseError) -> &'static str {
    match error {
        url::ParseError::InvalidPort => "found a port that is no number up to 65535",
        url::ParseError::InvalidIpv4Address => {
            "found a host that ends with a number and is no IPv4 address such as 192.0.2.1"
        }
        url::ParseError::InvalidIpv6Address => {
            "found a host in brackets that is no IPv6 address such as [2001:db8::1]"
        }
        url::ParseError::IdnaError | url::ParseError::InvalidDomainCharacter => {
            "found a host with characters that a domain name cannot have"
        }
        _ => "found an address that cannot be read",
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
