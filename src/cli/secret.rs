//! `svix-operator secret`: the signing key of an endpoint.

mod get;
mod rotate;

use std::process::ExitCode;

use crate::telemetry::{self, LogFormat};

/// Print or replace the signing key of an endpoint.
///
/// Exit codes: 0 done; 1 not approved; 2 wrong arguments; 3 Svix failed, or does not know the application or endpoint.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Get(get::Arguments),
    Rotate(rotate::Arguments),
}

/// Runs the command, and returns its exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    match arguments.command {
        Command::Get(arguments) => get::run(arguments),
        Command::Rotate(arguments) => rotate::run(arguments),
    }
}
