//! `svix-operator schema`: versions of a schema, for those who wrote a receiver.

mod check;
mod cluster;
mod diff;
mod document;
mod format;
mod history;

use std::process::ExitCode;

/// Compare versions of a schema.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Check(check::Arguments),
    Diff(diff::Arguments),
    History(history::Arguments),
}

/// Runs the command, and returns its exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::History(arguments) => history::run(arguments),
    }
}
