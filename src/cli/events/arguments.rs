//! What the arguments of these commands share.

use jiff::Timestamp;

use crate::{cli::application::ApplicationError, messages::time};

/// The format of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// Parses the time of an argument.
pub fn time_of(argument: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, ApplicationError> {
    time::parse(text, now).map_err(|source| ApplicationError::Time { argument, source })
}
