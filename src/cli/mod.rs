//! The command line. Each command has a file that turns arguments into calls of the library, and nothing else.

#[macro_use]
mod printing;

mod application;
mod apply;
mod catalogue;
mod changes;
mod completions;
mod crds;
mod defect;
mod dev;
mod diff;
mod events;
mod exit;
mod export;
mod gateway;
mod git;
mod kubeconfig;
mod kubernetes;
mod payload_file;
mod plugin;
mod reference;
mod release;
mod run;
mod runtime;
mod schema;
mod secret;
mod send;
mod signals;
mod signature;
mod svix_server;
mod terminal;
mod validate;
mod version;
mod webhook;

use std::{env, path::Path, process::ExitCode};

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

/// Keeps Svix in sync with WebhookEventType, WebhookEndpoint and WebhookEvent resources.
#[derive(Debug, Parser)]
#[command(name = "svix-operator", version, long_version = version::LONG, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Dev(dev::Arguments),
    Validate(validate::Arguments),
    Diff(Box<diff::Arguments>),
    Apply(Box<apply::Arguments>),
    Webhook(Box<webhook::Arguments>),
    Send(Box<send::Arguments>),
    Events(Box<events::Arguments>),
    Secret(secret::Arguments),
    Export(Box<export::Arguments>),
    Catalogue(catalogue::Arguments),
    Schema(schema::Arguments),
    Release(release::Arguments),
    Signature(signature::Arguments),
    Completions(completions::Arguments),
    Crds(crds::Arguments),
    Reference(reference::Arguments),
}

/// Parses the arguments of the process, runs the command, and returns its exit code.
#[must_use]
pub fn main() -> ExitCode {
    defect::report_in_one_line();
    let program = match plugin::is_plugin(env::args_os().next().as_deref().map(Path::new)) {
        true => plugin::as_plugin(Arguments::command()),
        false => Arguments::command(),
    };
    let arguments = Arguments::from_arg_matches(&program.clone().get_matches());
    match arguments.unwrap_or_else(|error| error.exit()).command {
        Command::Run(arguments) => run::run(arguments),
        Command::Dev(arguments) => dev::run(arguments),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Diff(arguments) => diff::run(*arguments),
        Command::Apply(arguments) => apply::run(*arguments),
        Command::Webhook(arguments) => webhook::run(*arguments),
        Command::Send(arguments) => send::run(*arguments),
        Command::Events(arguments) => events::run(*arguments),
        Command::Secret(arguments) => secret::run(arguments),
        Command::Export(arguments) => export::run(*arguments),
        Command::Schema(arguments) => schema::run(&arguments),
        Command::Catalogue(arguments) => catalogue::run(arguments),
        Command::Release(arguments) => release::run(arguments),
        Command::Signature(arguments) => signature::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, program),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Reference(reference::Arguments {}) => reference::run(&Arguments::command()),
    }
}
