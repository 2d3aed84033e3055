//! `svix-operator catalogue`: event types from OpenAPI documents and JSON Schemas, and as OpenAPI and AsyncAPI documents.

mod export;
mod import;

use std::process::ExitCode;

/// Read event types from OpenAPI and JSON Schema, and write them as OpenAPI and AsyncAPI.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Import(import::Arguments),
    Export(export::Arguments),
}

/// Runs the command, and returns its exit code.
pub fn run(arguments: Arguments) -> ExitCode {
    match arguments.command {
        Command::Import(arguments) => import::run(&arguments),
        Command::Export(arguments) => export::run(arguments),
    }
}
