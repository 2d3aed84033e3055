//! The Svix server that commands name with `--svix-url`, `--svix-ca` and `SVIX_TOKEN`.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    plan::single_line::{self, InvalidLine},
    svix::{Budget, Client, ClientOptions, InvalidConnection},
    telemetry::Metrics,
};

/// Why a Svix server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SvixServerError {
    /// The address is not a URL.
    #[error("--svix-url: found no URL ({0}), expected {EXPECTED_URL}")]
    Url(#[source] url::ParseError),
    /// The URL has another scheme.
    #[error("--svix-url: found scheme {0:?}, expected {EXPECTED_URL}")]
    Scheme(String),
    /// There is no token, or it is not one line of text.
    #[error("the environment variable SVIX_TOKEN, expected the token of the Svix server: {0}")]
    Token(#[from] InvalidLine),
    /// The file of certificates cannot be read.
    #[error("{}: {source}", path.display())]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The client cannot be created.
    #[error(transparent)]
    Client(#[from] InvalidConnection),
}

const EXPECTED_URL: &str = "an http or https URL such as https://api.eu.svix.com";

/// Returns the text of a file of certificates.
pub fn ca_bundle(file: Option<&Path>) -> Result<Option<String>, SvixServerError> {
    let read = |file: &Path| {
        let failed = |source| SvixServerError::CaBundle { path: file.to_owned(), source };
        std::fs::read_to_string(file).map_err(failed)
    };
    file.map(read).transpose()
}

/// Returns the token in the environment.
pub fn token() -> Result<String, SvixServerError> {
    let token = std::env::var("SVIX_TOKEN").unwrap_or_default();
    Ok(single_line::trimmed(token.as_bytes())?.to_owned())
}

/// Creates a client of the Svix server.
pub fn client(
    server_url: Option<&str>,
    ca_bundle: Option<&str>,
    metrics: Metrics,
) -> Result<Client, SvixServerError> {
    server_url.map_or(Ok(()), check_url)?;
    let token = token()?;
    let timeout = Duration::from_secs(15);
    let options = ClientOptions { server_url, token: &token, ca_bundle, timeout };
    Ok(Client::new(&options, Arc::new(Budget::new(None)), metrics)?)
}

/// Checks that an address can be that of a Svix server.
pub fn check_url(url: &str) -> Result<(), SvixServerError> {
    // The URL may contain a credential, also if it is not valid, so no error shows it.
    let parsed = url::Url::parse(url).map_err(SvixServerError::Url)?;
    match (parsed.scheme(), parsed.host_str()) {
        ("http" | "https", Some(_)) => Ok(()),
        (scheme, _) => Err(SvixServerError::Scheme(scheme.to_owned())),
    }
}

/// Returns the address of a server for messages: without path and user.
pub fn origin(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| "(no URL)".to_owned(), |url| url.origin().ascii_serialization())
}
