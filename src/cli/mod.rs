//! The command line: one file per command, each from arguments to library calls and nothing else.

mod crds;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps Svix in step with WebhookEventType and WebhookEndpoint resources.
#[derive(Debug, Parser)]
#[command(name = "svix-operator", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Crds(crds::Arguments),
}

/// Reads the arguments of the process, runs the command, and answers its exit code.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Crds(arguments) => crds::run(&arguments),
    }
}
