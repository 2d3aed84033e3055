//! What commands about one application in Svix share: which one, on which server, and how errors are reported.

use std::{path::PathBuf, process::ExitCode};

use crate::{
    messages::{MessagesError, time::InvalidTime},
    plan,
    svix::{Client, Error},
    telemetry::Metrics,
};

use super::{
    exit::Exit,
    signals::SignalError,
    svix_server::{self, SvixServerError},
};

/// An application in Svix.
#[derive(Debug, clap::Args)]
pub struct ApplicationArguments {
    /// Svix application (id or uid).
    #[arg(long, value_name = "APP", default_value = "default")]
    pub app: String,

    /// Address of the Svix server. Default: SVIX_SERVER_URL, else that of the token's region. The token is in SVIX_TOKEN or
    /// SVIX_AUTH_TOKEN.
    #[arg(long, env = "SVIX_URL", value_name = "URL")]
    pub svix_url: Option<String>,

    /// PEM file of certificates to trust in addition to the system's.
    #[arg(long, value_name = "FILE")]
    pub svix_ca: Option<PathBuf>,
}

/// Why a command about an application cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum ApplicationError {
    #[error(transparent)]
    Server(#[from] SvixServerError),
    #[error(transparent)]
    Signals(#[from] SignalError),
    #[error("{argument}: found {}, expected {expected} (letters, digits, `-`, `_` and `.`)", plan::quoted(.found))]
    Name { argument: &'static str, found: String, expected: &'static str },
    #[error("{argument}: {source}")]
    Time { argument: &'static str, source: InvalidTime },
    #[error("--until: found a time before that of --since, expected a later one")]
    Period,
    #[error("standard input is no terminal, so nobody can be asked; --yes does not ask")]
    CannotAsk,
}

impl ApplicationArguments {
    /// Returns a client of the server. Warnings are printed.
    pub fn client(&self) -> Result<Client, ApplicationError> {
        check_name("--app", &self.app, "the id or uid of an application")?;
        let url = svix_server::address(self.svix_url.clone());
        let warnings = svix_server::warnings(url.as_deref(), true);
        warnings.iter().for_each(|warning| eprintln!("warning: {warning}"));
        let ca = svix_server::ca_bundle(self.svix_ca.as_deref())?;
        Ok(svix_server::client(url.as_deref(), ca.as_deref(), Metrics::default())?)
    }
}

/// Checks a name that becomes a part of a path.
pub fn check_name(
    argument: &'static str,
    found: &str,
    expected: &'static str,
) -> Result<(), ApplicationError> {
    match plan::ids::is_name(found) {
        true => Ok(()),
        false => Err(ApplicationError::Name { argument, found: found.to_owned(), expected }),
    }
}

/// Reports why a command failed, and returns its exit code.
pub fn failed(error: &MessagesError, client: &Client) -> ExitCode {
    match error {
        MessagesError::Svix(error) => return svix_failed(error, client, ""),
        error => eprintln!("error: {error}"),
    }
    match error {
        MessagesError::Disabled(_) => Exit::Usage.into(),
        _ => Exit::Failed.into(),
    }
}

/// Reports that a call failed that may have taken effect; `check` says how to find out.
pub fn svix_failed(error: &Error, client: &Client, check: &str) -> ExitCode {
    let check = if error.effect_unknown() { check } else { "" };
    svix_server::failed(error, client, "", check)
}
