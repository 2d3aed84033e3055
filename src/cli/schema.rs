//! `svix-operator schema`: two versions of a schema, compared for those who wrote a receiver.

mod check;
mod document;

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
}

/// Runs the command, and returns its exit code.
pub fn run(arguments: &Arguments) -> ExitCode {
    match &arguments.command {
        Command::Check(arguments) => check::run(arguments),
    }
}
