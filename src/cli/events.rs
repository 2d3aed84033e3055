//! `svix-operator events`: messages that Svix stores, what became of them, and sending them again.

mod arguments;
mod get;
mod list;
mod replay;
mod resend;

use std::process::ExitCode;

use crate::telemetry::{self, LogFormat};

/// List events that Svix stores, see what became of them, and send them again.
///
/// Exit codes: 0 done; 1 not approved; 2 wrong arguments; 3 Svix failed, or does not know the application, endpoint or message.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    List(Box<list::Arguments>),
    Get(get::Arguments),
    Resend(resend::Arguments),
    Replay(replay::Arguments),
}

/// Runs the command, and returns its exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    telemetry::init_logs(LogFormat::Text, "error");
    match arguments.command {
        Command::List(arguments) => list::run(*arguments),
        Command::Get(arguments) => get::run(arguments),
        Command::Resend(arguments) => resend::run(arguments),
        Command::Replay(arguments) => replay::run(arguments),
    }
}
