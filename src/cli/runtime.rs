//! Runs a command on a tokio runtime.

use std::{fmt::Display, process::ExitCode};

/// How many threads a command uses.
#[derive(Clone, Copy)]
pub enum Threads {
    /// One, for commands that one person runs. More threads cost memory: each has a heap of its own.
    One,
    /// As many as there are processors.
    Many,
}

/// Runs a command on a runtime of its own. An error is printed in one line, and the exit code is `failed`.
pub fn block_on<E: Display>(
    threads: Threads,
    command: impl Future<Output = Result<ExitCode, E>>,
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
    // A task that blocks in a library must not delay the end of the process.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| {
        eprintln!("error: {error}");
        failed
    })
}
