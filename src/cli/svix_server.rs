//! The Svix server that commands name with `--svix-url`, `--svix-ca` and environment variables: our own, `SVIX_TOKEN` and
//! `SVIX_URL`, and those that Svix's command line reads, `SVIX_AUTH_TOKEN` and `SVIX_SERVER_URL`. Ours take precedence.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use crate::{
    pem::{self, PemMistake},
    plan::{
        endpoint::{InvalidUrl, normal_url},
        single_line::{self, InvalidLine},
    },
    svix::{Budget, Client, ClientOptions, Error, ErrorKind, InvalidConnection},
    telemetry::Metrics,
};

use super::exit::Exit;

/// Why a Svix server cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SvixServerError {
    /// The address is not a URL.
    #[error("--svix-url: {0}, such as https://api.eu.svix.com")]
    Url(#[from] InvalidUrl),
    /// The URL has a user or a password, which nothing uses and messages would show.
    #[error(
        "--svix-url: found a user or a password in the URL (not shown), expected an address without them; the token is \
         read from {TOKEN}"
    )]
    User,
    /// There is no token.
    #[error(
        "the environment variables {TOKEN} and {OTHER_TOKEN}: found neither, expected the token of the Svix server"
    )]
    NoToken,
    /// The token is not one line of text.
    #[error("the environment variable {variable}, expected the token of the Svix server: {source}")]
    Token {
        /// The variable.
        variable: &'static str,
        /// What is wrong with its value.
        source: InvalidLine,
    },
    /// The file of certificates cannot be read.
    #[error("--svix-ca {}: {source}", path.display())]
    CaBundle {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file of certificates has none that can be used.
    #[error("--svix-ca {}: {source}", path.display())]
    NoCertificates {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: PemMistake,
    },
    /// The client cannot be created.
    #[error(transparent)]
    Client(#[from] InvalidConnection),
}

/// Returns the text of a file of certificates.
pub fn ca_bundle(file: Option<&Path>) -> Result<Option<String>, SvixServerError> {
    let Some(file) = file else { return Ok(None) };
    let path = || file.to_owned();
    let bytes = std::fs::read(file).map_err(|source| SvixServerError::CaBundle { path: path(), source })?;
    pem::authorities(&bytes).map_err(|source| SvixServerError::NoCertificates { path: path(), source })?;
    // Comments may be in another encoding. They are not read.
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// The environment variable of the token.
pub const TOKEN: &str = "SVIX_TOKEN";
/// The one that Svix's command line reads.
const OTHER_TOKEN: &str = "SVIX_AUTH_TOKEN";
/// The environment variable of the address.
const URL: &str = "SVIX_URL";
/// The one that Svix's command line reads.
const OTHER_URL: &str = "SVIX_SERVER_URL";

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub variable: &'static str,
    /// Its value, without white space at its ends.
    pub value: String,
}

/// Returns the token in the environment.
pub fn token() -> Result<Variable, SvixServerError> {
    let found = first_of([TOKEN, OTHER_TOKEN], environment).ok_or(SvixServerError::NoToken)?;
    match single_line::check(&found.value) {
        Ok(_) => Ok(found),
        Err(source) => Err(SvixServerError::Token { variable: found.variable, source }),
    }
}

/// Returns the address of the server, given that of `--svix-url` or `SVIX_URL`.
pub fn address(argument: Option<String>) -> Option<String> {
    let argument = argument.filter(|address| !address.trim().is_empty());
    argument.or_else(|| first_of([OTHER_URL], environment).map(|found| found.value))
}

/// Returns the warnings about variables that have different values. `address` is the one in use, if the command takes it
/// from the environment; `uses_token`: whether it uses a token. Values are not shown: both may contain a credential.
pub fn warnings(address: Option<&str>, uses_token: bool) -> Vec<String> {
    warnings_of(address, uses_token, environment)
}

fn warnings_of(
    address: Option<&str>,
    uses_token: bool,
    read: impl Fn(&str) -> Option<String>,
) -> Vec<String> {
    let differ = |used: &'static str, other: &'static str| {
        let (used_value, other_value) = (first_of([used], &read)?.value, first_of([other], &read)?.value);
        (used_value != other_value).then_some((used_value, format!(
            "the environment variables {used} and {other} have different values; {used} is used, unset one of them"
        )))
    };
    let token = differ(TOKEN, OTHER_TOKEN).filter(|_| uses_token).map(|(_, warning)| warning);
    // With --svix-url, neither variable is used.
    let is_from_environment = |value: &str| address.is_some_and(|address| address.trim() == value);
    let url =
        differ(URL, OTHER_URL).filter(|(value, _)| is_from_environment(value)).map(|(_, warning)| warning);
    token.into_iter().chain(url).collect()
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns the first of these variables that has a value.
fn first_of<const N: usize>(
    names: [&'static str; N],
    read: impl Fn(&str) -> Option<String>,
) -> Option<Variable> {
    names.into_iter().find_map(|variable| {
        let value = read(variable)?.trim().to_owned();
        (!value.is_empty()).then_some(Variable { variable, value })
    })
}

/// Creates a client of the Svix server.
pub fn client(
    server_url: Option<&str>,
    ca_bundle: Option<&str>,
    metrics: Metrics,
) -> Result<Client, SvixServerError> {
    server_url.map_or(Ok(()), check_url)?;
    let token = token()?.value;
    let timeout = Duration::from_secs(15);
    let options = ClientOptions { server_url, token: &token, ca_bundle, timeout };
    Ok(Client::new(&options, Arc::new(Budget::new(None)), metrics)?)
}

/// Checks that an address can be that of a Svix server.
pub fn check_url(url: &str) -> Result<(), SvixServerError> {
    // No error shows the URL, which may contain a credential.
    let url = url::Url::parse(&normal_url(url)?);
    match url.is_ok_and(|url| !url.username().is_empty() || url.password().is_some()) {
        true => Err(SvixServerError::User),
        false => Ok(()),
    }
}

/// Returns the address of a server for messages: without path and user.
pub fn origin(url: &str) -> String {
    url::Url::parse(url).map_or_else(|_| "(no URL)".to_owned(), |url| url.origin().ascii_serialization())
}

/// Reports that a call failed, and returns the exit code. `state` says what has become of the work, and `advice`, which comes
/// last, what else to do; each begins with a semicolon, or is empty.
pub fn failed(error: &Error, client: &Client, state: &str, advice: &str) -> ExitCode {
    let at = origin(client.server_url());
    match &error.kind {
        ErrorKind::Transport(why) => eprintln!(
            "error: {}: no answer from Svix at {at}: {why}{state}; --svix-url names another server{advice}",
            error.operation
        ),
        kind => eprintln!("error: {}: {at}: {kind}{state}{advice}", error.operation),
    }
    Exit::Failed.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    #[test]
    fn a_file_of_certificates_is_checked() {
        let certificate = CertificateParams::default().self_signed(&KeyPair::generate().unwrap()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        let read = |bytes: &[u8]| {
            std::fs::write(file.path(), bytes).unwrap();
            ca_bundle(Some(file.path()))
        };

        let latin = [b"# Autorit\xe9\n", certificate.pem().as_bytes()].concat();
        assert!(read(&latin).unwrap().is_some_and(|text| text.ends_with(&certificate.pem())));
        for (bytes, expected) in
            [(certificate.der().to_vec(), "found bytes that are no text"), (Vec::new(), "found no text")]
        {
            let said = read(&bytes).unwrap_err().to_string();
            assert!(said.starts_with(&format!("--svix-ca {}: {expected}", file.path().display())), "{said}");
        }
        assert_eq!(ca_bundle(None).unwrap(), None);
    }

    fn read(set: &[(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
        let set = set.to_vec();
        move |name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn our_variables_take_precedence() {
        for (set, expected) in [
            (&[(TOKEN, "a"), (OTHER_TOKEN, "b")][..], Some((TOKEN, "a"))),
            (&[(TOKEN, " "), (OTHER_TOKEN, " b\n")], Some((OTHER_TOKEN, "b"))),
            (&[(OTHER_TOKEN, "b")], Some((OTHER_TOKEN, "b"))),
            (&[(TOKEN, ""), (OTHER_TOKEN, "")], None),
            (&[], None),
        ] {
            let found = first_of([TOKEN, OTHER_TOKEN], read(set));
            let expected = expected.map(|(variable, value)| Variable { variable, value: value.to_owned() });
            assert_eq!(found, expected, "{set:?}");
        }
    }

    #[test]
    fn an_address_has_no_user() {
        let error = check_url("https://user:hunter2@svix.example.org").map_err(|error| error.to_string());

        assert!(error.is_err_and(|error| error.contains("found a user") && !error.contains("hunter2")));
        assert!(check_url("https://svix.example.org/base").is_ok());
    }

    #[test]
    fn different_values_are_reported_without_the_values() {
        let set = [
            (TOKEN, "secret-a"),
            (OTHER_TOKEN, "secret-b"),
            (URL, "http://u:p@a"),
            (OTHER_URL, "http://u:p@b"),
        ];

        let both = warnings_of(Some("http://u:p@a"), true, read(&set));
        let by_flag = warnings_of(Some("http://c"), true, read(&set));
        let same =
            warnings_of(Some("http://a"), true, read(&[(TOKEN, "a"), (OTHER_TOKEN, "a"), (URL, "http://a")]));

        assert!(
            both.len() == 2 && both[0].contains("SVIX_TOKEN is used") && both[1].contains("SVIX_URL is used"),
            "{both:?}"
        );
        assert!(!both.concat().contains("secret") && !both.concat().contains("u:p"), "{both:?}");
        assert_eq!((by_flag.len(), same.len()), (1, 0), "{by_flag:?} {same:?}");
        assert_eq!(warnings_of(None, false, read(&set)), [""; 0]);
    }
}
