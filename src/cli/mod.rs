//! The command line: one file per command, each from arguments to library calls and nothing else.

mod crds;
mod dev;
mod gateway;
mod reference;
mod release;
mod run;
mod send;
mod version;
mod webhook;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Keeps Svix in step with WebhookEventType and WebhookEndpoint resources.
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
    Webhook(Box<webhook::Arguments>),
    Send(Box<send::Arguments>),
    Release(release::Arguments),
    Crds(crds::Arguments),
    Reference(reference::Arguments),
}

/// Reads the arguments of the process, runs the command, and answers its exit code.
#[must_use]
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Run(arguments) => run::run(arguments),
        Command::Dev(arguments) => dev::run(arguments),
        Command::Webhook(arguments) => webhook::run(*arguments),
        Command::Send(arguments) => send::run(*arguments),
        Command::Release(arguments) => release::run(arguments),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Reference(arguments) => reference::run(&arguments),
    }
}

/// How many threads a command works on.
#[derive(Clone, Copy)]
enum Threads {
    /// One: what a single person does at a desk. Threads would cost memory: each has a heap of its own.
    One,
    /// As many as there are processors.
    Many,
}

/// Runs a command on a runtime of its own; an error is told in one line, and ends it with `failed`.
fn block_on(
    threads: Threads,
    command: impl Future<Output = Result<ExitCode, String>>,
    failed: ExitCode,
) -> ExitCode {
    let mut builder = match threads {
        Threads::One => tokio::runtime::Builder::new_current_thread(),
        Threads::Many => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start: {error}");
            return failed;
        }
    };
    let result = runtime.block_on(command);
    // A task that hangs in a library must not hold up the end.
    runtime.shutdown_background();
    result.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        failed
    })
}
